"""Which mappings to look at: by protection, by kind, by range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint.memory.address_space import AddressSpace
from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.vma import Vma, VmaKind
from dyncrit.errors import DyncritError
from dyncrit.explore.selection import select

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT, DATA, HEAP, NONE, STACK = ((start, start + 0x1000) for start in range(0x1000, 0x6000, 0x1000))
EVERYTHING = [TEXT, DATA, HEAP, NONE, STACK]


class Nothing(Layer):
    """Memory that a dump says nothing of."""

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        yield Piece(start, end, State.HOLE)


def vma(span: tuple[int, int], protection: int, kind: VmaKind) -> Vma:
    return Vma(*span, protection, flags=0x22, status=0, offset=0, shmid=0, kind=kind)


@pytest.fixture
def space() -> AddressSpace:
    """Five mappings, one beside the other."""
    nothing = Nothing()
    vmas = [
        vma(TEXT, 5, VmaKind.FILE),
        vma(DATA, 3, VmaKind.FILE),
        vma(HEAP, 3, VmaKind.HEAP),
        vma(NONE, 0, VmaKind.ANONYMOUS),
        vma(STACK, 7, VmaKind.STACK),
    ]
    return AddressSpace(vmas, nothing, lambda _: nothing, 4096)


def test_all_is_chosen_if_nothing_is_asked_for(space: AddressSpace) -> None:
    assert select(space) == EVERYTHING


@pytest.mark.parametrize(
    ("protection", "chosen"),
    [
        ("r", [TEXT, DATA, HEAP, STACK]),
        ("w", [DATA, HEAP, STACK]),
        ("x", [TEXT, STACK]),
        ("rw", [DATA, HEAP, STACK]),
        ("wr", [DATA, HEAP, STACK]),
        ("rwx", [STACK]),
        ("?-?", [TEXT, NONE]),
        ("rw-", [DATA, HEAP]),
        ("r-x", [TEXT]),
        ("---", [NONE]),
        ("-w-", []),
    ],
)
def test_protection_is_as_in_maps_or_letters_that_must_be_there(
    space: AddressSpace, protection: str, chosen: list[tuple[int, int]]
) -> None:
    assert select(space, protection=protection) == chosen


@pytest.mark.parametrize("protection", ["q", "R", "rwz", "r w", "1", "p", "rw-x", "-w", "x-r"])
def test_other_letters_are_an_error_that_says_what_is_expected(space: AddressSpace, protection: str) -> None:
    with pytest.raises(DyncritError, match="expected three letters as in maps") as caught:
        select(space, protection=protection)
    assert repr(protection) in str(caught.value)


def test_kinds_are_alternatives(space: AddressSpace) -> None:
    assert select(space, kinds=[VmaKind.FILE]) == [TEXT, DATA]
    assert select(space, kinds=[VmaKind.HEAP, VmaKind.STACK]) == [HEAP, STACK]
    assert select(space, kinds=[VmaKind.MEMFD]) == []


@pytest.mark.parametrize(
    ("ranges", "chosen"),
    [
        ([(0, 1 << 64)], EVERYTHING),
        ([(0, 0x1000)], []),
        ([(0x6000, 1 << 64)], []),
        ([(0x1000, 0x1001)], [(0x1000, 0x1001)]),
        ([(0x1FFF, 0x2001)], [(0x1FFF, 0x2000), (0x2000, 0x2001)]),
        ([(0x5100, 0x5200), (0x1100, 0x1200)], [(0x1100, 0x1200), (0x5100, 0x5200)]),
    ],
)
def test_ranges_cut_mappings_and_come_in_order(
    space: AddressSpace, ranges: list[tuple[int, int]], chosen: list[tuple[int, int]]
) -> None:
    assert select(space, ranges=ranges) == chosen


def test_all_that_is_asked_for_must_fit(space: AddressSpace) -> None:
    chosen = select(space, protection="w", kinds=[VmaKind.FILE, VmaKind.STACK], ranges=[(0, 0x2800)])
    assert chosen == [(0x2000, 0x2800)]


def test_ranges_that_overlap_choose_each_byte_once(space: AddressSpace) -> None:
    chosen = select(space, ranges=[(0x1000, 0x1800), (0x1400, 0x1900), (0x1000, 0x1800)])
    covered = [address for start, end in chosen for address in range(start, end)]
    assert covered == list(range(0x1000, 0x1900))
