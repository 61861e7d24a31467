"""Unpacks what is compressed, once, to a temporary file without a name, and never more than is allowed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from bz2 import BZ2Decompressor
    from collections.abc import Callable, Iterator
    from lzma import LZMADecompressor

_UNBOUNDED_SIZE = 64 << 20
_PIECE_SIZE = 1 << 20
_FEED = 16 << 10
_ZSTD_FEED = 4 << 10
_ZSTD_WINDOW = 128 << 20
_XZ_MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out of compressed or sparse data.

    ``max_total`` is in bytes. ``max_ratio`` is of what comes out to what is stored; it counts once more
    than 64 MiB have come out.
    """

    max_total: int = 64 << 30
    max_ratio: int = 200

    def check(self, total: int, stored: int, place: str) -> None:
        """Raise ImageError if ``total`` bytes out of ``stored`` ones are too many."""
        if total > self.max_total:
            raise ImageError(
                f"more than {self.max_total} bytes come out of it, which is the bound; --max-size raises it",
                place,
            )
        if total > _UNBOUNDED_SIZE and total > self.max_ratio * stored:
            raise ImageError(
                f"more than {self.max_ratio} times its {stored} bytes come out of it, as of a decompression "
                "bomb; if you trust it, raise the bound with --max-ratio",
                place,
            )

    def less(self, used: int) -> Limits:
        """What is left when ``used`` bytes have come out elsewhere."""
        return replace(self, max_total=max(self.max_total - used, 0))


def compression_of(data: memoryview) -> str | None:
    """How data is compressed, as its first bytes tell: gzip, bzip2, xz or zstd; None if it isn't.

    >>> compression_of(memoryview(bytes.fromhex("28b52ffd00")))
    'zstd'
    """
    codec = _codec_of(data)
    return codec.name if codec else None


def unpack(data: memoryview, limits: Limits, place: str) -> BinaryIO:
    """What compressed data unpacks to: a temporary file that has no name and is gone when it is closed.

    Streams that stand one behind the other are unpacked one after the other. Memory is bounded, by the
    window that a stream may ask for too (128 MiB of zstd, 256 MiB of xz). Raises ImageError for what is
    damaged, cut off or more than ``limits`` allow, DyncritError if there is no room; both name ``place``.
    """
    codec = _codec_of(data)
    if codec is None:
        raise ImageError("neither gzip, bzip2, xz nor zstd", place)
    with room_needed(place):
        file = tempfile.TemporaryFile(prefix="dyncrit-")  # noqa: SIM115 (the caller closes it)
    try:
        total = 0
        for piece in _unpacked(data, codec, place):
            total += len(piece)
            limits.check(total, len(data), place)
            with room_needed(place):
                file.write(piece)
        with room_needed(place):
            file.flush()
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    return file


@contextmanager
def room_needed(place: str) -> Iterator[None]:
    """Errors of the block, which writes to a temporary file, say what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DyncritError(
            f"can't be unpacked to a temporary file: {reason}; TMPDIR names a folder that has room", place
        ) from error


class _Stream(Protocol):
    """A decompressor of one stream, as in the standard library."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What comes out when ``data`` is put in."""


class _BoundedStream:
    """bzip2 and xz: the decompressor keeps what it hasn't worked off yet."""

    def __init__(self, decompressor: BZ2Decompressor | LZMADecompressor) -> None:
        self._decompressor = decompressor

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._decompressor.decompress(data, _PIECE_SIZE)
        while not self._decompressor.eof and not self._decompressor.needs_input:
            yield self._decompressor.decompress(b"", _PIECE_SIZE)


class _GzipStream:
    """gzip: what the decompressor hasn't worked off is to be put in again."""

    def __init__(self) -> None:
        import zlib

        self._decompressor = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._decompressor.decompress(data, _PIECE_SIZE)
        while not self._decompressor.eof and self._decompressor.unconsumed_tail:
            yield self._decompressor.decompress(self._decompressor.unconsumed_tail, _PIECE_SIZE)


class _ZstdStream:
    """zstd: bounded by putting in little, as a block of 4 bytes gives 128 KiB at most."""

    def __init__(self) -> None:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._decompressor = decompressor.decompressobj()

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._decompressor.decompress(data)


def _bzip2_stream() -> _Stream:
    import bz2

    return _BoundedStream(bz2.BZ2Decompressor())


def _xz_stream() -> _Stream:
    import lzma

    return _BoundedStream(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


class _Codec(NamedTuple):
    """A format: the bytes that it begins with, and how much may be put in at once."""

    name: str
    magics: tuple[bytes, ...]
    feed: int
    stream: Callable[[], _Stream]


# A zstd file may begin with a skippable frame (RFC 8878, 3.1.2), of 16 magics.
_SKIPPABLE = tuple(bytes((nibble, 0x2A, 0x4D, 0x18)) for nibble in range(0x50, 0x60))
_CODECS = (
    _Codec("gzip", (b"\x1f\x8b\x08",), _FEED, _GzipStream),
    _Codec("bzip2", (b"BZh",), _FEED, _bzip2_stream),
    _Codec("xz", (b"\xfd7zXZ\0",), _FEED, _xz_stream),
    _Codec("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _ZSTD_FEED, _ZstdStream),
)


def _codec_of(data: memoryview) -> _Codec | None:
    beginning = bytes(data[:6])
    return next((codec for codec in _CODECS if beginning.startswith(codec.magics)), None)


def _unpacked(data: memoryview, codec: _Codec, place: str) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        if not bytes(data[position : position + 6]).startswith(codec.magics):
            left = f"{len(data) - position} bytes at byte {position}"
            raise ImageError(f"{left}, behind the end of the {codec.name} data, are no {codec.name}", place)
        stream = codec.stream()
        while not stream.eof:
            if position == len(data):
                raise ImageError(f"the {codec.name} data is cut off after {len(data)} bytes", place)
            fed = bytes(data[position : position + codec.feed])
            try:
                yield from stream.pieces(fed)
            except Exception as error:  # zlib, lzma and zstandard have classes of their own
                raise _damaged(codec, position, error, place) from error
            position += len(fed)
        position = _behind_padding(data, position - len(stream.unused_data))


def _damaged(codec: _Codec, position: int, error: Exception, place: str) -> DyncritError:
    if isinstance(error, MemoryError):
        return DyncritError(f"the {codec.name} data takes more memory than there is", place)
    return ImageError(f"damaged {codec.name} data near byte {position}: {error}", place)


def _behind_padding(data: memoryview, position: int) -> int:
    """Where the zeros end that fill a stream up to a block, as tapes and xz have them."""
    while position < len(data):
        piece = bytes(data[position : position + _PIECE_SIZE])
        left = len(piece.lstrip(b"\0"))
        position += len(piece) - left
        if left:
            break
    return position
