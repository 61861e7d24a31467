"""Which of a process's mappings to look at: by protection, by kind, by range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.memory.vma import Vma, VmaKind

_BITS = {"r": 1, "w": 2, "x": 4}


def select(
    space: AddressSpace,
    *,
    protection: str = "",
    kinds: Collection[VmaKind] = (),
    ranges: Sequence[tuple[int, int]] = (),
) -> list[tuple[int, int]]:
    """The ranges of memory (ends exclusive, in order) in mappings that fit all that is asked for.

    ``protection`` has letters that a mapping must have (``"rw"``), and ``-`` before those that it must not
    (``"rw-x"``). Adjoining ranges are left apart. Raises DyncritError for other letters.
    """
    wanted, unwanted = _parse_protection(protection)
    chosen: list[tuple[int, int]] = []
    for vma in space.vmas:
        fits = vma.protection & wanted == wanted and not vma.protection & unwanted
        if fits and (not kinds or vma.kind in kinds):
            chosen += _within(vma, ranges)
    return sorted(chosen)


def _within(vma: Vma, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in ranges or ((vma.start, vma.end),):
        first, last = max(start, vma.start), min(end, vma.end)
        if first < last:
            yield first, last


def _parse_protection(text: str) -> tuple[int, int]:
    wanted = unwanted = 0
    negative = False
    for letter in text:
        if letter == "-":
            negative = True
            continue
        if letter not in _BITS:
            raise DyncritError(
                f"protection {text!r}: expected letters of rwx, and - before one that must not be"
            )
        if negative:
            unwanted |= _BITS[letter]
        else:
            wanted |= _BITS[letter]
        negative = False
    return wanted, unwanted
