"""Which of a process's mappings to look at: by protection, by kind, by range."""

from __future__ import annotations

import re
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

    ``protection`` is as in /proc/PID/maps, ``"r-x"`` for what may be read and executed but not written, with
    ``?`` where it doesn't matter; or just the letters that there must be, ``"rw"``. Ranges of neighbouring
    mappings are left apart. Raises DyncritError for any other protection.
    """
    wanted, unwanted = _parse_protection(protection)
    merged = _merged(ranges)
    chosen: list[tuple[int, int]] = []
    for vma in space.vmas:
        fits = vma.protection & wanted == wanted and not vma.protection & unwanted
        if fits and (not kinds or vma.kind in kinds):
            chosen += _within(vma, merged)
    return sorted(chosen)


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _within(vma: Vma, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in ranges or ((vma.start, vma.end),):
        first, last = max(start, vma.start), min(end, vma.end)
        if first < last:
            yield first, last


def _parse_protection(text: str) -> tuple[int, int]:
    """The bits that there must be, and those that there must not."""
    if re.fullmatch("[r?-][w?-][x?-]", text):
        unwanted = sum(bit for bit, letter in zip(_BITS.values(), text, strict=True) if letter == "-")
    elif re.fullmatch("[rwx]*", text):
        unwanted = 0
    else:
        raise DyncritError(f"protection {text!r}: expected three letters as in maps (r-x, rw?), or of rwx")
    return sum(bit for letter, bit in _BITS.items() if letter in text), unwanted
