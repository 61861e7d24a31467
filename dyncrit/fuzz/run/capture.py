"""What a program writes, kept up to a size: its beginning, and its end where there is more."""

from __future__ import annotations

import hashlib
import os

_CHUNK = 1 << 16


class Capture:
    """Reads a pipe that does not block; keeps the first ``head`` bytes and the last ``tail`` of the rest."""

    def __init__(self, handle: int, head: int, tail: int) -> None:
        self.handle = handle
        self.size = 0
        self._head_limit = head
        self._tail_limit = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._hash = hashlib.sha256()

    def read(self) -> bool:
        """Take what is there, at most some 64 KiB; False at the end."""
        try:
            data = os.read(self.handle, _CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._take(data)
        return True

    def read_rest(self) -> None:
        """Take what is left in the pipe, without waiting for more."""
        while True:
            try:
                data = os.read(self.handle, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self._take(data)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return self.size <= self._head_limit + self._tail_limit

    def content(self) -> bytes:
        """What was kept; a line between says where something is left out."""
        if self.is_whole:
            return bytes(self._head + self._tail)
        left_out = self.size - len(self._head) - len(self._tail)
        return bytes(self._head) + b"\n[%d bytes are left out]\n" % left_out + bytes(self._tail)

    def digest(self) -> str:
        """The SHA-256 of all that was written, in hex."""
        if self.size > self._head_limit:
            return self._hash.hexdigest()
        return hashlib.sha256(self._head).hexdigest()

    def _take(self, data: bytes) -> None:
        before, self.size = self.size, self.size + len(data)
        room = self._head_limit - before
        if room > 0:
            self._head += data[:room]
        if len(data) <= room:
            return
        if before <= self._head_limit:  # the hash is worked out only where it is needed
            self._hash.update(self._head)
        rest = data[max(room, 0) :]
        self._hash.update(rest)
        self._tail += rest
        if len(self._tail) > self._tail_limit:
            del self._tail[: len(self._tail) - self._tail_limit]
