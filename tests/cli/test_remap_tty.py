"""``dyncrit remap tty``: what it prints, and what it changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def terminals(corpus: Path, tmp_path: Path) -> Path:
    """A checkpoint with both ends of /dev/pts/0."""
    return shutil.copytree(corpus / "criu-4.2/host-32bit/pty00", tmp_path / "pty", symlinks=True)


def test_it_says_what_it_changes_and_comes_back(run: Run, terminals: Path) -> None:
    before = {path.name: path.read_bytes() for path in terminals.iterdir() if path.is_file()}
    code, out, err = run("remap", "tty", terminals, "0", "/dev/pts/5")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert "files.img entries[9]: path of the terminal: /dev/pts/0 -> /dev/pts/5" in lines
    assert "tty-info.img entries[1]: device of the terminal: tty[8800:2a] -> tty[8805:2a]" in lines
    assert run("remap", "tty", terminals, "5", "0")[0] == 0
    assert {path.name: path.read_bytes() for path in terminals.iterdir() if path.is_file()} == before


def test_nothing_there_is_an_error(run: Run, terminals: Path) -> None:
    code, out, err = run("remap", "tty", terminals, "7", "8")
    assert (code, out) == (1, b"")
    assert "there is no terminal /dev/pts/7" in err


@pytest.mark.parametrize(("old", "new"), [("tty1", "2"), ("1", "1"), ("1", "1001")])
def test_what_is_no_number_is_a_usage_error(run: Run, terminals: Path, old: str, new: str) -> None:
    assert run("remap", "tty", terminals, old, new)[0] == 2


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("remap", "tty", "--help")
    assert code == 0
    assert b"Example: dyncrit remap tty" in out
