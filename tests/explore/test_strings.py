"""Text in memory: what strings(1) lists."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.errors import DyncritError
from dyncrit.explore.strings import LONGEST_STRING, strings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = 0x1000


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.data)[offset : offset + size]


class Memory(Layer):
    """Bytes from BASE on, in pieces of ``size`` that stand in files of their own."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        for at in range(0, min(len(self.data), end - BASE), self.size):
            part = self.data[at : at + self.size]
            yield Piece(BASE + at, BASE + at + len(part), State.DATA, Bytes(part))


def listed(data: bytes, size: int = 1 << 30, **options: object) -> list[tuple[int, str]]:
    found = strings(Memory(data, size), [(BASE, BASE + len(data))], **options)  # type: ignore[arg-type]
    return [(address - BASE, text) for address, text in found]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_runs_of_printable_characters_are_listed_across_pieces(size: int) -> None:
    data = b"\0one\0three\tfour\0\x01five!\x7fsi\nseven"
    assert listed(data, size) == [(5, "three\tfour"), (17, "five!"), (26, "seven")]
    assert listed(data, size, minimum=2)[0] == (1, "one")
    assert listed(data, size, minimum=6) == [(5, "three\tfour")]


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("utf-8", b"\xff" + "größe €10 😀".encode() + b"\xc3\0", [(1, "größe €10 😀")]),
        ("utf-8", b"ab\xc2\x85cd\xed\xa0\x80ef\xf5gh\xe0\x80\x80", []),
        ("utf-8", "äöüß".encode(), [(0, "äöüß")]),
        ("ascii", "größe1 xyz".encode(), [(6, "e1 xyz")]),
        ("latin-1", b"\x80gr\xf6\xdfe\x9f", [(1, "größe")]),
        ("utf-16le", b"\0" + "größe".encode("utf-16le") + b"ab", [(1, "größe")]),
        ("utf-16le", b"plain text", []),
    ],
)  # fmt: skip
def test_encodings(encoding: str, data: bytes, expected: list[tuple[int, str]]) -> None:
    for size in (1, 2, 1000):
        assert [(at, text) for at, text in listed(data, size, encoding=encoding)] == expected


@pytest.mark.parametrize("size", [1 << 30, 3 << 20, 100_003])
@pytest.mark.parametrize(("encoding", "character"), [("ascii", "a"), ("utf-8", "€"), ("utf-16le", "ä")])
def test_a_string_of_any_length_is_given_whole_in_pieces(size: int, encoding: str, character: str) -> None:
    length = 20 * LONGEST_STRING // len(character.encode(encoding)) + 3
    data = b"\0" + (character * length).encode(encoding) + b"\0\0"
    found = listed(data, size, encoding=encoding)
    assert all(len(text) == LONGEST_STRING for _, text in found[:-1])
    assert sum(len(text) for _, text in found) == length
    expected = 1
    for address, text in found:
        assert address == expected
        expected += len(text.encode(encoding))


@pytest.mark.parametrize("options", [{"encoding": "ebcdic"}, {"minimum": 0}, {"minimum": 4097}])
def test_options_out_of_bounds_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(DyncritError, match="strings"):
        strings(Memory(b"", 1), [], **options)  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("strings") is None, reason="strings(1) is not installed")
@pytest.mark.parametrize(("encoding", "option"), [("ascii", "s"), ("utf-16le", "l")])
def test_the_list_is_that_of_strings(tmp_path: Path, encoding: str, option: str) -> None:
    import random

    rng = random.Random(3)
    data = b"".join(
        rng.choice([rng.randbytes(5), b"some text", "wide text".encode("utf-16le"), bytes(3)])
        for _ in range(3000)
    )
    if encoding == "utf-16le":  # ours knows Latin-1 too
        data = bytes(byte & 0x7F for byte in data)
    path = tmp_path / "data"
    path.write_bytes(data)
    output = subprocess.run(
        ["strings", "-a", "-td", "-e", option, path], capture_output=True, check=True, text=True
    ).stdout
    expected = [(int(line[:7]), line[8:]) for line in output.splitlines()]
    ours = listed(data, 4096, encoding=encoding)
    assert len(expected) > 100
    assert ours == expected
