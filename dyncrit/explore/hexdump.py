"""Bytes as people read them: lines as xxd prints them, and short runs escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.layer import State
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.memory.layer import Piece

MOST_WIDTH = 256
"""The most bytes that a line can show, as of xxd."""

_PRINTABLE = range(0x20, 0x7F)
_DOTTED = bytes(byte if byte in _PRINTABLE else ord(".") for byte in range(256))
_ESCAPED = tuple(
    "\\\\" if byte == ord("\\") else chr(byte) if byte in _PRINTABLE else f"\\x{byte:02x}"
    for byte in range(256)
)
_PART = 64 << 10
_ZEROS = memoryview(bytes(_PART))


def hexdump(data_pieces: Iterable[bytes | memoryview], address: int, *, width: int = 16) -> Iterator[str]:
    """The lines that ``xxd -o ADDRESS -c WIDTH`` prints for bytes that stand at ``address``.

    Without newlines. Addresses have eight hex digits, more where they need more; bytes are in groups of two.

    >>> list(hexdump([b"hello ", b"world"], 0x7f0000001000))
    ['7f0000001000: 6865 6c6c 6f20 776f 726c 64              hello world']
    """
    if not 1 <= width <= MOST_WIDTH:
        raise DyncritError(f"{width} bytes a line; 1 to {MOST_WIDTH} can be shown")
    return _lines(data_pieces, address, width)


def buffers(pieces: Iterable[Piece]) -> Iterator[memoryview]:
    """The bytes of pieces of data and zeros, in parts of at most 64 KiB, however large they are."""
    for piece in pieces:
        for start in range(piece.start, piece.end, _PART):
            part = piece._replace(
                start=start, end=min(start + _PART, piece.end), offset=piece.offset + start - piece.start
            )
            yield _ZEROS[: part.size] if part.state is State.ZERO else part.view()


def escape(data: bytes) -> str:
    r"""Bytes on one line: printable ASCII as it is, a backslash doubled, all else as ``\xNN``.

    >>> print(escape(b"a\\b\n\xff"))
    a\\b\x0a\xff
    """
    return "".join([_ESCAPED[byte] for byte in data])


def _lines(data_pieces: Iterable[bytes | memoryview], address: int, width: int) -> Iterator[str]:
    rest = b""
    for piece in data_pieces:
        data = rest + bytes(piece)
        whole = len(data) - len(data) % width
        for start in range(0, whole, width):
            yield _line(data[start : start + width], address + start, width)
        address += whole
        rest = data[whole:]
    if rest:
        yield _line(rest, address, width)


def _line(row: bytes, address: int, width: int) -> str:
    digits = width * 2 + (width - 1) // 2
    return f"{address:08x}: {row.hex(' ', -2):{digits}}  {row.translate(_DOTTED).decode('ascii')}"
