"""Pages that changed between two layers of memory, found without reading what both hold in the same place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.memory.pages import PagesFile

Change: TypeAlias = Literal["contents", "new", "dropped", "unknown"]
"""How pages differ: in their bytes; only the dump behind, or only the one before, holds them; not known."""

_CHUNK = 256 << 10
_ZEROS = bytes(_CHUNK)


class PageRange(NamedTuple):
    """Pages that differ, ``end`` exclusive. ``reason`` tells why it isn't known whether they do."""

    start: int
    end: int
    change: Change
    reason: str = ""

    def pages(self, page_size: int) -> int:
        """How many pages these are."""
        return -(-(self.end - self.start) // page_size)


class PageComparison:
    """Compares pieces of memory. ``page_size`` is in bytes, and how finely changes are told."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._names: dict[str, str] = {}

    def ranges(self, before: Iterable[Piece], after: Iterable[Piece]) -> Iterator[PageRange]:
        """Where pieces that cover the same range differ, in order; neighbours of a kind are one.

        A hole is what a dump leaves out by rule: a page of a file that wasn't written to.
        """
        last: PageRange | None = None
        for start, end, first, second in _overlaps(before, after):
            for found in self._compare(start, end, first, second):
                if last and last.end == found.start and last[2:] == found[2:]:
                    last = last._replace(end=found.end)
                    continue
                if last:
                    yield last
                last = found
        if last:
            yield last

    def _compare(self, start: int, end: int, first: Piece, second: Piece) -> Iterator[PageRange]:
        states = (first.state, second.state)
        if State.MISSING in states:
            lost = first if first.state is State.MISSING else second
            yield PageRange(start, end, "unknown", lost.reason)
        elif State.HOLE in states:
            if first.state is not second.state:
                yield PageRange(start, end, "new" if first.state is State.HOLE else "dropped")
        elif State.DATA in states and not self._same_place(first, second):
            yield from self._compare_bytes(start, end, first, second)

    def _same_place(self, first: Piece, second: Piece) -> bool:
        """Whether both stand at one place in one file, so that there is nothing to compare."""
        if first.pages is None or second.pages is None:
            return False
        if first.offset - first.start != second.offset - second.start:
            return False
        return first.pages is second.pages or self._file(first.pages) == self._file(second.pages)

    def _file(self, pages: PagesFile) -> str:
        if pages.name not in self._names:
            self._names[pages.name] = os.path.realpath(pages.name)
        return self._names[pages.name]

    def _compare_bytes(self, start: int, end: int, first: Piece, second: Piece) -> Iterator[PageRange]:
        try:
            one, other = _view(first, start, end), _view(second, start, end)
        except DyncritError as error:
            yield PageRange(start, end, "unknown", str(error))
            return
        for chunk in range(0, end - start, _CHUNK):
            stop = min(chunk + _CHUNK, end - start)
            if not _equal(one, other, chunk, stop):
                for page in range(chunk, stop, self.page_size):
                    last = min(page + self.page_size, stop)
                    if not _equal(one, other, page, last):
                        yield PageRange(start + page, start + last, "contents")


def _overlaps(before: Iterable[Piece], after: Iterable[Piece]) -> Iterator[tuple[int, int, Piece, Piece]]:
    """The ranges in which one piece of each side lies."""
    firsts, seconds = iter(before), iter(after)
    first, second = next(firsts, None), next(seconds, None)
    while first is not None and second is not None:
        start, end = max(first.start, second.start), min(first.end, second.end)
        if start < end:
            yield start, end, first, second
        if first.end == end:
            first = next(firsts, None)
        if second.end == end:
            second = next(seconds, None)


def _view(piece: Piece, start: int, end: int) -> memoryview | None:
    """The bytes of a part of a piece; None for zeros."""
    if piece.state is not State.DATA:
        return None
    return piece.view()[start - piece.start : end - piece.start]


def _equal(one: memoryview | None, other: memoryview | None, start: int, end: int) -> bool:
    """Whether both hold the same bytes. A bytearray compares with memcmp, a memoryview byte by byte."""
    first = _ZEROS[: end - start] if one is None else one[start:end]
    second = _ZEROS[: end - start] if other is None else other[start:end]
    return bytearray(first) == second  # type: ignore[comparison-overlap]  # it compares with any buffer
