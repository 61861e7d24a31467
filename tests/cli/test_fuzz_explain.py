"""``dyncrit fuzz explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.mutate.record import sidecar_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


@pytest.fixture
def mutants(run: Run, data: Path, tmp_path: Path) -> list[Path]:
    """Three mutants of an image that stands beside their folder."""
    source = tmp_path / "core-1.img"
    source.write_bytes((data / "criu-4.2/programs/uns-ipc/core-1.img").read_bytes())
    assert run("fuzz", "mutate", source, "-n", 3, "-s", 5, "-o", tmp_path / "out")[0] == 0
    return sorted((tmp_path / "out").glob("*.img"))


def test_it_says_what_was_done_to_each(run: Run, mutants: list[Path], tmp_path: Path) -> None:
    code, shown, err = run("fuzz", "explain", *mutants)
    lines = shown.decode().splitlines()
    assert (code, err) == (0, "")
    heads = [line for line in lines if not line.startswith("  ")]
    assert [line.partition(": made of ")[0] for line in heads] == list(map(str, mutants))
    assert all(f": made of {tmp_path / 'core-1.img'} by dyncrit " in line for line in heads)
    assert all(line.startswith("  1. ") for line in lines[1:2])


def test_the_sidecar_may_be_named(run: Run, mutants: list[Path]) -> None:
    assert run("fuzz", "explain", sidecar_of(mutants[0])) == run("fuzz", "explain", mutants[0])


def test_json_is_an_object_for_one_and_a_list_for_several(run: Run, mutants: list[Path]) -> None:
    one = json.loads(run("fuzz", "explain", "--json", mutants[0])[1])
    several = json.loads(run("fuzz", "explain", "--json", *mutants)[1])
    assert several[0] == one
    assert [item["path"] for item in several] == list(map(str, mutants))
    assert one["result"] == one["source_now"] == "same"
    assert {"mutation", "place", "what"} == set(one["steps"][0])


def test_a_folder_of_mutants_is_all_of_them(run: Run, mutants: list[Path], tmp_path: Path) -> None:
    assert run("fuzz", "explain", tmp_path / "out") == run("fuzz", "explain", *mutants)
    mutants[1].unlink()
    code, _, err = run("fuzz", "explain", tmp_path / "out")
    assert (code, err) == (1, f"dyncrit: {mutants[1]}: is not there\n")
    for path in (mutants[1], mutants[2]):
        sidecar_of(path).unlink()
    assert len(json.loads(run("fuzz", "explain", "--json", tmp_path / "out")[1])) == 1


def test_a_relative_source_that_is_gone_says_where_from(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.img").write_bytes((data / "criu-4.2/programs/uns-ipc/core-1.img").read_bytes())
    assert run("fuzz", "mutate", "a.img", "-n", 1, "-o", "out")[0] == 0
    monkeypatch.chdir(tmp_path / "out")
    code, _, err = run("fuzz", "explain", "0000.img")
    assert (code, err) == (0, f"dyncrit: warning: a.img: is not there (seen from {tmp_path / 'out'})\n")


def test_a_changed_mutant_fails_and_is_told(run: Run, mutants: list[Path]) -> None:
    mutants[1].write_bytes(b"another")
    code, shown, err = run("fuzz", "explain", *mutants)
    assert (code, err) == (1, f"dyncrit: {mutants[1]}: was changed since it was made\n")
    assert shown.decode().count(": made of ") == 3
    mutants[1].unlink()
    code, _, err = run("fuzz", "explain", mutants[1])
    assert (code, err) == (1, f"dyncrit: {mutants[1]}: is not there\n")


def test_a_changed_source_is_a_warning(run: Run, mutants: list[Path], tmp_path: Path) -> None:
    source = tmp_path / "core-1.img"
    source.write_bytes(b"another")
    code, _, err = run("fuzz", "explain", mutants[0])
    assert (code, err) == (0, f"dyncrit: warning: {source}: is another than it was\n")
    source.unlink()
    code, _, err = run("fuzz", "explain", mutants[0], "--json")
    assert (code, err) == (0, f"dyncrit: warning: {source}: is not there\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_one_without_a_sidecar_leaves_the_others_explained(run: Run, mutants: list[Path], as_json) -> None:
    sidecar_of(mutants[1]).unlink()
    code, shown, err = run("fuzz", "explain", *mutants, *(["--json"] if as_json else []))
    assert (code, err.count("\n")) == (1, 1)
    assert f"{mutants[1]}: has no sidecar 0001.img.mutation.json" in err
    told = [item["path"] for item in json.loads(shown)] if as_json else shown.decode().split("\n")
    assert sum(line.startswith((str(mutants[0]), str(mutants[2]))) for line in told) == 2


def test_what_is_not_there_or_no_mutant_is_told(run: Run, mutants: list[Path], tmp_path: Path) -> None:
    code, shown, err = run("fuzz", "explain", tmp_path / "nothing.img")
    assert (code, shown, err.count("\n")) == (1, b"", 1)
    assert "nothing.img: is not there, nor nothing.img.mutation.json" in err
    code, shown, err = run("fuzz", "explain", "/")
    assert (code, shown) == (1, b"")
    assert err.startswith("dyncrit: /: is no mutant; ")
    code, _, err = run("fuzz", "explain")
    assert (code, "Missing argument 'FILE|DIR...'" in err) == (2, True)


def test_a_damaged_sidecar_is_told(run: Run, mutants: list[Path]) -> None:
    sidecar_of(mutants[0]).write_bytes(b"{")
    code, shown, err = run("fuzz", "explain", mutants[0])
    assert (code, shown, err.count("\n")) == (1, b"", 1)
    assert f"{mutants[0].name}.mutation.json: no record of a mutation" in err


def test_control_characters_in_a_sidecar_do_nothing(run: Run, mutants: list[Path]) -> None:
    record = json.loads(sidecar_of(mutants[0]).read_bytes())
    record["steps"] = [{"mutation": "x", "place": "head\x1b[2J", "what": "a\nb"}]
    sidecar_of(mutants[0]).write_text(json.dumps(record))
    code, shown, _ = run("fuzz", "explain", mutants[0])
    assert code == 0
    assert shown.decode().splitlines()[1] == r"  1. head\x1b[2J: a\nb (x)"
    assert b"\x1b" not in shown


def test_help_has_an_example(run: Run) -> None:
    code, shown, _ = run("fuzz", "explain", "--help")
    assert code == 0
    assert b"Example: dyncrit fuzz explain mutants/0007.img" in shown
