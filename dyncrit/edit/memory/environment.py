"""Sets variables in the environment of a process that was dumped, and takes them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.edit.memory.environment_arrays import find_arrays, outside_of_stacks
from dyncrit.edit.memory.environment_block import is_overwritten, read_block
from dyncrit.edit.memory.heap import array_room, chunk_header
from dyncrit.edit.memory.pagemap import Write
from dyncrit.edit.memory.room import add_mapping, find_room
from dyncrit.edit.memory.words import LONGEST_STRING, Words
from dyncrit.edit.memory.writing import RULES, touched, write_all
from dyncrit.edit.requirements import require
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.processes import Process
    from dyncrit.edit.memory.environment_arrays import EnvironmentArray
    from dyncrit.entry import Entry

_SPARE_WORDS = 64
"""How many words more than it holds an array gets room for: the next variables need no new one."""


@whole
def set_environment(edit: Edit, pid: int, name: str, value: str | None) -> list[Touched]:
    """Give a variable of a process's environment another value, or, if that is None, take the variable out.

    Both ``getenv()`` in the restored program and its ``/proc/PID/environ`` show the change. A value that
    isn't longer takes the place of the old one. For what is longer or new a mapping is made, which holds the
    strings and, for a new variable, a longer array; what pointed to the old one points there. What a program
    made of its environment when it started (a dictionary, the variables of a shell) isn't changed: it can't
    be known. Nothing is touched where all is that way already.

    Raises DyncritError for what is no name or value and where the environment isn't in the images,
    what :func:`write_memory` raises, and what :func:`require` raises.
    """
    variable, new = _encoded(name, value)
    require(edit, *RULES)
    change = _Change(edit.preview().processes[pid], variable, new)
    return change.apply(edit) if change.is_any else []


class _Change:
    """What is to be changed for one variable. ``new`` is its string, or None to take it out."""

    def __init__(self, process: Process, name: bytes, new: bytes | None) -> None:
        _require_memory(process)
        self._process = process
        self._prefix = name + b"="
        self._new = new
        self._words = Words(process)
        self._page_size = self._words.space.page_size
        self._block = read_block(process)
        self._is_overwritten = is_overwritten(process, self._words, self._block)
        self._arrays = find_arrays(self._words, process, name, self._block.strings)
        self._old = self._value()
        self._writes: list[Write] = []
        self._in_place: dict[int, bytes] = {}
        self._repointed: list[int] = []
        self._longer: list[EnvironmentArray] = []
        self._appended: list[EnvironmentArray] = []
        for array in self._arrays:
            self._take_out(array) if new is None else self._put_in(array, new)
        self._writes += [Write(address, data) for address, data in self._in_place.items()]
        self._bounds, self._new_block = self._shown()

    @property
    def is_any(self) -> bool:
        """Whether anything is to be changed."""
        changed = self._writes or self._repointed or self._longer or self._appended
        return bool(changed) or self._new_block is not None or self._bounds != self._block.bounds

    def apply(self, edit: Edit) -> list[Touched]:
        """Make the change; gives what it touched."""
        process, pid = self._process, self._process.pid
        told = [
            Touched(f"process {pid}", f"variable {_text(self._prefix[:-1])}", *map(_text, self._values()))
        ]
        size = self._size_of_new()
        if size:
            start = find_room(process, size)
            add_mapping(edit, pid, start, start + size)
            told.append(Touched(f"mm-{pid}.img", "mapping", "", f"{start:#x}-{start + size:#x} rw-p"))
            self._fill(start)
        told += [touched(pid, item) for item in write_all(edit, pid, self._writes)]
        if self._bounds != self._block.bounds:
            first, last = self._bounds
            edit.rewrite(f"mm-{pid}.img", lambda entries: _with_bounds(entries, first, last))
            before, after = (f"{start:#x}-{end:#x}" for start, end in (self._block.bounds, self._bounds))
            told.append(Touched(f"mm-{pid}.img", "place of the environment", before, after))
        return told + list(self._unknown())

    def _put_in(self, array: EnvironmentArray, new: bytes) -> None:
        held = [(cell, address) for cell, address in self._named(array)]
        for cell, address in held:
            old = self._words.string(address) or b""
            if len(new) > len(old):
                self._repointed.append(cell)
            elif new != old:
                self._in_place[address] = new + bytes(len(old) - len(new))
        if held or not array.pointers:
            return
        if self._has_room(array):
            self._appended.append(array)
        else:
            self._longer.append(array)

    def _has_room(self, array: EnvironmentArray) -> bool:
        """Whether an array can take one more where it stands; raises DyncritError where it can't be moved."""
        if array.is_first:
            return False
        room = array_room(self._words, array)
        if room is None and len(outside_of_stacks(self._words, array.pointers)) > 1:
            raise DyncritError(
                f"keeps its environment at {array.start:#x}, in memory whose allocator is not known: it "
                "can't be made to hold another variable; those that are there can be changed",
                f"process {self._process.pid}",
            )
        # Of strings in clean pages of files it can't be told whether they are of the same name.
        is_known = all(self._words.head(address, 1) for address in array.entries)
        return is_known and room is not None and room >= len(array.entries) + 2

    def _take_out(self, array: EnvironmentArray) -> None:
        gone = {cell for cell, _ in self._named(array)}
        if not gone:
            return
        cells = zip(array.cells(self._words), array.entries, strict=True)
        kept = [address for cell, address in cells if cell not in gone]
        first = (min(gone) - array.start) // self._words.size
        rest = self._words.pack(*kept[first:], *[0] * len(gone))
        self._writes.append(Write(min(gone), rest))

    def _named(self, array: EnvironmentArray) -> Iterator[tuple[int, int]]:
        """Where an array has the variable: its pointers to it, and the addresses of the strings."""
        for cell, address in zip(array.cells(self._words), array.entries, strict=True):
            if self._words.head(address, len(self._prefix)) == self._prefix:
                yield cell, address

    def _shown(self) -> tuple[tuple[int, int], bytes | None]:
        """Where /proc/PID/environ is to be read; and what it is to show, if that stands nowhere yet."""
        if self._is_overwritten:
            return self._block.bounds, None
        wanted = self._block.with_variable(self._prefix, self._new)
        place = self._block.place_of(wanted, self._in_place)
        return (self._block.bounds, wanted) if place is None else (place, None)

    def _values(self) -> tuple[bytes, bytes]:
        new = b"" if self._new is None else self._new[len(self._prefix) :]
        return self._old or b"", new

    def _value(self) -> bytes | None:
        """The value as it is: what getenv() gives, or else what /proc/PID/environ shows."""
        live = sorted(self._arrays, key=lambda array: (not array.pointers, array.is_first))
        held = [self._words.string(address) or b"" for array in live for _, address in self._named(array)]
        held += [text for text in self._block.strings.values() if text.startswith(self._prefix)]
        return held[0][len(self._prefix) :] if held else None

    # The new mapping: arrays first, each in pages of its own, then the strings.

    def _size_of_new(self) -> int:
        strings = self._new_strings()
        size = self._whole_pages(len(strings)) if strings else 0
        return size + sum(self._size_of_array(array) for array in self._longer)

    def _new_strings(self) -> bytes:
        if self._new_block is not None:
            return self._new_block
        is_needed = self._repointed or self._longer or self._appended
        return self._new + b"\0" if is_needed and self._new is not None else b""

    def _size_of_array(self, array: EnvironmentArray) -> int:
        words = 4 + len(array.entries) + _SPARE_WORDS
        return self._whole_pages(words * self._words.size)

    def _whole_pages(self, size: int) -> int:
        return size + -size % self._page_size

    def _fill(self, start: int) -> None:
        """Add what is to be written into the new mapping, and the pointers to it."""
        strings, words = self._new_strings(), self._words
        at = start + sum(self._size_of_array(array) for array in self._longer)
        self._writes.append(Write(at, strings))
        string = at
        if self._new_block is not None:
            self._bounds = (at, at + len(strings))
            string += 0 if strings.startswith(self._prefix) else strings.find(b"\0" + self._prefix) + 1
        for cell in self._repointed:
            self._writes.append(Write(cell, words.pack(string)))
        for array in self._appended:
            self._writes.append(Write(array.cells(words).stop, words.pack(string, 0)))
        for array in self._longer:
            header = chunk_header(words, self._size_of_array(array))
            new = start + len(header)
            # The new one first: it counts before those that can't be read.
            self._writes.append(Write(start, header + words.pack(string, *array.entries, 0)))
            self._writes += [Write(cell, words.pack(new)) for cell in array.pointers]
            start += self._size_of_array(array)

    def _unknown(self) -> Iterator[Touched]:
        """What can't be known of the change."""
        place = f"process {self._process.pid}"
        if not any(array.pointers for array in self._arrays):
            after = "none changed: the program keeps it in another way, and may not see the change"
            yield Touched(place, "pointers to its environment", "none found", after)
        if self._is_overwritten:
            after = "left alone: the title that the process gave itself is there"
            yield Touched(place, "/proc/PID/environ", "overwritten", after)


def _encoded(name: str, value: str | None) -> tuple[bytes, bytes | None]:
    """The name, and the string of both; raises DyncritError for what can't be in an environment."""
    if not name or "=" in name or "\0" in name:
        raise DyncritError(f"{name!r} is no name of a variable; expected text without '=' and NUL")
    if value is not None and "\0" in value:
        raise DyncritError(f"the value of {name} has a NUL in it, which would end it")
    try:
        variable = name.encode("utf-8", "surrogateescape")
        new = None if value is None else variable + b"=" + value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        problem = "can't be in an environment: it has characters that are none"
        raise DyncritError(f"{error.object!r:.300} {problem}") from None
    if len(new or variable) >= LONGEST_STRING:
        raise DyncritError(
            f"the variable takes {len(new or variable)} bytes; at most {LONGEST_STRING - 1} can be"
        )
    return variable, new


def _require_memory(process: Process) -> None:
    """Raise PagesError unless all private memory is there: pointers in what is lost would be missed."""
    space = process.memory
    private = [
        (vma.start, vma.end) for vma in space.vmas if not vma.flags & 1 and vma.kind is not VmaKind.VVAR
    ]
    for piece in space.lost(private)[:1]:
        raise PagesError(
            piece.reason, piece.start, piece.end, f"process {process.pid}", "its memory isn't whole"
        )


def _with_bounds(entries: Iterator[Entry], start: int, end: int) -> Iterator[Entry]:
    for entry in entries:
        entry.message.mm_env_start, entry.message.mm_env_end = start, end
        yield entry


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
