"""The folder that is written: names of our own, files with holes, and a bound on it all."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from dyncrit.checkpoint.problems import Problems
    from dyncrit.explore.extract.item import Item

Write: TypeAlias = "Callable[[SparseFile], Iterable[str]]"
"""What writes the file of an item, and gives notes on what is amiss with it."""

MAX_ITEMS = 1 << 18
"""How many files and folders are written at most."""

_MAX_NAME = 60
_BLOCK = 4096
_PIECE = 1 << 20
_MAX_OFFSET = (1 << 63) - 1
_TOO_LONG = frozenset({errno.ENAMETOOLONG})
_TOO_LARGE = frozenset({errno.EFBIG, errno.EINVAL, errno.EOVERFLOW})


class Output:
    """Writes files below a folder, and refuses what is more than ``limits`` allow.

    ``max_total`` bounds the size of each file, holes included, and what all of them take on the disk. What is
    amiss goes to ``problems`` as well as to the notes of items.
    """

    def __init__(self, folder: Path, problems: Problems, limits: Limits | None = None) -> None:
        self.folder = folder
        self.problems = problems
        self.limits = limits or Limits()
        self.items: list[Item] = []
        self.used = 0
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def add(self, item: Item) -> Item:
        """Put an item on the listing; raises DyncritError where there are more than any checkpoint has."""
        if len(self.items) >= MAX_ITEMS:
            raise DyncritError(f"more than {MAX_ITEMS} files stand in it", item.source)
        self.items.append(item)
        return item

    def save(self, item: Item, place: str, write: Write) -> None:
        """Write the file of an item to ``place``, or beside it where that is taken, and list it.

        A DyncritError that ``write`` raises becomes a note, too; what was written till then stays.
        """
        place = self._free(place)
        amiss: list[str] = []
        with self.open(place) as file:
            try:
                amiss.extend(write(file))
            except DyncritError as error:
                amiss.append(f"{'incomplete' if file.size else 'not written'}: {error}")
            size = file.size
        kept = size > 0 or not amiss
        if not kept:
            (self.folder / place).unlink()
        for note in amiss:
            self.problems.error(item.source, f"{item.kind} {item.name or item.id}: {note}")
        if item.size is None:
            item = replace(item, size=size)
        self.add(replace(item, file=place if kept else None, notes=(*item.notes, *amiss)))

    @contextmanager
    def open(self, place: str) -> Iterator[SparseFile]:
        """A new file below the folder; ``place`` is of our making and not taken."""
        path = self.folder / place
        self.make_folder(place.rpartition("/")[0])
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        try:
            yield SparseFile(handle, self)
        finally:
            os.close(handle)

    def make_folder(self, place: str) -> None:
        """A folder below the folder, and those that it stands in, for the user only."""
        path = self.folder / place
        if not path.is_dir():
            if parent := place.rpartition("/")[0]:
                self.make_folder(parent)
            path.mkdir(mode=0o700)

    def account(self, size: int) -> None:
        """Count what a file takes; raises ImageError where that is too much."""
        if self.used + size > self.limits.max_total:
            raise ImageError(
                f"more than {self.limits.max_total} bytes to write, which is the bound; --max-size raises it"
            )
        self.used += size

    def _free(self, place: str) -> str:
        """``place``, or the first of its likes with a number that is free."""
        found = place
        while found in self._taken:
            self._numbers[place] = self._numbers.get(place, 1) + 1
            found = f"{place}~{self._numbers[place]}"
        self._taken.add(found)
        return found


class SparseFile:
    """A file that is written where one wants, with holes between; ``size`` is where it ends."""

    def __init__(self, handle: int, output: Output) -> None:
        self.size = 0
        self._handle = handle
        self._output = output
        self._end = 0

    def write(self, data: bytes | memoryview, offset: int | None = None) -> None:
        """Write bytes at ``offset``, or behind those written before."""
        if not data:
            return
        start = self._end if offset is None else offset
        self.require(start + len(data))
        apart = start != self._end
        self._output.account(_blocks(start, len(data)) if apart else len(data))
        view = memoryview(data)
        position = start
        while view:
            done = os.pwrite(self._handle, view[:_PIECE], position)
            view = view[done:]
            position += done
        self._end = position
        self.size = max(self.size, position)

    def truncate(self, size: int) -> None:
        """Give the file a size: a hole at its end, or less than was written."""
        self.require(size)
        try:
            os.ftruncate(self._handle, size)
        except OSError as error:
            if error.errno in _TOO_LARGE:
                raise ImageError(f"{size} bytes are more than a file can have here") from None
            raise
        self.size = size

    def require(self, size: int) -> None:
        """Raise ImageError if a file of ``size`` bytes is more than is allowed."""
        bound = min(self._output.limits.max_total, _MAX_OFFSET)
        if size > bound:
            raise ImageError(
                f"a file of {size} bytes, holes included, and {bound} is the bound; --max-size raises it"
            )


def short_name(name: str) -> str:
    r"""The last part of a path as part of a file name of ours.

    >>> short_name("/srv/../a b\x1b[31m"), short_name("..")
    ('a_b__31m', '_')
    """
    last = name.rstrip("/").rpartition("/")[2]
    safe = re.sub(r"[^\w.+@=-]", "_", last, flags=re.ASCII)[:_MAX_NAME]
    return "_" + safe.lstrip(".") if safe.startswith(".") else safe


def named(number: object, name: str) -> str:
    """The name of a file of ours: the number of the thing, and what is left of its name."""
    short = short_name(name)
    return f"{number}-{short}" if short else str(number)


@contextmanager
def long_names_refused() -> Iterator[None]:
    """A path that is too long for this system is an ImageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _TOO_LONG:
            raise ImageError("its path is too long for this system") from None
        raise


def remove(path: Path) -> None:
    """Remove a file that may not be there."""
    with suppress(FileNotFoundError):
        path.unlink()


def _blocks(start: int, size: int) -> int:
    """What a stretch of a file takes on a disk, in bytes."""
    first, last = start // _BLOCK, -(-(start + size) // _BLOCK)
    return (last - first) * _BLOCK
