"""A file that is written from its beginning to its end, with holes for zeros where it can have them."""

from __future__ import annotations

import fcntl
import io
import os
from typing import BinaryIO

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)


class Sink:
    """Counts what goes into ``file``; zeros become holes where the file can seek.

    The file must end where it stands: what is behind a hole's beginning would show through it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.position = 0
        self._file = file
        self._sparse = file.seekable() and not _appends(file)
        self._ends_in_hole = False

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes."""
        view = memoryview(data)
        if not view:
            return
        self._file.write(view)
        self.position += len(view)
        self._ends_in_hole = False

    def zeros(self, size: int) -> None:
        """Write, or skip, so many zeros."""
        if self._sparse and size:
            self._file.seek(size, os.SEEK_CUR)
            self.position += size
            self._ends_in_hole = True
            return
        while size > 0:
            chunk = min(size, _CHUNK)
            self.write(_ZEROS[:chunk])
            size -= chunk

    def finish(self) -> None:
        """Give the file its whole length, where it ends in a hole."""
        if self._ends_in_hole:
            self._file.seek(-1, os.SEEK_CUR)
            self._file.write(b"\0")
            self._ends_in_hole = False


def _appends(file: BinaryIO) -> bool:
    """Whether all that is written goes to the file's end, wherever it was moved to (``>>`` of a shell)."""
    try:
        return bool(fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_APPEND)
    except (OSError, io.UnsupportedOperation):
        return False
