from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.pagemap import Run
from dyncrit.checkpoint.memory.spaces import told_page_size
from dyncrit.explore.views.mappings import SegmentNumbers, resident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096


class Range(NamedTuple):
    start: int
    end: int


class Counted(Sequence[Range]):
    """Mappings that count how often one of them is looked at."""

    def __init__(self, ranges: list[Range]) -> None:
        self._ranges = ranges
        self.looks = 0

    @overload
    def __getitem__(self, index: int) -> Range: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Range]: ...
    def __getitem__(self, index: int | slice) -> Range | Sequence[Range]:
        self.looks += 1
        return self._ranges[index]

    def __len__(self) -> int:
        return len(self._ranges)


def mappings(count: int, pages: int = 4) -> list[Range]:
    """Mappings with a gap of a page behind each."""
    return [Range(at * (pages + 1) * PAGE, (at * (pages + 1) + pages) * PAGE) for at in range(count)]


def test_entries_know_the_mappings_that_they_lie_in() -> None:
    vmas = [Range(0x1000, 0x3000), Range(0x3000, 0x5000), Range(0x9000, 0xA000)]
    runs = [Run(0x1000, 1, 4), Run(0x2000, 2, 4), Run(0x4000, 1, 4), Run(0x6000, 1, 4), Run(0x9000, 9, 4)]
    found = list(resident(runs, vmas, PAGE))  # type: ignore[arg-type]  # all that counts of a vma_entry
    assert [(entry.start, entry.vmas, entry.continued) for entry in found] == [
        (0x1000, (vmas[0],), False),
        (0x2000, (vmas[0], vmas[1]), True),
        (0x4000, (vmas[1],), True),
        (0x6000, (), False),
        (0x9000, (vmas[2],), False),
    ]


@pytest.mark.parametrize("count", [100, 1000])
def test_the_work_grows_with_entries_and_mappings_not_with_their_product(count: int) -> None:
    vmas = Counted(mappings(count))
    runs = [Run(vma.start + page * PAGE, 1, 4) for vma in mappings(count) for page in range(4)]
    assert sum(1 for _ in resident(runs, vmas, PAGE)) == 4 * count  # type: ignore[arg-type]
    assert vmas.looks <= 4 * (len(runs) + count)


def test_entries_that_overlap_without_end_take_no_longer() -> None:
    vmas = Counted(mappings(1000))
    runs = [Run(0, 1 << 40, 4)] * 1000
    found = list(resident(runs, vmas, PAGE))  # type: ignore[arg-type]
    assert sum(len(entry.vmas) for entry in found) <= len(runs) + 1000
    assert vmas.looks <= 4 * (len(runs) + 1000)


def test_entries_are_given_while_they_are_read() -> None:
    taken = 0

    def runs() -> Iterator[Run]:
        nonlocal taken
        for page in range(1000):
            taken += 1
            yield Run(page * PAGE, 1, 4)

    entries = resident(runs(), mappings(10), PAGE)  # type: ignore[arg-type]
    next(entries)
    assert taken == 1


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), max_size=12),
)
def test_every_entry_in_order_gets_exactly_the_mappings_that_it_touches(
    entries: list[tuple[int, int]], sizes: list[tuple[int, int]]
) -> None:
    vmas, at = [], 0
    for gap, pages in sizes:
        vmas.append(Range((at + gap) * PAGE, (at + gap + pages) * PAGE))
        at += gap + pages
    runs, end = [], 0
    for start, count in sorted(entries):
        if start >= end:
            runs.append(Run(start * PAGE, count, 4))
            end = start + count
    for run, found in zip(runs, resident(runs, vmas, PAGE), strict=True):  # type: ignore[arg-type]
        last = run.start + run.pages * PAGE
        assert list(found.vmas) == [vma for vma in vmas if vma.start < last and run.start < vma.end]


def test_segments_are_numbered_as_they_are_met() -> None:
    numbers = SegmentNumbers(1)
    assert [numbers[shmid] for shmid in (77, 5, 77, 9)] == [1, 2, 1, 3]


def test_the_page_size_is_the_one_in_the_auxiliary_vector(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        assert told_page_size(checkpoint.processes[9834].mm) == 4096
        assert told_page_size(checkpoint.processes[9839].mm) is None  # a zombie, which has no memory
