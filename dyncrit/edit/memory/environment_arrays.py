"""Finds the arrays of pointers that a process's environment is in: what its ``environ`` points to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.vma import VmaKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.processes import Process
    from dyncrit.edit.memory.words import Words

_MOST_ENTRIES = 1 << 20
_MOST_PLACES = 256
_VARIABLE = re.compile(rb"[^=\0-\x20]+=")


@dataclass(slots=True)
class EnvironmentArray:
    """An array of pointers to ``NAME=VALUE`` strings that ends with a null pointer.

    ``entries`` are the addresses of the strings, and ``pointers`` tells where pointers to its start stand:
    the ``environ`` of a libc, arguments of functions. ``is_first`` says that the kernel made it.
    """

    start: int
    entries: list[int]
    is_first: bool = False
    pointers: list[int] = field(default_factory=list)

    def cells(self, words: Words) -> range:
        """Where its pointers stand."""
        return range(self.start, self.start + len(self.entries) * words.size, words.size)


def find_arrays(
    words: Words, process: Process, name: bytes, strings: Iterable[int]
) -> list[EnvironmentArray]:
    """The arrays that hold an environment: the kernel's, and all others that anything points to.

    They are found by pointers to ``strings``, which are addresses, to the strings of the kernel's array, and
    to any that begin with ``name`` and ``=``.
    """
    first = _first(words, process)
    anchors = {*strings, *(first.entries if first is not None else ())}
    anchors.update(islice(words.places(name + b"="), _MOST_PLACES))
    found = [] if first is None else [first]
    searched = 0
    seen = set(first.cells(words)) if first is not None else set()
    for cell in sorted(cell for cells in words.pointers(anchors).values() for cell in cells):
        if cell in seen or cell < searched:
            continue
        entries, is_ended = _from(words, cell)
        if is_ended:
            found.append(_extended(words, EnvironmentArray(cell, entries), anchors))
            seen.update(found[-1].cells(words))
        else:
            searched = cell + len(entries) * words.size  # from nowhere between is the end another
    return list(_pointed_to(words, found))


def _first(words: Words, process: Process) -> EnvironmentArray | None:
    """The array that the kernel made: behind the number of arguments and these, where the stack began."""
    mm = process.mm
    count = None if mm is None else words.at(mm.mm_start_stack)
    if mm is None or count is None or count > _MOST_ENTRIES:
        return None
    start = mm.mm_start_stack + words.size * (count + 2)
    if words.at(start - words.size) != 0:
        return None
    entries, is_ended = _from(words, start)
    return EnvironmentArray(start, entries, is_first=True) if is_ended else None


def _extended(words: Words, array: EnvironmentArray, anchors: set[int]) -> EnvironmentArray:
    """An array with those entries, too, that stand before the one at which it was found."""
    before: list[int] = []
    start = array.start
    while len(before) < _MOST_ENTRIES:
        value = words.at(start - words.size)
        if not value or not (value in anchors or _is_variable(words, value)):
            break
        before.append(value)
        start -= words.size
    return EnvironmentArray(start, before[::-1] + array.entries)


def _from(words: Words, start: int) -> tuple[list[int], bool]:
    """The pointers to strings from an address on, and whether a null pointer ends them."""
    entries: list[int] = []
    while len(entries) < _MOST_ENTRIES:
        value = words.at(start + len(entries) * words.size)
        if value == 0:
            return entries, True
        if value is None or not (words.head(value, 1) or words.is_in_file(value)):
            break
        entries.append(value)
    return entries, False


def _is_variable(words: Words, address: int) -> bool:
    text = words.head(address)
    return text is not None and _VARIABLE.match(text) is not None


def _pointed_to(words: Words, arrays: list[EnvironmentArray]) -> Iterator[EnvironmentArray]:
    """The kernel's array, and those that something points to, from there on."""
    pointers = words.pointers(
        cell for array in arrays for cell in (array.cells(words) if not array.is_first else [array.start])
    )
    for array in arrays:
        start = next((cell for cell in array.cells(words) if cell in pointers), None)
        if array.is_first:
            array.pointers = pointers.get(array.start, [])
            yield array
        elif start is not None:
            skipped = (start - array.start) // words.size
            yield EnvironmentArray(start, array.entries[skipped:], pointers=pointers[start])


def outside_of_stacks(words: Words, cells: Iterable[int]) -> list[int]:
    """Those of some places that aren't on the stack of the main thread."""
    areas = ((cell, words.area(cell)) for cell in cells)
    return [cell for cell, vma in areas if vma is not None and vma.kind is not VmaKind.STACK]
