"""Core files of processes: what is written and said, and that nothing is left where it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]

TREE = 9834
KEYS = [
    "machine",
    "bits",
    "byte_order",
    "threads",
    "signal",
    "segments",
    "size",
    "data",
    "zeros",
    "missing",
    "lost",
    "problems",
]


@pytest.fixture
def tree(data: Path) -> Path:
    """A checkpoint of four processes, the last one a zombie."""
    return data / "demo" / "tree"


@pytest.fixture
def damaged(tree: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(tree, tmp_path / "tree")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where core files go."""
    path = tmp_path / "cores"
    path.mkdir()
    return path


def test_what_was_written_is_said(run: Run, tree: Path, folder: Path) -> None:
    target = folder / "core"
    code, out, err = run("coredump", tree, "-p", TREE, "-o", target)
    assert (code, err) == (0, "")
    assert out.decode().startswith(
        f"{target}: x86_64, 64 bits, 3 threads, 27 segments, 136.0 KiB of memory; "
    )
    assert target.read_bytes()[:6] == b"\x7fELF\x02\x01"
    assert target.read_bytes()[16] == 4  # ET_CORE
    assert target.stat().st_blocks * 512 < target.stat().st_size // 8


def test_what_was_written_as_json_has_all_keys(run: Run, tree: Path, folder: Path) -> None:
    target = folder / "core"
    code, out, err = run("coredump", tree, "-p", TREE, "-o", target, "--json")
    document = json.loads(out)
    assert (code, err, list(document)) == (0, "", KEYS)
    assert (document["machine"], document["bits"], document["byte_order"]) == ("x86_64", 64, "little")
    assert document["threads"] == [9834, 9836, 9837]
    assert document["size"] == target.stat().st_size
    assert document["data"] == 136 << 10
    assert document["problems"] == []


def test_the_memory_is_that_of_the_process(run: Run, tree: Path, folder: Path) -> None:
    run("coredump", tree, "-p", 9840, "-o", folder / "core")
    content = (folder / "core").read_bytes()
    assert content.count(b"needle-across-a-page-border\0") == 1
    assert b"DEMO_SECRET=correct-horse-battery-staple\0" in content


def test_a_file_that_is_there_is_replaced_and_keeps_its_mode(run: Run, tree: Path, folder: Path) -> None:
    target = folder / "core"
    target.write_bytes(b"x" * 100)
    target.chmod(0o640)
    before = target.stat().st_ino
    assert run("coredump", tree, "-p", TREE, "-o", target)[0] == 0
    assert target.read_bytes()[:4] == b"\x7fELF"
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.stat().st_ino != before
    assert [path.name for path in folder.iterdir()] == ["core"]


@pytest.mark.parametrize(
    ("pid", "reason"), [(1, "9834, 9838, 9840, 9839"), (-1, "no process -1"), (9839, "zombie")]
)
def test_what_has_no_core_is_an_error_and_leaves_nothing(
    run: Run, tree: Path, folder: Path, pid: int, reason: str
) -> None:
    code, out, err = run("coredump", tree, "-p", pid, "-o", folder / "core")
    assert (code, out) == (1, b"")
    assert reason in err
    assert err.count("\n") == 1
    assert not list(folder.iterdir())


@pytest.mark.parametrize("image", ["core-9838.img", "mm-9838.img"])
def test_a_failure_leaves_the_file_that_was_there(run: Run, damaged: Path, folder: Path, image: str) -> None:
    target = folder / "core"
    target.write_bytes(b"before")
    (damaged / image).unlink()
    code, out, err = run("coredump", damaged, "-p", 9838, "-o", target)
    assert (code, out) == (1, b"")
    assert "9838" in err
    assert "fault of dyncrit" not in err
    assert target.read_bytes() == b"before"
    assert [path.name for path in folder.iterdir()] == ["core"]


def test_a_cut_core_image_is_an_error_and_leaves_nothing(run: Run, damaged: Path, folder: Path) -> None:
    os.truncate(damaged / "core-9838.img", 30)
    code, _, err = run("coredump", damaged, "-p", 9838, "-o", folder / "core")
    assert code == 1
    assert "process 9838" in err
    assert not list(folder.iterdir())


def test_missing_pages_are_an_error_but_registers_are_written(run: Run, damaged: Path, folder: Path) -> None:
    (damaged / "pages-2.img").unlink()
    code, out, err = run("coredump", damaged, "-p", 9838, "-o", folder / "core", "--json")
    assert code == 1
    assert "pagemap-9838.img: its pages image is missing" in err
    assert (json.loads(out)["data"], json.loads(out)["threads"]) == (0, [9838])
    assert (folder / "core").stat().st_size > 0


def test_pages_in_a_parent_that_is_missing_are_an_error(run: Run, corpus: Path, folder: Path) -> None:
    archives = corpus / "archives"
    arguments = ("coredump", archives / "podman-4.3-with-previous.tar", "-p", 1, "-o", folder / "core")
    code, _, err = run(*arguments)
    assert code == 1
    assert "--parent" in err
    code, out, err = run(*arguments, "--parent", archives / "podman-4.3-pre-checkpoint.tar", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["data"] == 17 * 4096
    assert b"sh\0-c\0i=0; while :" in (folder / "core").read_bytes()


@pytest.mark.parametrize(
    "arguments", [(), ("-p", "9834"), ("-o", "core"), ("-p", "x", "-o", "core"), ("-p", "9834", "-o")]
)
def test_a_process_and_a_file_must_be_named(
    run: Run, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    code, out, err = run("coredump", tree.absolute(), *arguments)
    assert (code, out) == (2, b"")
    assert err.count("\n") == 1
    assert not list(folder.iterdir())


def test_a_file_that_can_not_be_written_is_named(run: Run, tree: Path, folder: Path) -> None:
    for target in (folder, folder / "nowhere" / "core"):
        code, out, err = run("coredump", tree, "-p", TREE, "-o", target)
        assert (code, out) == (1, b"")
        assert err.startswith(f"dyncrit: {target}: ")
    assert not list(folder.iterdir())


def test_a_full_disk_is_an_error_on_one_line(run: Run, tree: Path) -> None:
    code, out, err = run("coredump", tree, "-p", TREE, "-o", "/dev/full")
    assert (code, out) == (1, b"")
    assert "No space left" in err
    assert err.count("\n") == 1


def test_standard_output_is_no_file_called_dash(
    run: Run, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run("coredump", tree.absolute(), "-p", TREE, "-o", "-")
    assert not list(folder.iterdir())


def test_a_pipe_is_written_to_or_refused_for_what_it_is(tree: Path) -> None:
    command = [sys.executable, "-m", "dyncrit", "coredump", str(tree), "-p", str(TREE), "-o", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert b"No such file" not in done.stderr
    assert b"fault of dyncrit" not in done.stderr
    assert done.stdout[:4] == b"\x7fELF" or done.returncode in (1, 2)


def test_control_characters_in_the_name_of_a_file_do_not_reach_the_screen(
    run: Run, tree: Path, folder: Path
) -> None:
    code, out, _ = run("coredump", tree, "-p", TREE, "-o", folder / "a\x1b]0;title\x07\nb")
    assert code == 0
    assert out.count(b"\n") == 1
    assert b"\x1b" not in out
    assert b"\x07" not in out
