"""Memory as a file: ranges one after the other, holes for zeros and for what is not in the dump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.explore.memory_dump import DumpedRange, dump_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE = 4096


class Pages:
    """A pages file of numbered pages."""

    def __init__(self, size: int) -> None:
        self.data = b"".join(bytes([1 + number % 255]) * PAGE for number in range(size // PAGE))

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.data)[offset : offset + size]


class Memory(Layer):
    """Pages from address 0 on, a state for each."""

    def __init__(self, states: Sequence[State]) -> None:
        self.states = states
        self.pages = Pages(len(states) * PAGE)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        while start < end:
            stop = min(end, (start // PAGE + 1) * PAGE)
            state = self.states[start // PAGE]
            yield Piece(start, stop, state, self.pages if state is State.DATA else None, start)  # type: ignore[arg-type]
            start = stop


MEMORY = Memory([State.DATA, State.ZERO, State.MISSING, State.DATA, State.HOLE, State.DATA])


def written(path: Path, ranges: Sequence[tuple[int, int]]) -> list[DumpedRange]:
    with path.open("wb") as file:
        return dump_ranges(MEMORY, ranges, file)


def test_ranges_stand_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    found = written(path, [(0, 2 * PAGE), (2 * PAGE, 4 * PAGE), (4 * PAGE, 6 * PAGE)])
    assert found == [
        DumpedRange(0, 2 * PAGE, 0, PAGE, 0, 0),
        DumpedRange(2 * PAGE, 4 * PAGE, 2 * PAGE, PAGE, PAGE, 0),
        DumpedRange(4 * PAGE, 6 * PAGE, 4 * PAGE, PAGE, PAGE, 0),
    ]
    one, four, six = (bytes([number]) * PAGE for number in (1, 4, 6))
    assert path.read_bytes() == one + bytes(2 * PAGE) + four + bytes(PAGE) + six


def test_ranges_may_begin_and_end_within_pages(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    found = written(path, [(5 * PAGE - 3, 5 * PAGE + 2), (PAGE - 2, PAGE + 1), (10, 10)])
    assert [(item.offset, item.held, item.missing) for item in found] == [(0, 2, 3), (5, 2, 0), (8, 0, 0)]
    assert path.read_bytes() == b"\0\0\0\6\6\1\1\0"


def test_a_file_may_end_with_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    written(path, [(0, 3 * PAGE)])
    assert path.stat().st_size == 3 * PAGE
    written(path, [(PAGE, 3 * PAGE)])
    assert path.read_bytes() == bytes(2 * PAGE)
    assert path.stat().st_blocks == 0


def test_nothing_is_an_empty_file(tmp_path: Path) -> None:
    assert written(tmp_path / "memory", []) == []
    assert (tmp_path / "memory").read_bytes() == b""


def test_progress_counts_every_byte_that_is_written(tmp_path: Path) -> None:
    steps: list[int] = []
    with (tmp_path / "memory").open("wb") as file:
        dump_ranges(MEMORY, [(0, 6 * PAGE)], file, steps.append)
    assert sum(steps) == 3 * PAGE


def test_long_pieces_are_written_in_steps(tmp_path: Path) -> None:
    class Long(Memory):
        def pieces(self, start: int, end: int) -> Iterator[Piece]:
            yield Piece(start, end, State.DATA, self.pages, start)  # type: ignore[arg-type]

    memory, steps = Long([State.DATA] * 600), list[int]()
    with (tmp_path / "memory").open("wb") as file:
        (item,) = dump_ranges(memory, [(0, 600 * PAGE)], file, steps.append)
    assert (item.held, sum(steps), len(steps) > 1) == (600 * PAGE, 600 * PAGE, True)
    assert (tmp_path / "memory").read_bytes() == memory.pages.data


def test_a_range_as_a_document_has_addresses_in_hex() -> None:
    assert DumpedRange(0x7F00_0000_1000, 0x7F00_0000_3000, 5, 4096, 1, 2).to_dict() == {
        "start": "7f0000001000",
        "end": "7f0000003000",
        "offset": 5,
        "held": 4096,
        "missing": 1,
        "lost": 2,
    }


@pytest.mark.parametrize("pid", [9834, 9838, 9840])
def test_a_processs_memory_is_that_of_its_address_space(data: Path, tmp_path: Path, pid: int) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        space = checkpoint.processes[pid].memory
        ranges = [(vma.start, vma.end) for vma in space.vmas if space.resident_of(vma)]
        with (tmp_path / "memory").open("wb") as file:
            found = dump_ranges(space, ranges, file)
        content = (tmp_path / "memory").read_bytes()
        assert sum(item.held for item in found) == sum(map(space.resident_of, space.vmas))
        for item in found:
            for piece in space.pieces(item.start, item.end):
                place = item.offset + piece.start - item.start
                part = content[place : place + piece.size]
                assert part == (bytes(piece.view()) if piece.state is State.DATA else bytes(piece.size))
