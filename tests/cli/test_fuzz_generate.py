"""``dyncrit fuzz generate`` and ``dyncrit fuzz seeds``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.cli.fuzz.generate import _numbered

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_images_are_numbered_and_decode_reads_them(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out"
    code, out, err = run("fuzz", "generate", "--type", "CORE", "--count", 12, "--seed", 7, "-o", target)
    assert (code, err) == (0, "")
    assert b"12 images" in out
    assert b"of seed 7" in out
    assert sorted(contents(target)) == [f"{number:04}.img" for number in range(12)]
    for path in target.iterdir():
        code, document, _ = run("decode", "-i", path)
        assert code == 0
        assert json.loads(document)["magic"] == "CORE"


def test_the_same_seed_gives_the_same_images_and_fewer_are_the_same_ones(run: Run, tmp_path: Path) -> None:
    common = ("fuzz", "generate", "-t", "FILES", "-t", "PAGEMAP", "-s", 3)
    run(*common, "-n", 20, "-o", tmp_path / "many")
    run(*common, "-n", 5, "-o", tmp_path / "few")
    run(*common[:-1], 4, "-n", 20, "-o", tmp_path / "others")
    many, few = contents(tmp_path / "many"), contents(tmp_path / "few")
    assert {name: many[name] for name in few} == few
    assert many != contents(tmp_path / "others")


@pytest.mark.parametrize(
    ("count", "last"), [(1, "0000"), (10_000, "9999"), (10_001, "10000"), (1_000_000, "999999")]
)
def test_numbers_have_as_many_digits_as_the_last_one(count: int, last: str) -> None:
    numbers = [digits for _, digits in _numbered(count)]
    assert (len(numbers), numbers[-1], numbers) == (count, last, sorted(numbers))


def test_all_types_take_turns_and_decode_reads_each(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out"
    code, out, _ = run("fuzz", "generate", "-t", "all", "-n", 70, "-o", target, "--json")
    summary = json.loads(out)
    assert code == 0
    assert (summary["count"], summary["files"], len(summary["types"])) == (70, 70, 70)
    assert summary["bytes"] == sum(map(len, contents(target).values()))
    assert summary["folder"] == str(target)
    found = set()
    for path in target.iterdir():
        code, document, err = run("decode", "-i", path)
        assert code == 0, (path, err)
        found.add(json.loads(document)["magic"])
    assert found == set(summary["types"])


def test_checkpoints_are_folders_that_check_finds_whole(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out"
    code, out, _ = run("fuzz", "generate", "--checkpoint", "-n", 3, "--seed", 1, "-o", target)
    assert code == 0
    assert b"3 checkpoints" in out
    assert sorted(path.name for path in target.iterdir()) == ["0000", "0001", "0002"]
    for folder in target.iterdir():
        with open_checkpoint(folder) as checkpoint:
            assert check(checkpoint, deep=True).findings == ()


def test_checkpoints_may_build_on_others_and_be_of_other_hosts(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out"
    options = ("--checkpoint", "-n", 6, "--knob", "parents=2", "--byte-order", "big")
    code, out, err = run("fuzz", "generate", *options, "-o", target, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["files"] == len(contents(target))
    depths = set()
    for folder in target.iterdir():
        with open_checkpoint(folder) as checkpoint:
            assert check(checkpoint, deep=True).findings == ()
            assert checkpoint.images.byte_order == "big"
            depths.add(len(list(checkpoint.chain)))
    assert len(depths) > 1


def test_the_schema_of_another_release_gives_its_images(run: Run, tmp_path: Path) -> None:
    run("fuzz", "generate", "--checkpoint", "-n", 1, "--criu", "1.1", "-o", tmp_path / "old")
    assert "vmas" in " ".join(contents(tmp_path / "old"))
    code, _, err = run("fuzz", "generate", "-t", "FILES", "--criu", "1.1", "-o", tmp_path / "none")
    assert code == 1
    assert "CRIU 1.1: no message 'file_entry', of which FILES images are" in err
    assert not (tmp_path / "none").exists()


def test_heads_and_knobs_are_as_asked_for(run: Run, tmp_path: Path) -> None:
    options = ("--framing", "v1.0", "--byte-order", "big", "--knob", "entries=0", "-n", 1)
    run("fuzz", "generate", "-t", "core", *options, "-o", tmp_path / "out")
    assert contents(tmp_path / "out") == {"0000.img": bytes.fromhex("55053847")}


def test_the_types_are_listed(run: Run) -> None:
    code, shown, err = run("fuzz", "generate", "--list", "--json")
    types = {row["type"]: row for row in json.loads(shown)}
    assert (code, err) == (0, "")
    assert types["CORE"] == {"type": "CORE", "message": "core_entry", "file": "core-1.img"}
    old = json.loads(run("fuzz", "generate", "--list", "--json", "--criu", "1.1")[1])
    assert "FILES" in types
    assert "FILES" not in {row["type"] for row in old}
    lines = run("fuzz", "generate", "--list")[1].decode().splitlines()
    assert lines[0].split() == ["type", "message", "file"]
    assert len(lines) == len(types) + 1


@pytest.mark.parametrize(
    ("arguments", "told", "expected"),
    [
        ((), "say what to write: --type TYPE, which may be all, or --checkpoint", 2),
        (("--type", "CORE", "--checkpoint"), "expected --type or --checkpoint, found both", 2),
        (("--checkpoint", "--framing", "v1.0"), "--framing is for images of a --type", 2),
        (("--checkpoint", "--criu", "1.1", "--byte-order", "big"), "1.1: no big-endian architecture", 1),
        (("--checkpoint", "--knob", "parents=17"), "--knob: parents: expected a number from 0 to 16", 2),
        (("--checkpoint", "--out", "-"), "--out: expected a folder, found -", 2),
        (("--checkpoint", "--knob", "text=9"), "--knob: text is of images; it changes nothing in ch", 2),
        (("--type", "CORE", "--knob", "tasks=9"), "--knob: tasks is of checkpoints; it changes noth", 2),
        (("--checkpoint", "--criu", "0.1"), "CRIU 0.1: too old: checkpoints are made for CRIU 0.5 and", 1),
        (("--type", "CORES"), "no image type 'CORES'; did you mean CORE? (--list has all)", 1),
        (("--type", "CORE", "--knob", "entry=1"), "--knob: no knob 'entry'; did you mean entries?", 2),
        (("--type", "CORE", "--count", "0"), "0 is not in the range", 2),
        (("--type", "CORE", "--seed", "x"), "'x' is not a valid integer", 2),
    ],
)
def test_wrong_usage_is_a_line_and_nothing_is_written(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], told: str, expected: int
) -> None:
    code, out, err = run("fuzz", "generate", "-o", tmp_path / "out", *arguments)
    assert (code, out) == (expected, b"")
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_has_something_needs_force(run: Run, tmp_path: Path) -> None:
    (tmp_path / "0000.img").write_bytes(b"old")
    (tmp_path / "mine").write_bytes(b"mine")
    code, _, err = run("fuzz", "generate", "-t", "FS", "-n", 2, "-o", tmp_path)
    assert code == 1
    assert "is not empty" in err
    assert contents(tmp_path)["0000.img"] == b"old"
    code, _, _ = run("fuzz", "generate", "-t", "FS", "-n", 2, "-o", tmp_path, "--force")
    assert code == 0
    assert sorted(contents(tmp_path)) == ["0000.img", "0001.img", "mine"]
    assert contents(tmp_path)["0000.img"] != b"old"


def test_seeds_are_images_and_a_dictionary(run: Run, tmp_path: Path) -> None:
    target, words = tmp_path / "corpus", tmp_path / "criu.dict"
    code, out, _ = run("fuzz", "seeds", "-o", target, "--dictionary", words)
    assert code == 0
    files = contents(target)
    assert f"{len(files)} images".encode() in out
    assert "core-1.img" in files
    assert b'head_CORE_little="\\x19CVTG8\\x05U"\n' in words.read_bytes()
    code, out, _ = run("fuzz", "seeds", "-o", target, "--force", "--json")
    summary = json.loads(out)
    assert (code, summary["files"], summary["tokens"]) == (0, len(files), 0)
    assert contents(target) == files


def test_help_has_examples(run: Run) -> None:
    for command in ("generate", "seeds"):
        code, out, _ = run("fuzz", command, "--help")
        assert code == 0
        assert b"Example" in out
