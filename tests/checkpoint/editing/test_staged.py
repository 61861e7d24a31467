"""A folder as it will be: new contents beside it, the old ones untouched."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint.editing.staged import StagedFolder
from dyncrit.checkpoint.storage.archive import open_archive
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


@pytest.fixture(params=["directory", "archive"])
def staged(request: pytest.FixtureRequest, tmp_path: Path, staging: Path) -> StagedFolder:
    """Files one and two (empty), a folder below and a link, on disk and in an archive."""
    folder = tmp_path / "original"
    (folder / "below").mkdir(parents=True)
    (folder / "one").write_bytes(b"first\n" * 1000)
    (folder / "two").write_bytes(b"")
    (folder / "parent").symlink_to("../elsewhere")
    if request.param == "directory":
        return StagedFolder(DirectoryTree(folder), lambda: staging)
    shutil.make_archive(str(tmp_path / "packed"), "tar", folder)
    (tmp_path / "original" / "one").write_bytes(b"of the folder, not of the archive")
    return StagedFolder(open_archive(tmp_path / "packed.tar"), lambda: staging)


def write(staged: StagedFolder, name: str, data: bytes) -> None:
    with staged.write(name) as file:
        file.write(data)


def read(staged: StagedFolder, name: str) -> bytes:
    with staged.open(name) as file:
        data = file.read()
    assert bytes(staged.view(name)) == data
    assert staged.size(name) == len(data)
    assert name in staged
    assert name in staged.names()
    return data


def told(staged: StagedFolder) -> list[tuple[str, bytes | None]]:
    return [(item.name, item.content and item.content.read_bytes()) for item in staged.changes]


def test_a_file_reads_as_it_was_written_and_the_original_as_it_was(staged: StagedFolder) -> None:
    write(staged, "one", b"new")
    write(staged, "three", b"third")
    assert (read(staged, "one"), read(staged, "two"), read(staged, "three")) == (b"new", b"", b"third")
    assert staged.names() == ["one", "three", "two"]
    assert told(staged) == [("one", b"new"), ("three", b"third")]
    assert bytes(staged.original.view("one")) == b"first\n" * 1000
    assert "three" not in staged.original


def test_what_comes_out_as_it_was_is_no_change(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"first\n" * 1000)
    write(staged, "two", b"")
    with staged.modify("one") as file:
        assert file.read() == b"first\n" * 1000
    assert staged.changes == []
    assert list(staging.iterdir()) == []


def test_what_is_put_back_is_no_change(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"new")
    write(staged, "one", b"newer")
    write(staged, "one", b"first\n" * 1000)
    assert staged.changes == []
    assert list(staging.iterdir()) == []


def test_the_same_once_more_keeps_the_change_as_it_is(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"new")
    before = staged.changes
    write(staged, "one", b"new")
    assert staged.changes == before
    assert len(list(staging.iterdir())) == 1


def test_the_disk_holds_the_last_content_of_each_file_only(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"0")
    view = staged.view("one")
    for number in range(1, 10):
        write(staged, "one", str(number).encode())
        with staged.modify("two") as file:
            file.write(str(number).encode())
    assert len(list(staging.iterdir())) == 2
    assert (read(staged, "one"), read(staged, "two")) == (b"9", b"9")
    assert bytes(view) == b"0"
    staged.remove("one")
    assert len(list(staging.iterdir())) == 1


def test_a_file_is_changed_in_place_and_may_grow_and_shrink(staged: StagedFolder) -> None:
    with staged.modify("one") as file:
        file.seek(6)
        file.write(b"FIRST")
    assert read(staged, "one") == b"first\nFIRST\n" + b"first\n" * 998
    with staged.modify("one") as file:
        file.truncate(11)
    assert read(staged, "one") == b"first\nFIRST"
    with staged.modify("one") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"!")
    assert told(staged) == [("one", b"first\nFIRST!")]


def test_a_file_is_changed_in_place_where_the_kernel_copies_nothing(
    staged: StagedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0, raising=False)
    with staged.modify("one") as file:
        file.write(b"FIRST")
    assert read(staged, "one") == b"FIRST\n" + b"first\n" * 999


def test_a_file_is_changed_in_place_where_the_kernel_stops_half_way(
    staged: StagedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def copy(source: int, target: int, count: int) -> int:
        calls.append(count)
        if len(calls) > 1:
            raise OSError(5, "no more")
        return os.write(target, os.read(source, 100))

    monkeypatch.setattr(os, "copy_file_range", copy, raising=False)
    with staged.modify("one") as file:
        file.write(b"FIRST")
    assert read(staged, "one") == b"FIRST\n" + b"first\n" * 999


def test_a_removed_file_is_gone_until_it_is_written_again(staged: StagedFolder) -> None:
    staged.remove("one")
    assert "one" not in staged
    assert staged.names() == ["two"]
    assert told(staged) == [("one", None)]
    for action in (staged.open, staged.view, staged.size, staged.remove):
        with pytest.raises(FileNotFoundError):
            action("one")
    with pytest.raises(FileNotFoundError), staged.modify("one"):
        pass
    write(staged, "one", b"again")
    assert told(staged) == [("one", b"again")]
    staged.remove("one")
    write(staged, "one", b"first\n" * 1000)
    assert staged.changes == []


def test_a_new_file_that_is_removed_was_never_there(staged: StagedFolder, staging: Path) -> None:
    write(staged, "three", b"third")
    staged.remove("three")
    assert staged.changes == []
    assert "three" not in staged
    assert list(staging.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(staged: StagedFolder, staging: Path) -> None:
    def fail(name: str) -> None:
        with staged.write(name) as file:
            file.write(b"half")
            raise KeyError(name)

    write(staged, "one", b"new")
    for name in ("one", "two", "three"):
        with pytest.raises(KeyError):
            fail(name)
    assert told(staged) == [("one", b"new")]
    assert len(list(staging.iterdir())) == 1


def test_a_file_may_be_read_while_it_is_written(staged: StagedFolder) -> None:
    write(staged, "one", b"old")
    with staged.open("one") as before, staged.write("one") as file:
        file.write(before.read() + b" and new")
    assert read(staged, "one") == b"old and new"


def test_of_writes_within_each_other_the_outer_one_ends_last(staged: StagedFolder) -> None:
    with staged.write("one") as outer:
        write(staged, "one", b"inner")
        outer.write(b"outer")
        assert read(staged, "one") == b"inner"
    assert told(staged) == [("one", b"outer")]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_what_is_no_name_is_refused(staged: StagedFolder, staging: Path, name: str) -> None:
    with pytest.raises(DyncritError, match="is no name of a file"):
        write(staged, name, b"x")
    assert staged.changes == []
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("name", ["below", "parent"])
def test_folders_and_links_are_not_written_over(staged: StagedFolder, name: str) -> None:
    with pytest.raises(DyncritError, match=f"{name}: there is a folder or a link of this name"):
        write(staged, name, b"x")
    with pytest.raises(FileNotFoundError):
        staged.remove(name)
    assert staged.folders() == ["below"]
    assert staged.link("parent") == "../elsewhere"
    assert staged.changes == []


def test_names_that_are_odd_but_good_are_taken(staged: StagedFolder) -> None:
    for name in ("a\nb", "caf\udce9", "-n", " ", "x" * 255):
        write(staged, name, name.encode("utf-8", "surrogateescape"))
        assert read(staged, name) == name.encode("utf-8", "surrogateescape")
    assert len(staged.changes) == 5


def test_a_folder_on_a_folder_on_a_folder(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"new")
    upper = StagedFolder(staged, lambda: staging)
    write(upper, "one", b"newer")
    write(upper, "three", b"third")
    assert (read(staged, "one"), read(upper, "one")) == (b"new", b"newer")
    assert "three" not in staged
    write(upper, "one", b"new")
    assert told(upper) == [("three", b"third")]


# savepoints


def fail_within(staged: StagedFolder, *writes: tuple[str, bytes | None]) -> None:
    with suppress(ValueError), staged.savepoint():
        for name, data in writes:
            if data is None:
                staged.remove(name)
            else:
                write(staged, name, data)
        raise ValueError("failed")


def test_what_fails_is_taken_back(staged: StagedFolder, staging: Path) -> None:
    fail_within(staged, ("one", b"1"), ("one", b"2"), ("two", None), ("three", b"3"))
    assert staged.changes == []
    assert list(staging.iterdir()) == []


def test_what_was_staged_before_stays(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"before")
    write(staged, "three", b"new")
    staged.remove("two")
    before = told(staged)
    original = staged.original.view("one")
    fail_within(staged, ("one", b"1"), ("three", None), ("two", b"2"), ("one", bytes(original)))
    assert told(staged) == before
    assert len(list(staging.iterdir())) == 2


def test_what_succeeds_takes_the_place_of_what_was_before(staged: StagedFolder, staging: Path) -> None:
    write(staged, "one", b"before")
    write(staged, "three", b"before")
    with staged.savepoint():
        write(staged, "one", b"after")
        staged.remove("three")
    assert told(staged) == [("one", b"after")]
    assert len(list(staging.iterdir())) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_savepoints_stand_within_each_other(staged: StagedFolder, staging: Path, fails: bool) -> None:
    write(staged, "one", b"first")
    with staged.savepoint():
        write(staged, "one", b"outer")
        if fails:
            fail_within(staged, ("one", b"inner"))
        else:
            with suppress(ValueError), staged.savepoint():
                with staged.savepoint():
                    write(staged, "one", b"inner")
                raise ValueError("outer")
    assert told(staged) == [("one", b"outer")]
    assert len(list(staging.iterdir())) == 1
