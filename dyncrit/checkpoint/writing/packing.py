"""Files that are written compressed, with the digests of what went in and of what came out."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


class Packed(NamedTuple):
    """A file that was written: SHA-256 and size of it, and the SHA-256 of it unpacked, in hex digits."""

    path: Path
    digest: str
    size: int
    plain_digest: str


class PackedFile:
    """A file that is being written."""

    def __init__(self, file: BinaryIO, path: Path, compression: str | None) -> None:
        self._file = file
        self._path = path
        self._compressor = _COMPRESSORS[compression]()
        self._plain = hashlib.sha256()
        self._stored = hashlib.sha256() if compression else self._plain
        self._size = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Write some bytes."""
        self._plain.update(piece)
        self._put(self._compressor.compress(piece))

    def finish(self) -> None:
        """Write what is left, and see to it that all of it is on disk."""
        self._put(self._compressor.flush())
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def packed(self) -> Packed:
        """What was written."""
        return Packed(self._path, self._stored.hexdigest(), self._size, self._plain.hexdigest())

    def _put(self, piece: bytes | memoryview) -> None:
        if self._stored is not self._plain:
            self._stored.update(piece)
        self._size += len(piece)
        self._file.write(piece)


@contextmanager
def packed_file(path: Path, compression: str | None) -> Iterator[PackedFile]:
    """A new file, complete when the block ends; ``compression`` is gzip, bzip2, xz, zstd or None."""
    with path.open("xb") as file:
        packed = PackedFile(file, path, compression)
        yield packed
        packed.finish()


class _Compressor(Protocol):
    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview: ...

    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        return data

    def flush(self) -> bytes:
        return b""


def _gzip() -> _Compressor:
    import zlib

    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)


def _bzip2() -> _Compressor:
    import bz2

    return bz2.BZ2Compressor()


def _xz() -> _Compressor:
    import lzma

    return lzma.LZMACompressor(lzma.FORMAT_XZ)


def _zstd() -> _Compressor:
    import zstandard

    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()


_COMPRESSORS: Mapping[str | None, Callable[[], _Compressor]] = {
    None: _Plain,
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}
