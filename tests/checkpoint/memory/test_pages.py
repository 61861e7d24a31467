"""Pages files."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import DyncritError, ImageError


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "pages-1.img").write_bytes(b"0123456789")
    return PagesFile(DirectoryTree(tmp_path), "pages-1.img")


def test_bytes_are_read_where_they_stand(stored):
    assert (stored.size, stored.read(3, 4), bytes(stored.view(9, 1))) == (10, b"3456", b"9")


def test_the_end_is_within_the_file(stored):
    assert (stored.read(0, 10), stored.read(10, 0)) == (b"0123456789", b"")


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 11), (9, 2), (10, 1), (1 << 63, 1), (1 << 64, 1), (0, 1 << 64)]
)
def test_what_the_file_lacks_is_an_error_with_its_name_and_size(stored, tmp_path, offset, size):
    with pytest.raises(ImageError) as caught:
        stored.view(offset, size)
    assert str(caught.value) == f"{tmp_path}/pages-1.img: {size} bytes at byte {offset}, the file has 10"


def test_a_missing_file_is_said_when_it_is_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        PagesFile(DirectoryTree(tmp_path), "pages-1.img")


def test_a_file_cut_after_it_was_opened_is_an_error_of_ours(stored, tmp_path):
    (tmp_path / "pages-1.img").write_bytes(b"01")
    with pytest.raises(DyncritError, match="4 bytes at byte 3"):
        Piece(0, 4, State.DATA, stored, 3).view()
