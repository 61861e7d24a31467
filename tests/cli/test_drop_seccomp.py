"""``dyncrit drop-seccomp``: processes without system call filters."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Processes 52 and 56, with two filters each, as CRIU 2.12 writes them."""
    return shutil.copytree(data / "criu-2.12/programs/seccomp", tmp_path / "copy", symlinks=True)


def test_the_filters_of_every_process_are_dropped_and_told(run: Run, folder: Path) -> None:
    findings = run("check", folder)[1]
    assert run("drop-seccomp", folder) == (
        0,
        (
            b"process 52: thread 52: seccomp: 2 filters removed\n"
            b"process 56: seccomp: 2 filters removed\n"
            b"seccomp.img: filters: 4 removed\n"
        ),
        "",
    )
    with open_checkpoint(folder) as checkpoint:
        assert {process.seccomp.mode for process in checkpoint.processes} == {"disabled"}
    assert run("check", folder)[1] == findings


def test_a_dry_run_writes_nothing(run: Run, folder: Path) -> None:
    code, out, _ = run("drop-seccomp", "-n", folder)
    assert code == 0
    assert b'core-52.img entries[0].tc.old_seccomp_mode: "filter" removed\n' in out
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.processes[52].seccomp.mode == "filter"


def test_nothing_to_drop_is_said_and_no_error(run: Run, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    assert run("drop-seccomp", folder) == (
        0,
        b"",
        f"dyncrit: {folder}: there is nothing to drop: no process has system call filters\n",
    )


def test_the_help_has_an_example(run: Run) -> None:
    assert b"Example: dyncrit drop-seccomp checkpoint/" in run("drop-seccomp", "--help")[1]
