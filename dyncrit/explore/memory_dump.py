"""Memory as a file: the mappings of a process one after the other, sparse where nothing was dumped."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dyncrit.checkpoint.memory.layer import State
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dyncrit.checkpoint.memory.layer import Layer, Piece
    from dyncrit.types import JsonObject

MOST_BYTES = 1 << 43
"""The largest file that is written, holes included: what file systems take (ext4: 16 TiB)."""

_STEP = 1 << 20


class DumpedRange(NamedTuple):
    """A range of memory (``end`` exclusive) and where it stands in the file.

    ``held`` bytes of it were in the dump. Others are zeros, in memory or only in the file: of the latter,
    ``missing`` ones are none of the dump's (pages of files), and ``lost`` ones should have been in it.
    """

    start: int
    end: int
    offset: int
    held: int
    missing: int
    lost: int

    def to_dict(self) -> JsonObject:
        """The range with addresses in hex, as in /proc/PID/maps."""
        return {
            "start": f"{self.start:x}",
            "end": f"{self.end:x}",
            "offset": self.offset,
            "held": self.held,
            "missing": self.missing,
            "lost": self.lost,
        }


def dump_ranges(
    layer: Layer,
    ranges: Iterable[tuple[int, int]],
    file: BinaryIO,
    progress: Callable[[int], None] = lambda _: None,
) -> list[DumpedRange]:
    """Write ranges of memory to ``file``, one after the other; gives where each stands.

    Zeros and what the dump doesn't hold become holes in the file. ``progress`` is called with the number of
    bytes that were passed since its last call. Raises DyncritError for more than a file can have.
    """
    written = []
    offset = 0
    ranges = list(ranges)
    if (size := sum(end - start for start, end in ranges)) > MOST_BYTES:
        raise DyncritError(f"{size} bytes of memory, holes included; a file can have {MOST_BYTES}")
    for start, end in ranges:
        held = missing = lost = 0
        for piece in layer.pieces(start, end):
            if piece.state is State.DATA:
                file.seek(offset + piece.start - start)
                _copy(piece, file, progress)
                held += piece.size
            elif piece.lost:
                lost += piece.size
            elif piece.state is not State.ZERO:
                missing += piece.size
        written.append(DumpedRange(start, end, offset, held, missing, lost))
        offset += end - start
    file.truncate(offset)
    return written


def _copy(piece: Piece, file: BinaryIO, progress: Callable[[int], None]) -> None:
    view = piece.view()
    for position in range(0, len(view), _STEP):
        part = view[position : position + _STEP]
        file.write(part)
        progress(len(part))
