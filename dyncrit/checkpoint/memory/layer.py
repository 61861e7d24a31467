"""What all layers of memory have in common: they tell, piece by piece, where the bytes of a range stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.memory.pages import PagesFile


MOST_READ = 1 << 32
"""How many bytes can be read at a time."""


class State(Enum):
    """What is known of a range of memory."""

    DATA = "data"
    """Its bytes stand in a pages file."""
    HOLE = "hole"
    """The pagemap says nothing of it; what that means depends on what is mapped there."""
    ZERO = "zero"
    """It is all zeros."""
    MISSING = "missing"
    """The checkpoint doesn't hold it, or what it holds is damaged."""


class Piece(NamedTuple):
    """A range of memory, ``end`` exclusive, that stands in one place.

    For data, ``pages`` and ``offset`` tell the file and the byte in it; for what is missing, ``reason``
    tells why, and ``lost`` whether the dump should have it: a parent isn't there, a file was cut. What is
    left to files, or lazy, is not lost.
    """

    start: int
    end: int
    state: State
    pages: PagesFile | None = None
    offset: int = 0
    reason: str = ""
    lost: bool = False

    @property
    def size(self) -> int:
        """How many bytes it covers."""
        return self.end - self.start

    def view(self) -> memoryview:
        """The bytes of a piece of data, in place; raises PagesError where the file has become shorter."""
        if self.pages is None:
            raise PagesError(f"{self.state.value}, not data", self.start, self.end)
        return self.pages.view(self.offset, self.size)


class PagesError(DyncritError):
    """Memory that can't be read: not mapped, not in the dump, or damaged; ``start`` to ``end``."""

    def __init__(self, problem: str, start: int, end: int, *place: str) -> None:
        super().__init__(problem, *place)
        self.start = start
        self.end = end

    def within(self, *place: str) -> PagesError:
        """The same error with ``place`` put in front of what is known of its place."""
        return PagesError(self.problem, self.start, self.end, *place, *self.place)

    def __str__(self) -> str:
        return ": ".join((*self.place, f"{self.start:#x}-{self.end:#x}", self.problem))


class Layer(ABC):
    """Memory that can be read by address.

    ``damage`` says why it isn't known what else it may have, where a part of it can't be read.
    """

    damage: str = ""

    @abstractmethod
    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where ``start`` to ``end`` (exclusive) stands: pieces that cover it, in order, without gaps."""

    def read(self, address: int, length: int) -> bytes:
        """``length`` bytes at ``address``, at most 4 GiB.

        Raises PagesError, with the first range that can't be read and why, if any of them can't.
        """
        if not 0 <= length <= MOST_READ:
            raise DyncritError(f"{length} bytes at {address:#x}: 0 to {MOST_READ} can be read at a time")
        pieces = list(self.readable(address, address + length))
        return b"".join([bytes(piece.size) if piece.pages is None else piece.view() for piece in pieces])

    def resident(self, start: int, end: int) -> int:
        """How many bytes of a range are data."""
        return sum(piece.size for piece in self.pieces(start, end) if piece.state is State.DATA)

    def readable(self, start: int, end: int) -> Iterator[Piece]:
        """The pieces of a range, data and zeros; raises PagesError at the first that is anything else."""
        for piece in self.pieces(start, end):
            if piece.state is State.MISSING or piece.state is State.HOLE:
                raise PagesError(piece.reason or "not in the dump", piece.start, piece.end)
            yield piece
