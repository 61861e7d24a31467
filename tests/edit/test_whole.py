"""Operations that raise, and are caught within the block of an edit, leave nothing of theirs behind."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import dyncrit.edit
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit import drop_seccomp, remap_path, set_hostname
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit


@whole
def clumsy(edit: Edit, *, name: str) -> None:
    """Take a file out, and fail."""
    edit.images.remove(name)
    remap_path(edit, "/srv", "/lost")
    raise ValueError(name)


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


def test_only_what_succeeded_is_written(folder: Path, data: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as edit:
        remap_path(edit, "/srv/demo", "/data")
        kept = bytes(edit.images.view("files.img"))
        with pytest.raises(ValueError, match=r"core-9838\.img"):
            clumsy(edit, name="core-9838.img")
        assert bytes(edit.images.view("files.img")) == kept
    assert (folder / "files.img").read_bytes() == kept
    assert (folder / "core-9838.img").read_bytes() == (data / "demo/tree/core-9838.img").read_bytes()


def test_all_public_operations_on_edits_are_whole() -> None:
    apart = {"Touched", "anonymized_copy", "edit_image"}
    operations = [getattr(dyncrit.edit, name) for name in dyncrit.edit.__all__ if name not in apart]
    assert all(hasattr(operation, "__wrapped__") for operation in operations)


def test_an_operation_says_what_it_is_and_gives_its_result(folder: Path) -> None:
    assert set_hostname.__name__ == "set_hostname"
    assert clumsy.__doc__ == "Take a file out, and fail."
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_seccomp(edit) == []
