"""What all layers of memory have in common."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint.memory.layer import Layer, PagesError, Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import DyncritError


class Fixed(Layer):
    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces

    def pieces(self, start: int, end: int):
        yield from self._pieces


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "pages-1.img").write_bytes(b"0123456789")
    return PagesFile(DirectoryTree(tmp_path), "pages-1.img")


def test_reading_joins_data_and_zeros(stored):
    layer = Fixed(
        Piece(100, 103, State.DATA, stored, 2),
        Piece(103, 105, State.ZERO),
        Piece(105, 106, State.DATA, stored, 9),
    )
    assert layer.read(100, 6) == b"234\0\x009"


def test_reading_nothing_gives_nothing():
    assert Fixed().read(0, 0) == b""


@pytest.mark.parametrize(
    ("state", "reason"), [(State.MISSING, "lost in the post"), (State.HOLE, "not in the dump")]
)
def test_the_first_range_that_cannot_be_read_is_told_with_its_reason(stored, state, reason):
    bad = Piece(103, 105, state, reason="lost in the post" if state is State.MISSING else "")
    layer = Fixed(Piece(100, 103, State.DATA, stored, 2), bad, Piece(105, 106, State.MISSING, reason="later"))
    with pytest.raises(PagesError) as caught:
        layer.read(100, 6)
    assert (caught.value.start, caught.value.end, caught.value.problem) == (103, 105, reason)
    assert str(caught.value) == f"0x67-0x69: {reason}"


def test_an_error_can_be_placed_and_stays_what_it_is():
    error = PagesError("lazy", 0x1000, 0x2000).within("process 5").within("dump")
    assert isinstance(error, DyncritError)
    assert (type(error), error.start, error.end) == (PagesError, 0x1000, 0x2000)
    assert str(error) == "dump: process 5: 0x1000-0x2000: lazy"


def test_what_is_no_data_has_no_view():
    with pytest.raises(PagesError, match="0x1000-0x2000: zero, not data"):
        Piece(0x1000, 0x2000, State.ZERO).view()


def test_a_piece_knows_its_size_and_its_bytes(stored):
    piece = Piece(100, 104, State.DATA, stored, 1)
    assert (piece.size, bytes(piece.view())) == (4, b"1234")
