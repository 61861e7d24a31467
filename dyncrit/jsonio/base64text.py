"""Base64 in JSON strings too long for memory, in both directions."""

from __future__ import annotations

import binascii
import re
import struct
from typing import TYPE_CHECKING

from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE = 57
_LINE_CHARS = 76
_LINES = 4096
_SPLIT_LINES = struct.Struct(f"{_LINE_CHARS}s" * _LINES)
_PIECE_SIZE = 1 << 18
_CUT_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{0,3})?$")


def base64_string(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Bytes as a JSON string: base64 in lines of 76 characters, each ended by ``\n`` as CRIT has it."""
    yield b'"'
    rest = b""
    size = _LINE * _LINES
    for piece in pieces:
        data = rest + piece
        whole = len(data) - len(data) % size
        for start in range(0, whole, size):
            text = binascii.b2a_base64(data[start : start + size], newline=False)
            yield b"\\n".join(_SPLIT_LINES.unpack(text)) + b"\\n"
        rest = data[whole:]
    for start in range(0, len(rest), _LINE):
        yield binascii.b2a_base64(rest[start : start + _LINE], newline=False) + b"\\n"
    yield b'"'


class LongString:
    """A JSON string that was too long to hold: its text in a temporary file, read as base64 or as it is."""

    def __init__(self, offset: int) -> None:
        import tempfile

        self._place = f"byte {offset}"
        self._file = tempfile.TemporaryFile(prefix="dyncrit-")  # noqa: SIM115 (lives as long as the string)
        self._size: int | None = None

    def feed(self, text: bytes) -> None:
        """Add text of the string, as it stands in the JSON."""
        self._file.write(text)

    @property
    def size(self) -> int:
        """How many bytes its base64 stands for; raises DocumentError if it is not base64."""
        if self._size is None:
            self._size = sum(map(len, self.pieces()))
        return self._size

    def pieces(self) -> Iterator[bytes]:
        """The bytes that its base64 stands for, in pieces; raises DocumentError if it is not base64."""
        rest, ended = b"", False
        for text in self._texts():
            text = rest + self._unescaped(text)  # noqa: PLW2901 (the text goes on)
            whole = len(text) - len(text) % 4
            rest = text[whole:]
            if whole:
                if ended:
                    self._fail()
                ended = text[whole - 1] == ord("=")
                try:
                    yield binascii.a2b_base64(text[:whole], strict_mode=True)
                except binascii.Error:
                    self._fail()
        if rest:
            self._fail()

    def text(self) -> str:
        """The string itself, in memory; raises DocumentError where it is no JSON string."""
        import json

        self._file.seek(0)
        try:
            return str(json.loads(b'"%b"' % self._file.read()))
        except ValueError as error:
            raise DocumentError(f"not JSON: {error}", self._place) from None

    def _texts(self) -> Iterator[bytes]:
        """The text in pieces that end within no escape."""
        offset, cut = 0, b""
        while True:
            self._file.seek(offset)
            read = self._file.read(_PIECE_SIZE)
            offset += len(read)
            text, cut = cut + read, b""
            if read and (at := text.rfind(b"\\", -6)) >= 0 and _CUT_ESCAPE.match(text[at:]):
                text, cut = text[:at], text[at:]
            yield text
            if not read:
                return

    def _unescaped(self, text: bytes) -> bytes:
        text = text.replace(b"\\n", b"")
        if b"\\" not in text and b" " not in text:
            return text
        import json

        try:
            return b"".join(json.loads(b'"%b"' % text).encode("ascii").split())
        except ValueError:
            return self._fail()

    def _fail(self) -> bytes:
        raise DocumentError("a string of many MiB that is not base64", self._place) from None
