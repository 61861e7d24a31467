"""When changes are made: all together at the end of the block, or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, load, loads
from dyncrit.checkpoint import open_checkpoint
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry

MIB = 1 << 20


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


def staged(edit: Edit, name: str) -> Image:
    return loads(bytes(edit.images.view(name)), file_name=name)


def same(entries: Iterator[Entry]) -> Iterator[Entry]:
    return entries


def renamed(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.message.HasField("tc"):
            entry.message.tc.comm = "renamed"
        yield entry


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def states(folder: Path) -> dict[str, tuple[int, ...]]:
    """The inode and the times of change of each file."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (item.st_ino, item.st_mtime_ns, item.st_ctime_ns) for name, item in found.items()}


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_is_written_where_the_block_raises(folder: Path, dry_run: bool) -> None:
    before = contents(folder)

    def changed_and_failed(checkpoint: Checkpoint) -> None:
        with checkpoint.edit(dry_run=dry_run) as edit:
            edit.rewrite("core-9834.img", renamed)
            edit.images.remove("stats-dump")
            raise KeyError("block")

    with open_checkpoint(folder) as checkpoint, pytest.raises(KeyError, match="block"):
        changed_and_failed(checkpoint)
    assert contents(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy"]


def test_a_dry_run_writes_nothing_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = contents(folder)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        edit.rewrite("core-9834.img", renamed)
        assert len(list(scratch.iterdir())) == 1
    assert contents(folder) == before
    assert list(scratch.iterdir()) == []


def test_all_changes_are_made_when_the_block_ends(folder: Path) -> None:
    before = contents(folder)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as edit:
        edit.rewrite("core-9834.img", renamed)
        edit.images.remove("stats-dump")
        with edit.images.write("new.img") as file:
            file.write(b"new")
        expected = bytes(edit.images.view("core-9834.img"))
        assert contents(folder) == before
    after = contents(folder)
    assert after == {
        **{name: data for name, data in before.items() if name != "stats-dump"},
        "core-9834.img": expected,
        "new.img": b"new",
    }
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy"]
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.processes[9834].comm == "renamed"


def test_an_edit_without_changes_writes_nothing_and_leaves_nothing(folder: Path) -> None:
    before = states(folder)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as edit:
        assert not edit.rewrite("core-9834.img", same)
    assert states(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy"]


def test_a_dry_run_may_stand_within_an_edit_and_doesnt_change_it(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as edit:
        edit.rewrite("core-9834.img", renamed)
        with checkpoint.edit(dry_run=True) as other:
            assert staged(other, "core-9834.img").entries[0].message.tc.comm == "tree"
            other.images.remove("core-9834.img")
    assert load(folder / "core-9834.img").entries[0].message.tc.comm == "renamed"


def test_parents_are_not_changed(corpus: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(corpus / "demo/memory", tmp_path / "memory", symlinks=True)
    before = contents(folder / "1")

    def change(parent: Checkpoint) -> None:
        with parent.edit() as edit:
            edit.images.remove("inventory.img")

    with open_checkpoint(folder / "2") as checkpoint:
        assert checkpoint.parent is not None
        with pytest.raises(DyncritError, match="opened as the parent of another; open it by itself"):
            change(checkpoint.parent)
    assert contents(folder / "1") == before
