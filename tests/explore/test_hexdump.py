"""Bytes as people read them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.errors import DyncritError
from dyncrit.explore.hexdump import buffers, escape, hexdump

DATA = bytes(range(256)) + b"some more"


def test_lines_look_as_xxd_prints_them() -> None:
    assert list(hexdump([b"hello world, this ", b"\0\1\xff\\ end"], 0x7F1234567890)) == [
        "7f1234567890: 6865 6c6c 6f20 776f 726c 642c 2074 6869  hello world, thi",
        "7f12345678a0: 7320 0001 ff5c 2065 6e64                 s ...\\ end",
    ]
    assert list(hexdump([b"hi"], 0x10)) == ["00000010: 6869                                     hi"]
    assert list(hexdump([], 0)) == []


@pytest.mark.skipif(shutil.which("xxd") is None, reason="xxd is not installed")
@pytest.mark.parametrize("address", [0, 0x12345, 0xFFFFFFF0, 0x7FFF12345678, 0xFFFFFFFFFF600000])
@pytest.mark.parametrize("width", [1, 2, 5, 16, 32, 256])
def test_lines_are_those_of_xxd(address: int, width: int) -> None:
    command = ["xxd", "-o", hex(address), "-c", str(width)]
    expected = subprocess.run(command, input=DATA, capture_output=True, check=True).stdout.decode()
    assert list(hexdump([DATA], address, width=width)) == expected.splitlines()


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 40))
def test_pieces_do_not_show(pieces: list[bytes], width: int) -> None:
    whole = list(hexdump([b"".join(pieces)], 0x1000, width=width))
    assert list(hexdump(map(memoryview, pieces), 0x1000, width=width)) == whole


@pytest.mark.parametrize("width", [0, -1, 257])
def test_widths_that_xxd_does_not_have_are_refused(width: int) -> None:
    with pytest.raises(DyncritError, match="bytes a line"):
        hexdump([b""], 0, width=width)


def test_pieces_of_any_size_are_given_in_small_parts() -> None:
    class Pages:
        def view(self, offset: int, size: int) -> memoryview:
            return memoryview(bytes([offset >> 16]) * size)

    data = Piece(0x1000, 0x1000 + 150_000, State.DATA, Pages(), 65_536)  # type: ignore[arg-type]
    parts = list(buffers([data, Piece(data.end, data.end + (1 << 17), State.ZERO)]))
    assert [len(part) for part in parts] == [65_536, 65_536, 18_928, 65_536, 65_536]
    assert [part[0] for part in parts] == [1, 2, 3, 0, 0]
    endless = buffers([Piece(0, 1 << 60, State.ZERO)])
    assert next(hexdump(endless, 0)) == "00000000: " + "0000 " * 8 + " ................"


@given(st.binary(max_size=50))
def test_what_is_escaped_can_be_told_back(data: bytes) -> None:
    text = escape(data)
    assert text.isascii()
    assert text.isprintable() or not text
    assert text.encode().decode("unicode_escape").encode("latin-1") == data


def test_escapes_are_two_hex_digits() -> None:
    assert escape(b'a"\\b\n\t\x7f\xff ') == 'a"\\\\b\\x0a\\x09\\x7f\\xff '
