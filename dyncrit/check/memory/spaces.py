"""What memory there is: the mappings of processes, and the shared memory behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.check.sharing import once
from dyncrit.checkpoint.fields import number as number_of
from dyncrit.checkpoint.memory.spaces import told_page_size
from dyncrit.checkpoint.memory.vma import is_guard
from dyncrit.codec.names import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.check.context import Context
    from dyncrit.types import DynamicMessage

STATUS: Mapping[str, int] = FLAGS["mmap.status"]
"""The bits of vma_entry.status by name."""

_SHARED = STATUS["VMA_ANON_SHARED"]
_ELSEWHERE = STATUS["VMA_AREA_MEMFD"] | STATUS["VMA_AREA_SYSVIPC"]


class Mappings(NamedTuple):
    """The mappings of a living task, in the order of their image ``name``; without guards within others."""

    pid: int
    name: str
    mm: DynamicMessage | None
    entries: tuple[DynamicMessage, ...]

    @property
    def are_sound(self) -> bool:
        """Whether they are in order, each of some size, and none on top of another."""
        previous = 0
        for entry in self.entries:
            if not previous <= entry.start < entry.end:
                return False
            previous = entry.end
        return True


@once
def all_mappings(context: Context) -> tuple[Mappings, ...]:
    """The mappings of the living tasks whose images can be read."""
    found = []
    for task in context.living:
        mm = context.first(f"mm-{task.pid}.img")
        entries = list(mm.vmas) if mm is not None else []
        name = f"mm-{task.pid}.img"
        if old := context.messages(f"vmas-{task.pid}.img"):  # CRIU up to 1.1
            entries, name = [*entries, *old], f"vmas-{task.pid}.img"
        kept = tuple(entry for entry in entries if not is_guard(entry))
        if kept:
            found.append(Mappings(task.pid, name, mm, kept))
    damaged = context.damaged
    return tuple(mappings for mappings in found if mappings.name not in damaged)


@once
def told_page_sizes(context: Context) -> dict[int, int]:
    """The page size in bytes that each living task was told, by pid; without those that weren't."""
    told = ((task.pid, told_page_size(context.first(f"mm-{task.pid}.img"))) for task in context.living)
    return {pid: size for pid, size in told if size}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of shared memory: its size in bytes, the image that tells of it, and how messages call it.

    ``needs_pagemap`` says whether its pages stand in pages images: not if it has none, and not those of
    System V segments up to CRIU 2.12.
    """

    size: int
    image: str
    name: str
    needs_pagemap: bool = True


@once
def all_segments(context: Context) -> dict[int, Segment]:
    """The shared memory of a checkpoint by the number in the names of pagemaps."""
    found: dict[int, Segment] = {}
    for image, entry in sysv_entries(context):
        in_pagemaps = bool(number_of(entry, "in_pagemaps"))
        segment = Segment(entry.size, image, f"System V segment {entry.desc.id}", in_pagemaps)
        found[entry.desc.id] = segment
    for inode in context.messages("memfd.img"):
        segment = Segment(inode.size, "memfd.img", f"memfd inode {inode.inode_id}", inode.size > 0)
        _add(found, inode.shmid, segment)
    for mappings in all_mappings(context):
        for entry in mappings.entries:
            if entry.status & _SHARED and not entry.status & _ELSEWHERE:
                size = entry.pgoff + entry.end - entry.start
                name = f"the mapping at {entry.start:#x}"
                _add(found, entry.shmid, Segment(size, mappings.name, name))
    return found


def sysv_entries(context: Context) -> Iterator[tuple[str, DynamicMessage]]:
    """The System V segments, each with the image that it stands in."""
    for number in context.images.numbers("ipcns-shm"):
        for entry in context.messages(f"ipcns-shm-{number}.img"):
            yield f"ipcns-shm-{number}.img", entry


def _add(found: dict[int, Segment], number: int, segment: Segment) -> None:
    """Add a segment, or what a further mapping tells of one that is known: that it is larger."""
    known = found.get(number)
    if known is None:
        found[number] = segment
    elif known.size < segment.size:
        found[number] = replace(known, size=segment.size)
