"""What the pagemaps of a checkpoint and of its parents say, each read once."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.check.memory.spaces import all_segments, told_page_sizes
from dyncrit.check.sharing import once
from dyncrit.checkpoint.memory.pagemap import PAGE_SIZES, read_runs
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.check.context import Context
    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.images import ImageSet

PARENT, LAZY, PRESENT = 1, 2, 4  # criu/include/pagemap.h
KNOWN_FLAGS = PARENT | LAZY | PRESENT

ADDRESS_END = 1 << 64

Ranges = list[tuple[int, int]]


@dataclass(slots=True)
class Tally:
    """How often something was met, and where first."""

    count: int = 0
    first: int = 0

    def add(self, place: int, count: int = 1) -> None:
        """Count ``count`` more, met at ``place``."""
        if not self.count:
            self.first = place
        self.count += count

    def __bool__(self) -> bool:
        return self.count > 0


class Runs:
    """The entries of one pagemap image, and what is amiss with them.

    ``present``, ``lazy`` and ``in_parent`` count pages. ``starts`` and ``ends`` (exclusive) are ranges of
    addresses in order, ``flags`` what the entries say of them; neighbours of the same flags are one. Entries
    that are ``askew`` (not on a page's border, or past the last address) are left out of the ranges.
    """

    def __init__(self, images: ImageSet, name: str, page_size: int) -> None:
        self.name = name
        self.present = self.in_parent = 0
        self.lazy, self.nowhere, self.askew, self.empty, self.disordered = (Tally() for _ in range(5))
        self.strange_flags: dict[int, int] = {}
        """How often bits were met that have no name, by these bits."""
        self.damaged = False
        self.starts, self.ends, self.flags = array("Q"), array("Q"), bytearray()
        try:
            self._read(images, page_size)
        except (DyncritError, OSError):
            self.damaged = True  # the rule image-readable says how
        self.overlaps = self._sort() if self.disordered else False

    def ranges(self, flag: int) -> Ranges:
        """The ranges whose entries have a flag."""
        found = zip(self.starts, self.ends, self.flags, strict=True)
        return [(start, end) for start, end, flags in found if flags & flag]

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
        """A range, cut where entries begin and end, with the flags of each; None where none covers it."""
        index = max(bisect_right(self.starts, start) - 1, 0)
        while start < end and index < len(self.starts) and self.starts[index] < end:
            first, last = max(self.starts[index], start), min(self.ends[index], end)
            if last > first:
                if first > start:
                    yield start, first, None
                yield first, last, self.flags[index]
                start = last
            index += 1
        if start < end:
            yield start, end, None

    def _read(self, images: ImageSet, page_size: int) -> None:
        """Read the entries, of which there may be millions: nothing is called for those that are as usual."""
        starts, ends, held = self.starts, self.ends, self.flags
        previous_end, previous_flags = 0, -1
        present = in_parent = 0
        try:
            for start, count, flags in read_runs(images, self.name):
                end = start + count * page_size
                if flags & PARENT:
                    in_parent += count
                elif flags & PRESENT:
                    present += count
                else:
                    (self.lazy if flags & LAZY else self.nowhere).add(start, count)
                if flags > KNOWN_FLAGS:
                    self._strange(flags & ~KNOWN_FLAGS)
                    flags &= KNOWN_FLAGS  # noqa: PLW2901 (the rest is noted)
                if not count:
                    self.empty.add(start)
                if start % page_size or end >= ADDRESS_END:
                    self.askew.add(start)
                    continue
                if start < previous_end:
                    self.disordered.add(start)
                if start == previous_end and flags == previous_flags:
                    ends[-1] = end
                elif count:
                    starts.append(start)
                    ends.append(end)
                    held.append(flags)
                previous_end, previous_flags = end, flags if count else -1
        finally:
            self.present, self.in_parent = present, in_parent

    def _strange(self, flags: int) -> None:
        self.strange_flags[flags] = self.strange_flags.get(flags, 0) + 1

    def _sort(self) -> bool:
        """Put the ranges in order; gives whether any lies on top of another."""
        order = sorted(range(len(self.starts)), key=self.starts.__getitem__)
        self.starts = array("Q", [self.starts[index] for index in order])
        self.ends = array("Q", [self.ends[index] for index in order])
        self.flags = bytearray(self.flags[index] for index in order)
        reached = 0
        for start, end in zip(self.starts, self.ends, strict=True):
            if start < reached:
                return True
            reached = end
        return False


class Lost(NamedTuple):
    """Pages that a dump wants of its parent and that no parent has."""

    start: int
    end: int
    reason: str


class Pagemaps:
    """The pagemaps of a chain of checkpoints. ``page_size`` is in bytes.

    ``names`` are the pagemap images of the checkpoint that a restore uses: those of its living tasks and of
    the shared memory that they have; of a pre-dump, all.
    """

    def __init__(self, chain: Iterable[Checkpoint], names: Iterable[str], page_size: int) -> None:
        self.chain = tuple(chain)
        self.names = tuple(names)
        self.page_size = page_size
        self._runs: dict[tuple[int, str], Runs | None] = {}

    def runs(self, name: str, level: int = 0) -> Runs | None:
        """A pagemap of the checkpoint, or of its ``level``-th parent; None without the image."""
        key = (level, name)
        if key not in self._runs:
            images = self.chain[level].images
            self._runs[key] = Runs(images, name, self.page_size) if name in images else None
        return self._runs[key]

    def own(self) -> Iterator[Runs]:
        """The pagemaps of the checkpoint itself."""
        for name in self.names:
            if (runs := self.runs(name)) is not None:
                yield runs

    def lost(self, runs: Runs) -> Iterator[Lost]:
        """What a pagemap of the checkpoint wants of the parents and none of them has."""
        wanted = runs.ranges(PARENT)
        for level in range(1, len(self.chain) + 1):
            if not wanted:
                return
            if level == len(self.chain):
                reason = f"{self.chain[-1].name} builds on no other"
                yield from (Lost(start, end, reason) for start, end in wanted)
                return
            images = self.chain[level].images
            held = self.runs(runs.name, level)
            if held is None:
                yield from (Lost(*piece, f"{images.path(runs.name)} is missing") for piece in wanted)
                return
            deeper: Ranges = []
            for first, last, flags in _pieces(held, wanted):
                if flags is None:
                    yield Lost(first, last, f"{images.path(runs.name)} doesn't have it")
                elif flags & PARENT:
                    deeper.append((first, last))
            wanted = deeper

    def wanted(self, runs: Runs) -> Iterator[tuple[int, int, int]]:
        """The pages that a pagemap wants of parents that have them: level, start, end."""
        wanted = runs.ranges(PARENT)
        for level in range(1, len(self.chain)):
            held = self.runs(runs.name, level)
            if held is None or not wanted:
                return
            deeper: Ranges = []
            for first, last, flags in _pieces(held, wanted):
                if flags is not None and flags & PARENT:
                    deeper.append((first, last))
                elif flags is not None and flags & PRESENT:
                    yield level, first, last
            wanted = deeper


@once
def pagemaps(context: Context) -> Pagemaps:
    """The pagemaps that rules look at."""
    images = context.images
    if context.checkpoint.is_pre_dump:
        names = [f"{stem}-{n}.img" for stem in ("pagemap", "pagemap-shmem") for n in images.numbers(stem)]
    else:
        names = [f"pagemap-{task.pid}.img" for task in context.living]
        names += [f"pagemap-shmem-{number}.img" for number in all_segments(context)]
    page_size = next(iter(told_page_sizes(context).values()), None) or _inferred_page_size(context, names)
    return Pagemaps(context.checkpoint.chain, names, page_size)


def count_pages(count: int) -> str:
    """A number of pages, as findings say it."""
    return f"{count} page{'s' * (count != 1)}"


def _inferred_page_size(context: Context, names: list[str]) -> int:
    """What the pages images tell, which hold nothing but the pages that are present."""
    for name in names:
        number = pages_id(context, name)
        file = f"pages-{number}.img"
        if number is None or file not in context.names:
            continue
        present = Runs(context.checkpoint.images, name, PAGE_SIZES[0]).present
        held = context.images.tree.size(file)
        if size := next((size for size in PAGE_SIZES if present and size * present == held), None):
            return size
    return PAGE_SIZES[0]


def pages_id(context: Context, name: str) -> int | None:
    """The number of the pages image that belongs to a pagemap image; None without a head that tells."""
    head = context.first(name)
    return head.pages_id if head is not None and head.DESCRIPTOR.name == "pagemap_head" else None


def _pieces(runs: Runs, ranges: Ranges) -> Iterator[tuple[int, int, int | None]]:
    for start, end in ranges:
        yield from runs.pieces(start, end)
