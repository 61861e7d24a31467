"""``dyncrit remap cgroup``: what it prints, and what it changes in an archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]
GROUP = "/libpod_parent/libpod-b0e70ca5e0e4f76eb0850be8299270bc52794addd55ee770d86f1298985e84e9"


@pytest.fixture
def archive(data: Path, tmp_path: Path) -> Path:
    return shutil.copy(data / "archives/podman-4.3-app.tar.gz", tmp_path / "app.tar.gz")


def test_groups_in_an_archive_move(run: Run, archive: Path) -> None:
    code, out, err = run("remap", "cgroup", archive, GROUP, "/machine.slice/app")
    assert (code, err) == (0, "")
    assert f"control group of pids: {GROUP} -> /machine.slice/app" in out.decode()
    with open_checkpoint(archive) as checkpoint:
        groups = {path for process in checkpoint.processes for path in process.cgroups.values()}
    assert groups == {"/machine.slice/app"}


def test_nothing_there_is_an_error(run: Run, archive: Path) -> None:
    before = archive.read_bytes()
    code, out, err = run("remap", "cgroup", archive, "/libpod", "/x")
    assert (code, out) == (1, b"")
    assert "no control group is /libpod, or below it" in err
    assert archive.read_bytes() == before


@pytest.mark.parametrize(("old", "new"), [("a", "/b"), ("/a", "/a"), ("@a", "@b")])
def test_what_is_no_path_is_a_usage_error(run: Run, archive: Path, old: str, new: str) -> None:
    assert run("remap", "cgroup", archive, old, new)[0] == 2


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("remap", "cgroup", "--help")
    assert code == 0
    assert b"Example: dyncrit remap cgroup" in out
