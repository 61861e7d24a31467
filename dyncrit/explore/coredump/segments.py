"""Which ranges of an address space become segments of a core file, and which of their bytes stand in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dyncrit.checkpoint.memory.layer import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.memory.layer import Piece
    from dyncrit.explore.coredump.source import CoreMapping, CoreMemory

LONG_ZEROS: Final = 16 << 20
"""Zeros of anonymous memory that go on for so many bytes are not written, as the kernel leaves out mappings
that were never touched: programs reserve terabytes. Debuggers read what a segment lacks as zeros."""


class Segment(NamedTuple):
    """A range of one mapping, ``end`` exclusive: from ``start`` to ``held`` its bytes stand in the file."""

    start: int
    held: int
    end: int
    protection: int

    @property
    def file_size(self) -> int:
        """How many bytes of it stand in the file."""
        return self.held - self.start


def segments(memory: CoreMemory, address_end: int) -> Iterator[Segment]:
    """The segments, in order: one or more for each mapping that lies below ``address_end``.

    A mapping is split behind bytes that are missing: only the end of a segment can be.
    """
    for vma in memory.vmas:
        if vma.end <= address_end:
            yield from _of_mapping(memory, vma)


def is_written(piece: Piece, vma: CoreMapping) -> bool:
    """Whether the bytes of a piece stand in the core file."""
    if piece.state is State.ZERO:
        # what a segment lacks of a file's mapping is read from the file
        return vma.is_file_backed or piece.size < LONG_ZEROS
    return piece.state is State.DATA


def _of_mapping(memory: CoreMemory, vma: CoreMapping) -> Iterator[Segment]:
    start = held = position = vma.start
    for piece in memory.pieces(vma.start, vma.end):
        position = piece.end
        if not is_written(piece, vma):
            continue
        if held < piece.start:
            yield Segment(start, held, piece.start, vma.protection)
            start = piece.start
        held = piece.end
    yield Segment(start, held, max(position, vma.end), vma.protection)
