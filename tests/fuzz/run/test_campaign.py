from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import DyncritError
from dyncrit.fuzz.run.campaign import run
from dyncrit.fuzz.run.corpus import read_corpus
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.plan import Effort, Plan, Tally
from dyncrit.fuzz.run.replay import find_findings, replay
from dyncrit.fuzz.run.store import INPUT, MINIMISED, FindingStore, read_case, read_finding, saved_findings
from dyncrit.fuzz.run.target import Target, TargetError
from dyncrit.fuzz.run.verdict import Rules
from dyncrit.image import loads
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from dyncrit.fuzz.run.finding import Finding

SCHEMA = Schema.default()

READER = """
import json, os, struct, sys, time
def entry(data, at):
    if at + 4 > len(data):
        sys.exit(f"{sys.argv[1]}: {len(data) - at} bytes behind the last entry")
    (length,) = struct.unpack_from("<I", data, at)
    if length > len(data) - at - 4:
        sys.exit(f"{sys.argv[1]}: entry at {at} is cut: {length}")
    return data[at + 4 : at + 4 + length]
def entries(data):
    at = 8
    while at < len(data):
        one = entry(data, at)
        yield one
        at += 4 + len(one)
data = open(sys.argv[1], "rb").read()
found = list(entries(data))
"""
"""A reader of images that are made of records alone."""

PSTREE = "criu-4.2/programs/uns-ipc/pstree.img"


class Listening:
    """Keeps what a run tells; stops it when ``stop`` says so."""

    def __init__(self, stop=lambda tally: False) -> None:
        self.findings: list[Finding] = []
        self.warnings: list[str] = []
        self.tally = Tally()
        self._stop = stop

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)

    def progressed(self, tally: Tally) -> None:
        self.tally = tally

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    def is_stopping(self) -> bool:
        return self._stop(self.tally)


@pytest.fixture
def pstree(tmp_path: Path, data: Path) -> Path:
    """A corpus of one image."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "pstree.img").write_bytes((data / PSTREE).read_bytes())
    return folder


def target(tmp_path: Path, code: str, name: str = "reader.py") -> Target:
    file = tmp_path / name
    file.write_text(READER + code)
    return Target.parse(f"{sys.executable} -ISE {file} {{image}}")


def plan(corpus: Path, *targets: Target, count: int | None = 25, seed: int = 1, **more) -> Plan:
    read = read_corpus(corpus, SCHEMA, checkpoints=targets[0].takes_checkpoint)
    rules = Rules(Limits(seconds=20), comparison=more.pop("comparison", "json"))
    return Plan(targets, read, SCHEMA, more.pop("rules", rules), seed=seed, count=count, **more)


def leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("dyncrit-fuzz-*")}


def test_a_fault_is_found_once_minimised_and_reproduces(tmp_path: Path, pstree: Path) -> None:
    size = (pstree / "pstree.img").stat().st_size - 12
    fragile = target(tmp_path, f"print(found[0][1])\nif len(found[0]) != {size}: found[0].nothing\n")
    listener = Listening()
    store = FindingStore(tmp_path / "findings")
    tally = run(plan(pstree, fragile, count=20), store, listener)
    causes = {finding.verdict.cause for finding in listener.findings}
    assert "AttributeError < reader.py:<module>" in causes
    assert len(causes) == len(listener.findings) == len(store.findings)
    assert tally.inputs == tally.executions == 20 == sum(tally.ends.values())
    assert sum(tally.hits.values()) == tally.ends["traceback"]
    folders = saved_findings(tmp_path / "findings")
    for folder in folders:
        finding = read_finding(folder)
        assert finding.hits == tally.hits[finding.key]
        assert finding.minimised is not None
        assert finding.minimised.reproduced
        assert "Traceback" in (folder / "output" / "1.stderr").read_text()
    assert [item.state for item in replay(folders)] == ["reproduces"] * len(folders)
    (folder,) = (path for path in folders if "AttributeError" in read_finding(path).verdict.cause)
    least = read_case(folder, read_finding(folder), MINIMISED)
    assert least.files["pstree.img"][8:] == b"\x02\0\0\0\x08\0"  # an entry of one field


@pytest.mark.parametrize(("shows", "reproduced"), [("number % 3 == 2", True), ("number == 2", False)])
def test_a_fault_by_chance_has_three_tries_to_show_again(
    tmp_path: Path, pstree: Path, shows: str, reproduced: bool
) -> None:
    runs = tmp_path / "runs"  # the corpus as it is, the input, and the same again
    code = f"open({str(runs)!r}, 'a').write('.')\nnumber = len(open({str(runs)!r}).read())\n"
    (tmp_path / "chance.py").write_text(f"{code}if {shows}: number.nothing\n")
    chancy = Target.parse(f"{sys.executable} -ISE {tmp_path}/chance.py {{image}}")
    store = FindingStore(tmp_path / "findings")
    run(plan(pstree, chancy, count=1, effort=Effort(20, 60)), store, Listening())
    (finding,) = store.findings.values()
    assert finding.minimised is not None
    assert finding.minimised.reproduced == reproduced


def test_one_job_a_seed_and_a_count_give_the_same_again(tmp_path: Path, data: Path) -> None:
    corpus = data / "criu-4.2/programs/uns-ipc"
    strict = target(tmp_path, "assert len(found) < 5, 'many'\nfound[0][0]\nprint(len(found))\n")

    def done(folder: str) -> dict[str, dict[str, bytes]]:
        run(
            plan(corpus, strict, count=40, effort=Effort(0, 0.0)),
            FindingStore(tmp_path / folder),
            Listening(),
        )
        return {
            path.name: dict(read_case(path, read_finding(path)).files)
            for path in saved_findings(tmp_path / folder)
        }

    first = done("one")
    assert len(first) > 1
    assert first == done("two")


def test_several_jobs_run_the_same_inputs_and_keep_each_cause_once(tmp_path: Path, pstree: Path) -> None:
    fragile = target(tmp_path, "found[0][0]\nprint(1)\n")
    tallies = []
    for jobs in (1, 3):
        store = FindingStore(tmp_path / f"findings{jobs}")
        tallies.append(run(plan(pstree, fragile, jobs=jobs, effort=Effort(0, 0.0)), store, Listening()))
        assert len(saved_findings(store.folder)) == len(store.findings)
        assert sum(item.hits for item in FindingStore(store.folder).findings.values()) == sum(
            tallies[-1].hits.values()
        )
    assert tallies[0].ends == tallies[1].ends
    assert tallies[0].hits == tallies[1].hits


def test_targets_that_decode_differently_are_told_by_the_place(tmp_path: Path, pstree: Path) -> None:
    one = target(
        tmp_path, "print(json.dumps({'entries': [{'size': len(one)} for one in found]}))\n", "one.py"
    )
    other = target(
        tmp_path,
        "print(json.dumps({'entries': [{'size': min(len(one), 20)} for one in found]}))\n",
        "other.py",
    )
    listener = Listening()
    store = FindingStore(tmp_path / "findings")
    run(plan(pstree, one, other), store, listener)
    (finding,) = listener.findings
    assert (finding.verdict.kind, finding.verdict.cause) == ("difference", "entries[].size: another value")
    assert finding.targets == (one.text, other.text)
    folder = store.folder / finding.folder_name
    assert {path.name for path in (folder / "output").iterdir()} == {
        "1.stdout",
        "1.stderr",
        "2.stdout",
        "2.stderr",
    }
    assert [item.state for item in replay([folder])] == ["reproduces"]
    assert [item.state for item in replay([folder], [one, replace(one, text="same")])] == ["gone"]


def test_one_that_accepts_what_the_other_refuses_is_told_by_the_refusal(tmp_path: Path, pstree: Path) -> None:
    lenient = target(tmp_path, "print(1)\n", "one.py")
    strict = target(tmp_path, "if len(data) % 2: sys.exit('an odd size')\nprint(1)\n", "other.py")
    listener = Listening()
    run(plan(pstree, lenient, strict, count=20), FindingStore(tmp_path / "findings"), listener)
    assert {(item.verdict.kind, item.verdict.cause) for item in listener.findings} == {
        ("accepts-refuses", "exit 1: an odd size")
    }


def test_checkpoints_are_run_and_minimised_as_a_whole(tmp_path: Path, data: Path) -> None:
    code = tmp_path / "reader.py"
    code.write_text(
        "import os, sys\nassert 'pstree.img' in os.listdir(sys.argv[1])\nprint(os.path.basename(sys.argv[1]))\n"
    )
    reader = Target.parse(f"{sys.executable} -ISE {code} {{checkpoint}}")
    corpus = tmp_path / "corpus"
    (corpus / "small").mkdir(parents=True)
    for name in ("pstree.img", "inventory.img", "fs-1.img", "core-1.img"):
        (corpus / "small" / name).write_bytes((data / "criu-4.2/programs/uns-ipc" / name).read_bytes())
    listener = Listening()
    store = FindingStore(tmp_path / "findings")
    run(plan(corpus, reader, count=60), store, listener)
    (finding,) = listener.findings
    folder = store.folder / finding.folder_name
    assert sorted(path.name for path in (folder / INPUT).iterdir()) == [
        "core-1.img",
        "fs-1.img",
        "inventory.img",
    ]
    assert list((folder / MINIMISED).iterdir()) == []
    assert (folder / "input.mutation.json").is_file()


def test_a_run_into_a_folder_goes_on_with_what_is_known(tmp_path: Path, pstree: Path) -> None:
    fragile = target(tmp_path, "found[0][0]\nprint(1)\n")
    first = run(plan(pstree, fragile, effort=Effort(0, 0.0)), FindingStore(tmp_path / "f"), Listening())
    again = Listening()
    second = run(plan(pstree, fragile, effort=Effort(0, 0.0)), FindingStore(tmp_path / "f"), again)
    assert again.findings == []
    assert first.hits == second.hits
    kept = FindingStore(tmp_path / "f").findings
    assert {key: item.hits for key, item in kept.items()} == {
        key: 2 * hits for key, hits in first.hits.items()
    }


def test_a_target_that_always_fails_is_an_error_unless_forced(tmp_path: Path, data: Path) -> None:
    corpus = data / "criu-4.2/programs/uns-ipc"
    broken = target(tmp_path, "import no_such_module\n")
    store = FindingStore(tmp_path / "findings")
    with pytest.raises(TargetError, match=r"in the same way \(traceback, ModuleNotFoundError.*--force"):
        run(
            plan(corpus, Target.parse(f"{sys.executable} -c 'import no_such_module' {{image}}")),
            store,
            Listening(),
        )
    assert store.findings == {}
    listener = Listening()
    run(plan(corpus, Target.parse("/bin/false {image}"), count=3, force=True), store, listener)
    assert "fails on all" in listener.warnings[0]
    mixed = Listening()
    run(plan(corpus, broken, count=3), store, mixed)
    assert "accepts none of the first" in mixed.warnings[0]


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, pstree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run(
        plan(pstree, target(tmp_path, "open('left', 'w').write('x')\nprint(1)\n"), count=5),
        FindingStore(tmp_path / "f"),
        Listening(),
    )
    assert leftovers() == set()


def test_a_stop_keeps_what_was_found_and_ends_the_targets(tmp_path: Path, pstree: Path, is_alive) -> None:
    pids = tmp_path / "pids"
    code = f"""
with open({str(pids)!r}, "a") as file: file.write(f"{{os.getpid()}}\\n")
if len(data) % 7 == 3: data.nothing
if len(data) % 7 == 4: time.sleep(60)
print(1)
"""
    slow = target(tmp_path, code)
    rules = Rules(Limits(seconds=100))
    store = FindingStore(tmp_path / "findings")
    listener = Listening(stop=lambda _: len(listener.findings) > 0)
    tally = run(plan(pstree, slow, count=None, jobs=2, rules=rules, effort=Effort(0, 0.0)), store, listener)
    assert tally.seconds < 60
    assert len(FindingStore(tmp_path / "findings").findings) == 1
    assert not any(is_alive(int(line)) for line in pids.read_text().split())


def test_the_time_ends_a_run(tmp_path: Path, pstree: Path) -> None:
    tally = run(
        plan(pstree, target(tmp_path, "print(1)\n"), count=None, seconds=0.5),
        FindingStore(tmp_path / "f"),
        Listening(),
    )
    assert 0.5 <= tally.seconds < 15
    assert tally.inputs > 0


def test_a_full_disk_stops_the_run_and_keeps_what_was_found(
    tmp_path: Path, pstree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fragile = target(tmp_path, "if len(data) % 2: data.odd\nif len(data) % 3 == 0: 1 / 0\nprint(1)\n")
    store = FindingStore(tmp_path / "findings")
    add = store.add

    def add_until_full(finding: Finding, *rest) -> bool:
        if len(store.findings) == 1:
            raise OSError(28, "No space left on device", str(store.folder))
        return add(finding, *rest)

    monkeypatch.setattr(store, "add", add_until_full)
    listener = Listening()
    with pytest.raises(OSError, match="No space left"):
        run(plan(pstree, fragile, count=500), store, listener)
    (finding,) = FindingStore(tmp_path / "findings").findings.values()
    assert finding.key == listener.findings[0].key


def test_the_whole_command_can_be_read_from_the_finding(tmp_path: Path, pstree: Path) -> None:
    store = FindingStore(tmp_path / "findings")
    run(plan(pstree, target(tmp_path, "data.nothing\n"), force=True, count=1), store, Listening())
    (folder,) = saved_findings(store.folder)
    shown = json.loads((folder / "finding.json").read_bytes())
    assert shown["class"] == "traceback"
    assert shown["cause"] == "AttributeError < reader.py:<module>"
    assert (shown["seed"], shown["number"], shown["hits"]) == (1, 0, 1)
    assert shown["ends"] == ["exit 1"]
    assert shown["minimised"]["size"] <= shown["minimised"]["from_size"]


def test_replay_tells_what_became_of_each_finding(tmp_path: Path, pstree: Path) -> None:
    store = FindingStore(tmp_path / "findings")
    broken = target(tmp_path, "if len(found) != 1: data.nothing\nprint(1)\n")
    run(plan(pstree, broken, count=40), store, Listening())
    folders = find_findings([store.folder])
    states = {
        "print(1)\n": {"gone"},
        "data.other\n": {"changed", "reproduces"},
        "sys.exit('no')\n": {"gone"},
        "os.abort()\n": {"changed"},
    }
    for code, expected in states.items():
        target(tmp_path, code)
        assert {item.state for item in replay(folders)} <= expected
    (tmp_path / "reader.py").unlink()
    assert {item.state for item in replay(folders)} <= {"gone", "changed"}
    (folders[0] / "finding.json").write_text("{")
    first = next(iter(replay(folders)))
    assert (first.state, first.finding) == ("not run", None)


def test_replay_does_not_run_what_is_not_of_its_kind(tmp_path: Path, pstree: Path) -> None:
    store = FindingStore(tmp_path / "findings")
    run(plan(pstree, target(tmp_path, "data.nothing\n"), force=True, count=1), store, Listening())
    (item,) = replay(find_findings([store.folder]), [Target.parse("ls {checkpoint}")])
    assert (item.state, "has {checkpoint}" in item.detail) == ("not run", True)


def test_paths_without_findings_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DyncritError, match="no such folder"):
        find_findings([tmp_path / "nothing"])
    with pytest.raises(DyncritError, match="has no findings"):
        find_findings([tmp_path])


def test_images_of_the_corpus_are_not_changed(tmp_path: Path, pstree: Path) -> None:
    before = (pstree / "pstree.img").read_bytes()
    run(
        plan(pstree, target(tmp_path, "open(sys.argv[1], 'w')\nprint(1)\n"), count=5),
        FindingStore(tmp_path / "f"),
        Listening(),
    )
    assert (pstree / "pstree.img").read_bytes() == before
    assert loads(before).entries
    assert os.listdir(pstree) == ["pstree.img"]  # noqa: PTH208
