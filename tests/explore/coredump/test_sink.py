from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from dyncrit.explore.coredump.sink import Sink

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = b"head" + bytes(3 << 20) + b"middle" + bytes(5)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


def fill(sink: Sink) -> None:
    sink.write(b"head")
    sink.zeros(3 << 20)
    sink.write(memoryview(b"middle"))
    sink.zeros(5)
    sink.finish()
    assert sink.position == len(EXPECTED)


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_zeros_are_skipped_or_written_to_the_same_end(kind: type[io.BytesIO]) -> None:
    file = kind()
    fill(Sink(file))
    assert file.getvalue() == EXPECTED


def test_a_file_gets_holes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        fill(Sink(file))
    assert path.read_bytes() == EXPECTED
    assert path.stat().st_blocks * 512 < 1 << 20


def test_a_file_that_is_appended_to_gets_zeros(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with path.open("ab") as file:
        fill(Sink(file))
    assert path.read_bytes() == b"before" + EXPECTED


def test_what_stands_before_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"before")
        fill(Sink(file))
    assert path.read_bytes() == b"before" + EXPECTED
