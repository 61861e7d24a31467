"""Base64 in JSON strings too long for memory, in both directions."""

from __future__ import annotations

import binascii
import re
import struct
from typing import TYPE_CHECKING, NoReturn

from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE = 57
_LINE_CHARS = 76
_LINES = 4096
_SPLIT_LINES = struct.Struct(f"{_LINE_CHARS}s" * _LINES)
_PIECE_SIZE = 1 << 20


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
    """A JSON string that was too long to hold: the bytes behind its base64, in a temporary file."""

    def __init__(self, offset: int) -> None:
        self._place = f"byte {offset}"
        import tempfile

        self._file = tempfile.TemporaryFile(prefix="dyncrit-")  # noqa: SIM115 (lives as long as the string)
        self._cut = b""  # an escape that goes on in the next text
        self._rest = b""  # base64 that does
        self._ended = False
        self.size = 0

    def feed(self, text: bytes) -> None:
        """Add text of the string, as it stands in the JSON; raises DocumentError if it is not base64."""
        text = self._cut + text
        self._cut = b""
        if (cut := text.rfind(b"\\", -6)) >= 0 and re.match(rb"\\(u[0-9a-fA-F]{0,3})?$", text[cut:]):
            text, self._cut = text[:cut], text[cut:]
        text = text.replace(b"\\n", b"")
        if b"\\" in text or b" " in text:
            import json

            try:
                text = b"".join(json.loads(b'"%b"' % text).encode("ascii").split())
            except ValueError:
                self._fail()
        text = self._rest + text
        whole = len(text) - len(text) % 4
        self._decode(text[:whole])
        self._rest = text[whole:]

    def end(self) -> None:
        """Say that the string ends; raises DocumentError if its base64 doesn't."""
        if self._rest or self._cut:
            self._fail()
        self._file.flush()

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB."""
        for offset in range(0, self.size, _PIECE_SIZE):
            self._file.seek(offset)
            yield self._file.read(_PIECE_SIZE)

    def _decode(self, text: bytes) -> None:
        if text and self._ended:
            self._fail()
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            self._fail()
        self._ended = text.endswith(b"=")
        self.size += self._file.write(data)

    def _fail(self) -> NoReturn:
        raise DocumentError("a string of many MiB that is not base64", self._place) from None
