"""Readable memory as windows: buffers to search, such that nothing is lost between one and the next.

A stretch is memory that can be read and follows on in address: data and short zeros. It ends where memory
is missing, not mapped, or zero over more than two pages. Zeros count only up to one page beside data, so
that reservations of terabytes cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.memory.layer import Piece, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.memory.layer import Layer

ZEROS_BESIDE_DATA = 4096
"""How many bytes of a range of zeros take part on each side where it adjoins data."""

_WINDOW = 16 << 20
_LARGE = 1 << 20
_MOST_PARTS = 65_536
_ZEROS = memoryview(bytes(2 * ZEROS_BESIDE_DATA))


class Window(NamedTuple):
    """A buffer that stands at ``address``, of which ``begin`` to ``limit`` is this window's own.

    What is looked for begins there; it may go on to the end of the buffer. What stands before ``begin`` has
    had its turn and is there to be looked back at; ``begin`` is 0 where a stretch begins. ``final`` says that
    the stretch ends with the buffer.
    """

    address: int
    buffer: memoryview
    begin: int
    limit: int
    final: bool


class _Chunk(NamedTuple):
    """Memory that follows on: one large part, or many small ones."""

    address: int
    parts: list[memoryview]
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


def windows(
    layer: Layer, ranges: Iterable[tuple[int, int]], *, ahead: int, behind: int = 1
) -> Iterator[Window]:
    """The memory of ``ranges`` (ends exclusive, in order of address) as windows, in order of address.

    Each but the last of a stretch goes on for ``ahead`` bytes beyond its limit, and each but the first shows
    at least ``behind`` bytes before its begin. Large pieces are given in place, 16 MiB at a time, small ones
    copied together, so memory stays bounded. Ranges that adjoin are one.
    """
    behind = max(behind, 1)
    large = max(_LARGE, 4 * (ahead + behind))
    tail = memoryview(b"")
    for chunk, final in _with_final(_chunks(layer, ranges, large)):
        kept = 0 if final else ahead + behind
        if len(chunk.parts) == 1 and chunk.size >= large:
            yield from _in_place(chunk, tail, ahead, behind, final=final)
            tail = memoryview(bytes(chunk.parts[0][chunk.size - kept :]))
            continue
        buffer = memoryview(b"".join([tail, *chunk.parts]))
        begin = max(0, len(tail) - ahead)
        limit = len(buffer) if final else max(begin, len(buffer) - ahead)
        yield Window(chunk.address - len(tail), buffer, begin, limit, final)
        tail = memoryview(bytes(buffer[max(0, len(buffer) - kept) if kept else len(buffer) :]))


def _in_place(chunk: _Chunk, tail: memoryview, ahead: int, behind: int, *, final: bool) -> Iterator[Window]:
    """The windows of a large chunk, none of them copied but the seam with what stands before it."""
    view = chunk.parts[0]
    first = 0
    if tail:
        seam = memoryview(b"".join([tail, view[: ahead + behind]]))
        first = behind
        yield Window(
            chunk.address - len(tail), seam, max(0, len(tail) - ahead), len(tail) + first, final=False
        )
    limit = len(view) if final else len(view) - ahead
    for start in range(first, limit, _WINDOW):
        stop = min(start + _WINDOW, limit)
        low, high = max(0, start - behind), min(len(view), stop + ahead)
        at_end = final and high == len(view)
        yield Window(chunk.address + low, view[low:high], start - low, stop - low, at_end)


def _with_final(chunks: Iterator[_Chunk]) -> Iterator[tuple[_Chunk, bool]]:
    """Each chunk, and whether its stretch ends with it."""
    last = next(chunks, None)
    if last is None:
        return
    for chunk in chunks:
        yield last, last.end != chunk.address
        last = chunk
    yield last, True


def _chunks(layer: Layer, ranges: Iterable[tuple[int, int]], large: int) -> Iterator[_Chunk]:
    """Pieces gathered until they are ``large``, large ones alone."""
    parts: list[memoryview] = []
    address = size = 0
    for piece in _readable(_runs(layer, ranges)):
        apart = piece.size >= large or piece.start != address + size
        if parts and (apart or size >= large or len(parts) >= _MOST_PARTS):
            yield _Chunk(address, parts, size)
            parts, size = [], 0
        if not parts:
            address = piece.start
        parts.append(_ZEROS[: piece.size] if piece.state is State.ZERO else piece.view())
        size += piece.size
        if piece.size >= large:
            yield _Chunk(address, parts, size)
            parts, address, size = [], piece.end, 0
    if parts:
        yield _Chunk(address, parts, size)


def _readable(runs: Iterator[Piece]) -> Iterator[Piece]:
    """The runs of data, and what counts of the zeros beside them."""
    before = 0
    run = next(runs, None)
    while run is not None:
        following = next(runs, None)
        if run.state is State.DATA:
            yield run
            before = run.end
        else:
            head = ZEROS_BESIDE_DATA if run.start == before else 0
            tail = ZEROS_BESIDE_DATA if following is not None and following.start == run.end else 0
            if run.size <= head + tail:
                yield run
            else:
                if head:
                    yield run._replace(end=run.start + head)
                if tail:
                    yield run._replace(start=run.end - tail)
        run = following


def _runs(layer: Layer, ranges: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """Data that stands in one place and zeros, each joined as far as they go; a run of zeros ends at data."""
    run = None
    for start, end in _merged(ranges):
        for piece in layer.pieces(start, end):
            if not piece.size or (piece.state is not State.DATA and piece.state is not State.ZERO):
                continue
            if run is not None and _follows(piece, run):
                run = run._replace(end=piece.end)
                continue
            if run is not None:
                yield run
            run = piece
    if run is not None:
        yield run


def _follows(piece: Piece, run: Piece) -> bool:
    """Whether a piece goes on where a run ends, in memory and in the file."""
    if piece.start != run.end or piece.state is not run.state:
        return False
    return piece.state is State.ZERO or (piece.pages is run.pages and piece.offset == run.offset + run.size)


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges with those joined that adjoin or overlap."""
    last: tuple[int, int] | None = None
    for start, end in ranges:
        if last is not None and last[0] <= start <= last[1]:
            last = last[0], max(last[1], end)
            continue
        if last is not None:
            yield last
        last = start, end
    if last is not None:
        yield last
