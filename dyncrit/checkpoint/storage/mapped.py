"""Bytes in place: a file mapped into memory, and stretches of it that read like files."""

from __future__ import annotations

import io
import mmap
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def map_file(file: BinaryIO) -> memoryview:
    """The bytes of an open regular file, memory-mapped; the file may be closed afterwards."""
    if os.fstat(file.fileno()).st_size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def open_view(view: memoryview) -> BinaryIO:
    """A seekable file over bytes in place, which copies what is read and no more."""
    return io.BufferedReader(_ViewFile(view))


class _ViewFile(io.RawIOBase):
    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}[whence]
        if base + offset < 0:
            raise OSError(22, "seek to before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer)
        piece = self._view[self._position : self._position + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
