from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

import pytest

from dyncrit.codec.source import PIECE_SIZE, Extent, Source, seekable
from dyncrit.errors import ImageError


def pipe_with(data: bytes) -> BinaryIO:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return os.fdopen(reader, "rb")


def test_reads_are_cut_at_the_end_of_the_file() -> None:
    source = Source(io.BytesIO(b"abcdef"), "name")
    assert (source.name, source.size) == ("name", 6)
    assert source.read(4, 10) == b"ef"
    assert source.read(6, 1) == b""
    assert source.read(100, 1) == b""
    assert source.read(2, 0) == b""
    assert source.read(0, 2**40) == b"abcdef"


def test_exact_reads_say_what_is_missing() -> None:
    source = Source(io.BytesIO(b"abcdef"), "name")
    assert source.exactly(2, 4, "record") == b"cdef"
    with pytest.raises(ImageError, match="record of 5 bytes, 4 left in the file"):
        source.exactly(2, 5, "record")
    with pytest.raises(ImageError, match="payload of 1 bytes, 0 left in the file"):
        source.require(9, 1, "payload")


def test_a_length_without_bounds_takes_no_memory() -> None:
    with pytest.raises(ImageError, match="payload of 9223372036854775808 bytes"):
        Source(io.BytesIO(b"abc"), "name").exactly(0, 2**63, "payload")


def test_a_file_that_shrinks_while_it_is_read_is_an_error() -> None:
    file = io.BytesIO(b"abcdef")
    source = Source(file, "name")
    file.truncate(3)
    with pytest.raises(ImageError, match="cut while it was read"):
        source.exactly(0, 6, "record")


def test_a_pipe_is_copied() -> None:
    with pipe_with(b"abcdef") as pipe:
        source = Source(pipe, "pipe")
        assert source.size == 6
        assert source.read(3, 3) == b"def"
        assert source.read(0, 3) == b"abc"


def test_a_file_that_can_seek_is_taken_as_it_is() -> None:
    file = io.BytesIO(b"x")
    assert seekable(file) is file


def test_an_extent_is_read_in_pieces() -> None:
    data = os.urandom(2 * PIECE_SIZE + 10)
    extent = Extent(Source(io.BytesIO(b"ab" + data + b"cd"), "name"), 2, len(data))
    assert [len(piece) for piece in extent.pieces()] == [PIECE_SIZE, PIECE_SIZE, 10]
    assert bytes(extent) == data
    assert extent.size == len(data)


def test_an_empty_extent_has_no_pieces() -> None:
    extent: Any = Extent(Source(io.BytesIO(b""), "name"), 0, 0)
    assert list(extent.pieces()) == []
