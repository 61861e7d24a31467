from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.storage.compression import Limits, compression_of, unpack
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
TEXT = b"the quick brown fox jumps over the lazy dog. " * 4000 + os.urandom(3000)


def unpacked(data: bytes, limits: Limits | None = None) -> bytes:
    with unpack(memoryview(data), limits or Limits(), "x") as file:
        file.seek(0)
        return file.read()


every_compression = pytest.mark.parametrize("name", PACK)


@every_compression
def test_compression_is_told_by_content_and_undone(name: str) -> None:
    packed = PACK[name](TEXT)
    assert compression_of(memoryview(packed)) == name
    assert unpacked(packed) == TEXT


def test_plain_data_is_told_too() -> None:
    assert compression_of(memoryview(b"")) is None
    assert compression_of(memoryview(b"checkpoint/")) is None
    with pytest.raises(ImageError, match="x: neither gzip"):
        unpacked(b"plain")


@every_compression
def test_streams_one_behind_the_other_are_one_file(name: str) -> None:
    assert unpacked(PACK[name](b"a" * 70_000) + PACK[name](b"") + PACK[name](TEXT)) == b"a" * 70_000 + TEXT


@every_compression
def test_many_small_streams_are_one_file(name: str) -> None:
    assert unpacked(b"".join(PACK[name](bytes([n % 256])) for n in range(2000))) == bytes(
        n % 256 for n in range(2000)
    )


@every_compression
def test_zeros_behind_the_end_are_padding(name: str) -> None:
    assert unpacked(PACK[name](TEXT) + bytes(10_240)) == TEXT


@every_compression
def test_garbage_behind_the_end_is_an_error(name: str) -> None:
    with pytest.raises(
        ImageError, match=f"20 bytes at byte .*, behind the end of the {name} data, are no {name}"
    ):
        unpacked(PACK[name](TEXT) + b"garbage and so forth")


@every_compression
def test_skipped_zstd_frames_and_empty_files(name: str) -> None:
    assert unpacked(PACK[name](b"")) == b""


def test_zstd_may_begin_and_end_with_a_skippable_frame() -> None:
    skippable = bytes.fromhex("5a2a4d18") + (5).to_bytes(4, "little") + b"hello"
    packed = skippable + PACK["zstd"](TEXT) + skippable
    assert compression_of(memoryview(packed)) == "zstd"
    assert unpacked(packed) == TEXT


@every_compression
def test_data_cut_off_anywhere_is_an_error(name: str) -> None:
    packed = PACK[name](TEXT)
    for end in [*range(6, 60), *range(60, len(packed), 97), len(packed) - 1]:
        with pytest.raises(ImageError, match=r"^x: (the \w+ data is cut off after|damaged)"):
            unpacked(packed[:end])


@every_compression
def test_damaged_data_is_an_error_that_tells_where(name: str) -> None:
    packed = bytearray(PACK[name](TEXT))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(ImageError, match=f"damaged {name} data near byte"):
        unpacked(bytes(packed))


@every_compression
def test_more_than_the_allowed_total_is_refused(name: str) -> None:
    packed = PACK[name](TEXT)
    assert len(unpacked(packed, Limits(max_total=len(TEXT)))) == len(TEXT)
    with pytest.raises(ImageError, match=rf"more than {len(TEXT) - 1} bytes come out.*--max-size raises it"):
        unpacked(packed, Limits(max_total=len(TEXT) - 1))


@every_compression
def test_a_bomb_is_refused(name: str) -> None:
    bomb = PACK[name](bytes(80 << 20))
    with pytest.raises(ImageError, match=r"more than 200 times its \d+ bytes.*--max-ratio"):
        unpacked(bomb)
    with unpack(memoryview(bomb), Limits(max_ratio=10**9), "x") as file:
        assert file.tell() == 80 << 20


def test_the_ratio_counts_only_above_64_mib() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with unpack(memoryview(bomb), Limits(max_ratio=1), "x") as file:
        assert file.tell() == 64 << 20


def test_a_zstd_window_of_gigabytes_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(ImageError, match=r"damaged zstd data near byte 0: .*memory"):
        unpacked(stream.compress(TEXT) + stream.flush())


def test_a_full_disk_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(DyncritError, match=r"x: can't be unpacked.*No space left on device; TMPDIR names"):
        unpacked(gzip.compress(TEXT))


def test_a_missing_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(DyncritError, match="TMPDIR names a folder"):
        unpacked(gzip.compress(TEXT))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with unpack(memoryview(gzip.compress(TEXT)), Limits(), "x"):
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImageError):
        unpacked(gzip.compress(TEXT)[:-4])
    assert list(tmp_path.iterdir()) == []


@given(
    name=st.sampled_from(sorted(PACK)),
    changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_mutated_data_gives_nothing_but_our_errors(name: str, changes: list[tuple[int, int]]) -> None:
    packed = bytearray(PACK[name](TEXT[:5000]))
    for place, value in changes:
        packed[place % len(packed)] = value
    with suppress(DyncritError):
        assert len(unpacked(bytes(packed), Limits(max_total=1 << 20))) <= 1 << 20
