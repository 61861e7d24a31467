"""When changes are made: all together at the end of the block, or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, load, loads
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.writing import directory
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


def rename(name: str) -> Callable[[Iterator[Entry]], Iterator[Entry]]:
    def transform(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.tc.comm = name
            yield entry

    return transform


def comm(folder: Path, pid: int) -> str:
    return load(folder / f"core-{pid}.img").entries[0].message.tc.comm


def test_one_edit_after_the_other_adds_up(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint:
        with checkpoint.edit() as edit:
            edit.rewrite("core-9834.img", rename("one"))
            edit.rewrite("core-9838.img", rename("one"))
        with checkpoint.edit() as edit:
            (entry,) = edit.entries("core-9834.img")
            assert entry.message.tc.comm == "one"
            edit.rewrite("core-9834.img", rename("two"))
    assert (comm(folder, 9834), comm(folder, 9838)) == ("two", "one")


def test_edits_within_each_other_change_different_files(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as outer:
        outer.rewrite("core-9834.img", rename("outer"))
        with checkpoint.edit() as inner:
            inner.rewrite("core-9838.img", rename("inner"))
    assert (comm(folder, 9834), comm(folder, 9838)) == ("outer", "inner")


@pytest.mark.parametrize("removed", [True, False])
def test_what_another_changed_meanwhile_is_not_lost(folder: Path, removed: bool) -> None:
    def both(checkpoint: Checkpoint) -> None:
        with checkpoint.edit() as outer:
            outer.rewrite("core-9834.img", rename("outer"))
            outer.images.remove("stats-dump")
            with checkpoint.edit() as inner:
                if removed:
                    inner.images.remove("core-9834.img")
                else:
                    inner.rewrite("core-9834.img", rename("inner"))

    problem = r"core-9834\.img: was changed by another since it was read"
    with open_checkpoint(folder) as checkpoint, pytest.raises(DyncritError, match=problem):
        both(checkpoint)
    assert removed or comm(folder, 9834) == "inner"
    assert (folder / "core-9834.img").exists() != removed
    assert (folder / "stats-dump").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy"]


@pytest.mark.parametrize("moment", ["_resolved", "_prepared"])
@pytest.mark.parametrize("more", [(), ("stats-dump",)])
def test_what_another_writes_while_changes_are_made_ready_is_not_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str, more: tuple[str, ...]
) -> None:
    right = getattr(directory, moment)

    def write_late(*arguments: object) -> object:
        given = right(*arguments)
        (folder / "core-9834.img").write_bytes(b"of others")
        return given

    def change(checkpoint: Checkpoint) -> None:
        with checkpoint.edit() as edit:
            edit.rewrite("core-9834.img", rename("ours"))
            for name in more:
                edit.images.remove(name)

    monkeypatch.setattr(directory, moment, write_late)
    problem = r"core-9834\.img: was changed by another since it was read"
    with open_checkpoint(folder) as checkpoint, pytest.raises(DyncritError, match=problem):
        change(checkpoint)
    assert (folder / "core-9834.img").read_bytes() == b"of others"
    assert (folder / "stats-dump").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["copy"]


def test_a_file_that_another_made_meanwhile_is_not_written_over(folder: Path) -> None:
    def make(checkpoint: Checkpoint) -> None:
        with checkpoint.edit() as edit, edit.images.write("new.img") as file:
            file.write(b"ours")
            (folder / "new.img").write_bytes(b"theirs")

    problem = r"new\.img: was changed by another"
    with open_checkpoint(folder) as checkpoint, pytest.raises(DyncritError, match=problem):
        make(checkpoint)
    assert (folder / "new.img").read_bytes() == b"theirs"


def test_an_archive_that_another_changed_meanwhile_is_not_written_over(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "podman.tar.gz"
    shutil.copy(data / "archives/podman-4.3-app.tar.gz", path)

    def late(checkpoint: Checkpoint) -> None:
        with checkpoint.edit() as edit:
            edit.rewrite("core-1.img", rename("second"))

    with open_checkpoint(path) as checkpoint, open_checkpoint(path) as other:
        with checkpoint.edit() as edit:
            edit.rewrite("core-1.img", rename("first"))
        with pytest.raises(DyncritError, match="since it was read"):
            late(other)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.processes[1].comm == "first"


def test_edits_of_one_checkpoint_after_each_other_see_what_was_made(data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    with open_checkpoint(folder) as checkpoint:
        for place, text in ((0, b"first"), (5, b"other")):
            with checkpoint.edit() as edit, edit.images.modify("pages-1.img") as file:
                assert edit.images.view("pages-1.img")[:place] == b"first"[:place]
                file.seek(place)
                file.write(text)
        assert checkpoint.images.tree.view("pages-1.img")[:10] == b"firstother"
        with checkpoint.edit() as edit:
            edit.images.remove("stats-dump")
        assert "stats-dump" not in checkpoint.images
        with checkpoint.edit() as edit, pytest.raises(FileNotFoundError):
            edit.images.open("stats-dump")


def test_edits_of_one_archive_after_each_other_add_up(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "podman.tar.gz"
    shutil.copy(data / "archives/podman-4.3-app.tar.gz", path)
    with open_checkpoint(path) as checkpoint:
        with checkpoint.edit() as edit:
            edit.rewrite("core-1.img", rename("first"))
        with checkpoint.edit() as edit:
            assert edit.checkpoint.processes[1].comm == "first"
            edit.images.remove("seccomp.img")
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.processes[1].comm == "first"
        assert "seccomp.img" not in checkpoint.images


def test_a_rewrite_within_a_rewrite_of_the_same_image_is_refused(data: Path) -> None:
    with open_checkpoint(data / "demo/tree") as checkpoint, checkpoint.edit(dry_run=True) as edit:

        def again(entries: Iterator[Entry]) -> Iterator[Entry]:
            edit.rewrite("core-9834.img", rename("inner"))
            yield from entries

        with pytest.raises(DyncritError, match="is being rewritten"):
            edit.rewrite("core-9834.img", again)
