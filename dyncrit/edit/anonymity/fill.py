"""Content for content: as many bytes, all of them the same."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.codec.source import PIECE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

FILLER = b"x"
"""Stands for every byte of content; printable, so that it is seen for what it is."""

_BLOCK = 4096
"""The smallest page of any host; larger ones are multiples of it."""
_ZEROS = bytes(_BLOCK)
_FULL = FILLER * _BLOCK
_OLD_HEAD, _OLD_ADDRESS = 4, 8
_OLD_RECORD = _OLD_ADDRESS + _BLOCK
_OLD_AT_ONCE = 256


class Filled:
    """So many bytes of filler, in pieces."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB."""
        full = FILLER * min(self.size, PIECE_SIZE)
        for _ in range(self.size // PIECE_SIZE):
            yield full
        if self.size % PIECE_SIZE:
            yield full[: self.size % PIECE_SIZE]


class FillerFile:
    """So many bytes of filler as a file to read from."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """The next bytes, ``size`` at most."""
        count = self._left if size < 0 else min(size, self._left)
        self._left -= count
        return FILLER * count


def fill_pages(before: BinaryIO, size: int, after: BinaryIO, kept: int = 0) -> int:
    """Fill ``size`` bytes of memory page by page into an empty file; gives the number of bytes filled.

    Pages of zeros stay, as holes of the file. The first ``kept`` bytes are copied.
    """
    before.seek(0)
    after.write(before.read(min(kept, size)))
    filled = sum(
        _fill_piece(piece, position, after) for position, piece in _pieces(before, min(kept, size), size)
    )
    after.truncate(size)
    return filled


def fill_old_pages(before: BinaryIO, size: int, after: BinaryIO) -> int:
    """As :func:`fill_pages`, for images of CRIU 0.1 to 0.4: a magic, then an address before each page."""
    before.seek(0)
    after.write(before.read(_OLD_HEAD))
    filled = 0
    while records := before.read(_OLD_RECORD * _OLD_AT_ONCE):
        for start in range(0, len(records), _OLD_RECORD):
            page = records[start + _OLD_ADDRESS : start + _OLD_RECORD]
            is_zero = page.count(0) == len(page)
            filled += 0 if is_zero else len(page)
            after.write(records[start : start + _OLD_ADDRESS] + (page if is_zero else FILLER * len(page)))
    after.truncate(size)
    return filled


def _fill_piece(piece: bytes, position: int, after: BinaryIO) -> int:
    """Write filler for the pages of a piece that aren't zeros; gives the number of bytes."""
    if piece.count(0) == len(piece):
        return 0
    filled = 0
    for start in range(0, len(piece), _BLOCK):
        page = piece[start : start + _BLOCK]
        if page != _ZEROS[: len(page)]:
            after.seek(position + start)
            after.write(_FULL[: len(page)])
            filled += len(page)
    return filled


def _pieces(file: BinaryIO, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The pieces of a file that aren't holes, as far as the file system tells, with their positions."""
    try:
        handle = file.fileno()
    except OSError:  # no file of the system's
        file.seek(start)
        for position in range(start, size, PIECE_SIZE):
            yield position, file.read(min(PIECE_SIZE, size - position))
        return
    # by the handle alone: the file object would not know that another position was sought
    for first, end in _stretches(handle, start, size):
        for position in range(first, end, PIECE_SIZE):
            yield position, os.pread(handle, min(PIECE_SIZE, end - position), position)


def _stretches(handle: int, start: int, size: int) -> Iterator[tuple[int, int]]:
    """The stretches of a file between its holes, widened to whole blocks."""
    position = start
    while position < size:
        try:
            position = max(os.lseek(handle, position, os.SEEK_DATA) // _BLOCK * _BLOCK, position)
            end = min(-(-os.lseek(handle, position, os.SEEK_HOLE) // _BLOCK) * _BLOCK, size)
        except OSError as error:
            if error.errno != errno.ENXIO:  # which means that there is no more data
                yield position, size
            return
        yield position, end
        position = end
