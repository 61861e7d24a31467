"""What was generated, in a folder: whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import DyncritError
from dyncrit.fuzz.generate.writing import Written, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator


def broken() -> Iterator[tuple[str, bytes]]:
    yield "0000.img", b"new"
    raise KeyboardInterrupt


def test_files_and_folders_are_written(tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert write_files(target, [("a", b"1"), ("d/b", b"22"), ("d/c", b"")]) == Written(3, 3)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["a", "d", "d/b", "d/c"]


def test_names_may_have_several_folders_in_front(tmp_path: Path) -> None:
    for replace in (False, True):
        write_files(tmp_path / "out", [("0/parent/parent/a", b"1"), ("0/b", b"2")], replace=replace)
        assert (tmp_path / "out" / "0" / "parent" / "parent" / "a").read_bytes() == b"1"


def test_a_folder_that_has_something_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "0000.img").write_bytes(b"old")
    with pytest.raises(DyncritError, match="is not empty"):
        write_files(tmp_path, [("0000.img", b"new")])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("0000.img", b"old")]


def test_replacing_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "0000.img").write_bytes(b"old")
    (tmp_path / "notes").write_bytes(b"mine")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "stale").write_bytes(b"old")
    write_files(tmp_path, [("0000.img", b"new"), ("0001.img", b"two"), ("d/x", b"3")], replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000.img", "0001.img", "d", "notes"]
    assert (tmp_path / "0000.img").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["x"]


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "0000").write_bytes(b"old")
    with pytest.raises(DyncritError, match="0000: is a file; expected a folder"):
        write_files(tmp_path, [("0000/pstree.img", b"new")], replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["0000"]


def test_replacing_in_a_folder_that_is_not_there_makes_it(tmp_path: Path) -> None:
    write_files(tmp_path / "new", [("a", b"1")], replace=True)
    assert (tmp_path / "new" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("replace", [False, True])
def test_giving_up_leaves_what_was_there(tmp_path: Path, replace: bool) -> None:
    target = tmp_path / "out"
    if replace:
        target.mkdir()
        (target / "0000.img").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_files(target, broken(), replace=replace)
    assert [(path.name, path.read_bytes()) for path in tmp_path.rglob("*.img")] == (
        [("0000.img", b"old")] if replace else []
    )
    assert not list(tmp_path.rglob(".dyncrit*"))


@pytest.mark.parametrize("replace", [False, True])
def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    if replace:
        (target / "0000.img").write_bytes(b"old")
    plain = Path.write_bytes

    def write(self: Path, data: bytes) -> int:
        if self.name == "0001.img":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return plain(self, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match="No space left") as raised:
        write_files(target, [("0000.img", b"new"), ("0001.img", b"new")], replace=replace)
    assert raised.value.filename == str(target / "0001.img")
    assert [path.read_bytes() for path in target.iterdir()] == ([b"old"] if replace else [])
