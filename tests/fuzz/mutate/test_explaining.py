from __future__ import annotations

from pathlib import Path

import pytest

from dyncrit import DyncritError
from dyncrit.fuzz.mutate.explaining import explain
from dyncrit.fuzz.mutate.mutation import Step
from dyncrit.fuzz.mutate.record import MutationRecord, digest, sidecar_of


@pytest.fixture
def mutant(tmp_path: Path) -> Path:
    (tmp_path / "core-1.img").write_bytes(b"before")
    path = tmp_path / "0000.img"
    path.write_bytes(b"after")
    steps = (Step("boundary", "entries[0].pid", "1 -> 0"), Step("from-the-future", "head", "changed"))
    record = MutationRecord(
        str(tmp_path / "core-1.img"), digest(b"before"), 7, steps, digest(b"after"), "9.9"
    )
    sidecar_of(path).write_bytes(record.to_json())
    return path


def test_the_words_say_what_was_done_where_and_how_it_is_called(mutant: Path) -> None:
    assert explain(mutant).words() == [
        f"{mutant}: made of {mutant.with_name('core-1.img')} by dyncrit 9.9 with seed 7",
        "  1. entries[0].pid: 1 -> 0 (field, boundary: a number at the end of a range, or next to what it was)",
        "  2. head: changed (from-the-future)",
    ]


def test_the_sidecar_may_be_named_instead(mutant: Path) -> None:
    assert explain(sidecar_of(mutant)) == explain(mutant)


def test_the_hashes_are_checked(mutant: Path) -> None:
    assert (explain(mutant).result, explain(mutant).source) == ("same", "same")
    mutant.write_bytes(b"other")
    mutant.with_name("core-1.img").write_bytes(b"other")
    assert (explain(mutant).result, explain(mutant).source) == ("changed", "changed")
    mutant.unlink()
    mutant.with_name("core-1.img").unlink()
    assert (explain(mutant).result, explain(mutant).source) == ("missing", "missing")


def test_the_document_has_the_record_and_both_states(mutant: Path) -> None:
    document = explain(mutant).to_dict()
    assert document["steps"][0] == {"mutation": "boundary", "place": "entries[0].pid", "what": "1 -> 0"}
    assert (document["path"], document["seed"]) == (str(mutant), 7)
    assert (document["result"], document["source_now"]) == ("same", "same")


def test_without_a_sidecar_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "x.img").write_bytes(b"")
    with pytest.raises(DyncritError, match=r"x\.img: has no sidecar x\.img\.mutation\.json"):
        explain(tmp_path / "x.img")
    with pytest.raises(DyncritError, match=r"y\.img: is not there, nor y\.img\.mutation\.json"):
        explain(tmp_path / "y.img")


def test_a_folder_may_be_named_from_within(mutant: Path, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "0001"
    (folder / "below").mkdir(parents=True)
    sidecar_of(folder).write_bytes(sidecar_of(mutant).read_bytes())
    monkeypatch.chdir(folder / "below")
    assert explain(Path("..")).path == folder
    assert explain(Path("../.")).record == explain(mutant).record


def test_the_root_is_no_mutant() -> None:
    with pytest.raises(DyncritError, match=r"^/: is no mutant; name a file or a folder"):
        explain(Path("/"))
