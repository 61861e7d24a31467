from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import DocumentError, DyncritError
from dyncrit.fuzz.mutate.explaining import explain
from dyncrit.fuzz.mutate.mutation import Step
from dyncrit.fuzz.mutate.record import MutationRecord
from dyncrit.fuzz.run import store as module
from dyncrit.fuzz.run.case import Case
from dyncrit.fuzz.run.finding import Finding, Minimised
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.store import (
    INPUT,
    MINIMISED,
    FindingStore,
    Output,
    read_case,
    read_finding,
    saved_findings,
)
from dyncrit.fuzz.run.target import Target
from dyncrit.fuzz.run.verdict import Rules, Verdict

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target.parse("/bin/cat {image}")
VERDICT = Verdict("signal", "SIGSEGV: it's \x1b odd", (0,), "it's odd")
IMAGE = Case.of_image("core 1's.img", b"image")
CHECKPOINT = Case("dump", {"a.img": b"1", "b.img": b"2"}, is_checkpoint=True)
OUTPUTS = [Output(b"out", b"err")]


def finding(case: Case, verdict: Verdict = VERDICT) -> Finding:
    return Finding(
        key=verdict.key([TARGET]),
        verdict=verdict,
        targets=(TARGET.text,),
        name=case.name,
        is_checkpoint=case.is_checkpoint,
        source="a/b.img",
        seed=7,
        number=12,
        rules=Rules(Limits(memory=1 << 30), frozenset({0, 1}), "text", {"A": "b c"}, ("a.*",)),
        ends=("signal 11",),
    )


def record(case: Case) -> MutationRecord:
    return MutationRecord("a/b.img", "00", 1, (Step("noise", "head", "x"),), case.digest)


def add(store: FindingStore, case: Case = IMAGE, verdict: Verdict = VERDICT) -> bool:
    return store.add(finding(case, verdict), case, record(case), OUTPUTS, [TARGET])


@pytest.mark.parametrize("case", [IMAGE, CHECKPOINT])
def test_a_finding_is_read_back_as_it_was_kept(tmp_path: Path, case: Case) -> None:
    store = FindingStore(tmp_path / "findings")
    assert add(store, case)
    (folder,) = saved_findings(tmp_path / "findings")
    kept = read_finding(folder)
    assert replace(kept, first_seen="", last_seen="") == finding(case)
    assert kept.first_seen == kept.last_seen != ""
    assert folder.name == f"signal-{kept.key}"
    assert read_case(folder, kept) == case
    assert (folder / "output" / "1.stderr").read_bytes() == b"err"
    assert saved_findings(folder) == [folder]


@pytest.mark.parametrize("case", [IMAGE, CHECKPOINT])
def test_what_was_done_to_the_input_can_be_explained(tmp_path: Path, case: Case) -> None:
    add(FindingStore(tmp_path), case)
    (folder,) = saved_findings(tmp_path)
    path = folder / INPUT if case.is_checkpoint else folder / INPUT / case.name
    assert explain(path).result == "same"


def test_the_same_again_is_counted_only(tmp_path: Path) -> None:
    store = FindingStore(tmp_path)
    assert add(store)
    assert not add(store)
    store.count(VERDICT.key([TARGET]), 40)
    store.flush()
    store.flush()
    (folder,) = saved_findings(tmp_path)
    assert read_finding(folder).hits == 42


def test_a_folder_of_findings_is_gone_on_with(tmp_path: Path) -> None:
    add(FindingStore(tmp_path))
    store = FindingStore(tmp_path)
    assert not add(store)
    assert add(store, verdict=Verdict("timeout", "", (0,)))
    store.flush()
    assert sorted(item.hits for item in FindingStore(tmp_path).findings.values()) == [1, 2]


@pytest.mark.parametrize("case", [IMAGE, CHECKPOINT])
def test_a_minimised_input_is_beside_the_first(tmp_path: Path, case: Case) -> None:
    store = FindingStore(tmp_path)
    add(store, case)
    less = Case(case.name, dict(list(case.files.items())[:1]), is_checkpoint=case.is_checkpoint)
    store.minimise(VERDICT.key([TARGET]), less, Minimised(1, 5, 10, reproduced=True))
    (folder,) = saved_findings(tmp_path)
    kept = read_finding(folder)
    assert kept.minimised == Minimised(1, 5, 10, reproduced=True)
    assert read_case(folder, kept, MINIMISED) == less
    assert read_case(folder, kept) == case


def test_a_full_disk_leaves_what_was_found_before_and_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FindingStore(tmp_path)
    add(store)
    written = []

    def full(path: Path, data: bytes, mode: int = 0o666) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match="No space"):
        add(store, verdict=Verdict("timeout", "", (0,)))
    assert [path.name for path in tmp_path.iterdir()] == [finding(IMAGE).folder_name]
    assert len(FindingStore(tmp_path).findings) == 1


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("mine")
    with pytest.raises(DyncritError, match="has work and no findings"):
        FindingStore(tmp_path)
    with pytest.raises(DyncritError, match="is no folder"):
        FindingStore(tmp_path / "work")


def test_a_damaged_finding_is_told_and_left(tmp_path: Path) -> None:
    add(FindingStore(tmp_path))
    (folder,) = saved_findings(tmp_path)
    for text in ("", "{}", "[]", "{"):
        (folder / "finding.json").write_text(text)
        store = FindingStore(tmp_path)
        assert store.findings == {}
        assert len(store.problems) == 1
        assert "no finding of" in store.problems[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("input", "name"), "../../etc/passwd"),
        (("input", "name"), ".."),
        (("class",), "splendid"),
        (("compare",), "x"),
        (("hits",), "many"),
        (("limits",), {}),
        (("environment",), []),
    ],
)
def test_a_finding_with_wrong_values_is_an_error(
    tmp_path: Path, path: tuple[str, ...], value: object
) -> None:
    document = json.loads(finding(IMAGE).to_json())
    here = document
    for name in path[:-1]:
        here = here[name]
    here[path[-1]] = value
    with pytest.raises(DocumentError, match="there: no finding"):
        Finding.from_json(json.dumps(document).encode(), "there")


def test_findings_are_told_apart_by_class_cause_and_command() -> None:
    other = Target.parse("/bin/cat -A {image}")
    keys = {
        Verdict(kind, cause, (0,)).key([target])  # type: ignore[arg-type]
        for kind in ("signal", "panic")
        for cause in ("a", "b")
        for target in (TARGET, other)
    }
    assert len(keys) == 8
    assert Verdict("signal", "a", (0,), "x").key([TARGET]) == Verdict("signal", "a", (0,), "y").key([TARGET])
