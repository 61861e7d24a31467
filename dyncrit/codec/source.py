"""Bytes to read from: a seekable file of known size, and stretches of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE_SIZE = 1 << 20
_SPOOL_SIZE = 16 << 20


class Source:
    """A file to read images from. ``name`` is what errors call it; ``size`` is in bytes.

    A file that can't seek (a pipe) is copied to a temporary file first, so that every length in it can be
    held against what is there before memory is taken; of one that ``accepts`` refuses, only the beginning.
    """

    def __init__(self, file: BinaryIO, name: str, accepts: Callable[[bytes], bool] | None = None) -> None:
        self.name = name
        self._file = seekable(file, accepts)
        self.size = self._file.seek(0, io.SEEK_END)

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``; fewer only where the file ends. Does not read more than that."""
        if offset >= self.size or size <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(min(size, self.size - offset))

    def exactly(self, offset: int, size: int, what: str) -> bytes:
        """``size`` bytes at ``offset``; raises ImageError, which calls them ``what``, if there are fewer."""
        self.require(offset, size, what)
        data = self.read(offset, size)
        if len(data) < size:
            raise ImageError(f"{what} of {size} bytes: the file was cut while it was read")
        return data

    def require(self, offset: int, size: int, what: str) -> None:
        """Raise ImageError unless ``size`` bytes are there at ``offset``."""
        if size > self.size - offset:
            raise ImageError(f"{what} of {size} bytes, {max(self.size - offset, 0)} left in the file")


class Extent:
    """A stretch of a source that is read when it is asked for, while the source is open."""

    __slots__ = ("offset", "size", "source")

    def __init__(self, source: Source, offset: int, size: int) -> None:
        self.source = source
        self.offset = offset
        self.size = size

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB."""
        for offset in range(self.offset, self.offset + self.size, PIECE_SIZE):
            size = min(PIECE_SIZE, self.offset + self.size - offset)
            yield self.source.exactly(offset, size, "payload")

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())


def seekable(file: BinaryIO, accepts: Callable[[bytes], bool] | None = None) -> BinaryIO:
    """``file``, or a temporary copy of what is left in it if it can't seek.

    If ``accepts`` says that it doesn't begin as it should, its first MiB is all that is copied: what
    comes in a pipe may never end.
    """
    if file.seekable():
        return file
    import tempfile

    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL_SIZE, prefix="dyncrit-")  # noqa: SIM115 (lives on)
    piece = file.read(PIECE_SIZE)
    wanted = accepts is None or accepts(piece)
    while piece:
        copy.write(piece)
        # a short piece is the last; to ask again would have a terminal wait for another Ctrl-D
        piece = file.read(PIECE_SIZE) if wanted and len(piece) == PIECE_SIZE else b""
    return copy  # type: ignore[return-value]  # it is one, from Python 3.11 on
