"""``dyncrit remap id``: what it prints, and what it changes in an archive."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]
OLD = "b0e70ca5e0e4f76eb0850be8299270bc52794addd55ee770d86f1298985e84e9"
NEW = "0123456789abcdef" * 4


@pytest.fixture
def archive(data: Path, tmp_path: Path) -> Path:
    return shutil.copy(data / "archives/podman-4.3-app.tar.gz", tmp_path / "app.tar.gz")


def test_a_container_in_an_archive_goes_by_another_id(run: Run, archive: Path) -> None:
    code, out, err = run("remap", "id", archive, OLD, NEW)
    assert (code, err) == (0, "")
    assert re.search(rf"(?m)^config\.dump: container id in JSON, \d+ times: {OLD} -> {NEW}$", out.decode())
    with open_checkpoint(archive) as checkpoint:
        assert checkpoint.container is not None
        assert checkpoint.container.id == NEW


def test_nothing_there_is_an_error(run: Run, archive: Path) -> None:
    code, out, err = run("remap", "id", archive, OLD[:20], NEW)
    assert (code, out) == (1, b"")
    assert f"{OLD[:20]} stands nowhere" in err


@pytest.mark.parametrize(("old", "new"), [("a/b", "c"), ("a", "a"), ("a", "")])
def test_what_is_no_id_is_a_usage_error(run: Run, archive: Path, old: str, new: str) -> None:
    assert run("remap", "id", archive, old, new)[0] == 2


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("remap", "id", "--help")
    assert code == 0
    assert b"Example: dyncrit remap id" in out
