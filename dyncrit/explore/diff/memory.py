"""The memory of a process in two checkpoints: mappings, and pages that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.explore.diff.pages import PageComparison, PageRange
from dyncrit.explore.diff.records import NO_CHANGES, Changes, Record, compare_records

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.memory.layer import Layer
    from dyncrit.checkpoint.memory.pagemap import Pagemap
    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.types import JsonObject

_MAX_RANGES = 1 << 16
_ADDRESS_END = (1 << 64) - 1
_IN_SEGMENTS = frozenset({VmaKind.SHARED_MEMORY, VmaKind.MEMFD, VmaKind.SYSV})


class Memory(NamedTuple):
    """What a checkpoint holds of a process's memory; without mappings in a pre-dump."""

    space: AddressSpace | None
    pagemap: Pagemap | None


@dataclass(frozen=True, slots=True)
class MappingPages:
    """How many pages of a mapping changed, and of how many that can't be told."""

    label: JsonObject
    changed: int
    unknown: int
    ranges: list[PageRange]

    def to_dict(self) -> JsonObject:
        """The counts as JSON has them; the ranges stand beside them."""
        ranges = [
            {"start": start, "end": end, "change": change, **({"reason": reason} if reason else {})}
            for start, end, change, reason in self.ranges
        ]
        return {**self.label, "changed": self.changed, "unknown": self.unknown, "ranges": ranges}


@dataclass(frozen=True, slots=True)
class MemoryChanges:
    """The changes of a process's memory; ``pages`` has the mappings with any, None if none were compared.

    ``page_size`` is in bytes. ``left_out`` is the number of ranges that were counted but too many to list.
    """

    pid: int
    comm: str
    mappings: Changes = NO_CHANGES
    page_size: int = 0
    pages: tuple[MappingPages, ...] | None = None
    left_out: int = 0

    @property
    def changed(self) -> int:
        """How many pages changed."""
        return sum(mapping.changed for mapping in self.pages or ())

    @property
    def unknown(self) -> int:
        """Of how many pages that can't be told."""
        return sum(mapping.unknown for mapping in self.pages or ())

    def __bool__(self) -> bool:
        return bool(self.mappings or self.pages)

    def to_dict(self) -> JsonObject:
        """The changes as JSON has them."""
        shown: JsonObject = {"pid": self.pid, "comm": self.comm, "mappings": self.mappings.to_dict()}
        if self.pages is not None:
            shown["pages"] = {
                "page_size": self.page_size,
                "changed": self.changed,
                "unknown": self.unknown,
                "mappings": [mapping.to_dict() for mapping in self.pages],
                "ranges_left_out": self.left_out,
            }
        return shown


def compare_mappings(before: AddressSpace, after: AddressSpace) -> Changes:
    """The changes of mappings: matched by where they begin, else by where they end."""
    first: dict[Hashable, Vma] = {vma.start: vma for vma in before.vmas}
    second: dict[Hashable, Vma] = {vma.start: vma for vma in after.vmas}
    ends = {vma.end: key for key, vma in first.items() if key not in second}
    for key, vma in [item for item in second.items() if item[0] not in first]:
        if vma.end in ends:
            second[ends[vma.end]] = second.pop(key)
    return compare_records(
        {key: Record(vma_label(vma), _fields(vma)) for key, vma in first.items()},
        {key: Record(vma_label(vma), _fields(vma)) for key, vma in sorted(second.items(), key=_start)},
    )


def compare_pages(pid: int, comm: str, mappings: Changes, before: Memory, after: Memory) -> MemoryChanges:
    """The changes of memory, its pages included: those of mappings that both have, of one file or of none.

    In a pre-dump, of which mappings aren't known, everything is compared that either pagemap tells of.
    """
    return _Comparison(before, after).run(pid, comm, mappings)


def vma_label(vma: Vma) -> JsonObject:
    """What a mapping is shown by."""
    return {"start": vma.start, "end": vma.end, "permissions": vma.permissions, "name": vma.name}


class _Comparison:
    def __init__(self, before: Memory, after: Memory) -> None:
        self._before = before
        self._after = after
        sizes = [part.page_size for memory in (before, after) for part in memory if part is not None]
        self._pages = PageComparison(min(sizes))
        self._kept = self._left_out = 0

    def run(self, pid: int, comm: str, mappings: Changes) -> MemoryChanges:
        found = [counted for counted in self._mappings() if counted.changed or counted.unknown]
        return MemoryChanges(pid, comm, mappings, self._pages.page_size, tuple(found), self._left_out)

    def _mappings(self) -> Iterator[MappingPages]:
        before, after = self._before, self._after
        if before.space is None or after.space is None:
            if before.pagemap is not None and after.pagemap is not None:
                label: JsonObject = {"start": None, "end": None, "permissions": "", "name": ""}
                pieces = [layer.pieces(0, _ADDRESS_END) for layer in (before.pagemap, after.pagemap)]
                yield self._count(label, self._pages.ranges(*pieces))
            return
        for first, second, start, end in _shared(before.space, after.space):
            pieces = [_pieces(memory, vma, start, end) for memory, vma in ((before, first), (after, second))]
            yield self._count(vma_label(second), self._pages.ranges(*pieces))

    def _count(self, label: JsonObject, ranges: Iterator[PageRange]) -> MappingPages:
        changed = unknown = 0
        kept = []
        for found in ranges:
            count = found.pages(self._pages.page_size)
            if found.change == "unknown":
                unknown += count
            else:
                changed += count
            if self._kept < _MAX_RANGES:
                self._kept += 1
                kept.append(found)
            else:
                self._left_out += 1
        return MappingPages(label, changed, unknown, kept)


def _shared(before: AddressSpace, after: AddressSpace) -> Iterator[tuple[Vma, Vma, int, int]]:
    """The ranges that are mapped in both, to the same file or to none."""
    firsts, seconds = iter(before.vmas), iter(after.vmas)
    first, second = next(firsts, None), next(seconds, None)
    while first is not None and second is not None:
        start, end = max(first.start, second.start), min(first.end, second.end)
        if start < end and _file(first) == _file(second):
            yield first, second, start, end
        ended = first.end <= second.end, second.end <= first.end
        if ended[0]:
            first = next(firsts, None)
        if ended[1]:
            second = next(seconds, None)


def _file(vma: Vma) -> str | None:
    return vma.path if vma.is_file_backed else None


def _pieces(memory: Memory, vma: Vma, start: int, end: int) -> Iterator[Piece]:
    """Where a range stands; what a dump leaves out by rule is a hole, and not missing."""
    assert memory.space is not None  # noqa: S101 (it has the mapping)
    for piece in memory.space.mapped(vma, start, end):
        if piece.state is not State.MISSING or memory.pagemap is None or vma.kind in _IN_SEGMENTS:
            yield piece
        else:
            yield from _told(memory.pagemap, piece)


def _told(pagemap: Layer, missing: Piece) -> Iterator[Piece]:
    for piece in pagemap.pieces(missing.start, missing.end):
        yield piece if piece.state is State.HOLE else missing._replace(start=piece.start, end=piece.end)


def _fields(vma: Vma) -> JsonObject:
    return {
        "start": vma.start,
        "end": vma.end,
        "permissions": vma.permissions,
        "flags": vma.flags,
        "kind": vma.kind.value,
        "name": vma.name,
        "offset": vma.offset if vma.is_file_backed or vma.kind in _IN_SEGMENTS else 0,
        "advice": list(vma.advice),
    }


def _start(item: tuple[Hashable, Vma]) -> int:
    return item[1].start
