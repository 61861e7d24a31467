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
    seen = set(first.cells(words)) if first is not None else set()
    for cell in sorted(cell for cells in words.pointers(anchors).values() for cell in cells):
        if cell not in seen:
            array = _around(words, cell, anchors)
            seen.update(array.cells(words))
            found.append(array)
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
    array = _from(words, start)
    return None if array is None else EnvironmentArray(start, array, is_first=True)


def _around(words: Words, cell: int, anchors: set[int]) -> EnvironmentArray:
    """The array that a pointer is in; without entries if it is in none."""
    entries = _from(words, cell)
    if entries is None:
        return EnvironmentArray(cell, [])
    before: list[int] = []
    start = cell
    while len(before) < _MOST_ENTRIES:
        value = words.at(start - words.size)
        if not value or not (value in anchors or _is_variable(words, value)):
            break
        before.append(value)
        start -= words.size
    return EnvironmentArray(start, before[::-1] + entries)


def _from(words: Words, start: int) -> list[int] | None:
    """The entries from an address on up to a null pointer; None where anything else stands between."""
    entries: list[int] = []
    while len(entries) < _MOST_ENTRIES:
        value = words.at(start + len(entries) * words.size)
        if value == 0:
            return entries
        if value is None or not (words.string(value) or words.is_in_file(value)):
            return None
        entries.append(value)
    return None


def _is_variable(words: Words, address: int) -> bool:
    text = words.string(address)
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
