"""Room for more in the memory of a process: a mapping where there was none."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dyncrit.checkpoint.memory.vma import VmaKind, is_guard
from dyncrit.codec.names import FLAGS
from dyncrit.entry import Entry
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.processes import Process
    from dyncrit.types import DynamicMessage

_STATUS = FLAGS["mmap.status"]["VMA_AREA_REGULAR"] | FLAGS["mmap.status"]["VMA_ANON_PRIVATE"]
_MAP_PRIVATE_ANONYMOUS = 0x22
_READ_WRITE = 3
_MOST_MARGIN = 1 << 20
_KERNEL_HALF = 1 << 63


def find_room(process: Process, size: int) -> int:
    """An address where ``size`` bytes, whole pages, can be mapped, away from heap and stack.

    It is in the largest gap between mappings that neither grows into. Raises DyncritError if all are small.
    """
    space = process.memory
    brk = process.mm.mm_brk if process.mm is not None else 0
    start, end = max(_gaps(space, brk), key=lambda gap: gap[1] - gap[0], default=(0, 0))
    margin = min(_MOST_MARGIN, (end - start - size) // 4)
    margin -= margin % space.page_size
    if end - start < size + 2 * margin or margin < 0 or end - start <= size:
        raise DyncritError(f"no room for {size} bytes between its mappings", f"process {process.pid}")
    return end - margin - size


def add_mapping(edit: Edit, pid: int, start: int, end: int) -> None:
    """Map private memory that can be read and written: the entry goes where mappings are in order."""
    mm_name, old_name = f"mm-{pid}.img", f"vmas-{pid}.img"
    if old_name in edit.images:  # CRIU up to 1.1
        edit.rewrite(old_name, lambda entries: _into_entries(entries, edit, start, end))
    else:
        edit.rewrite(mm_name, lambda entries: _into_messages(entries, start, end))


def _gaps(space: AddressSpace, brk: int) -> Iterator[tuple[int, int]]:
    """Ranges where nothing is mapped; of one that the heap grows into, the upper half."""
    for low, high in pairwise(space.vmas):
        if VmaKind.STACK in (low.kind, high.kind) or high.start >= _KERNEL_HALF or low.end >= high.start:
            continue
        start = low.end
        if low.end <= brk < high.start or low.kind is VmaKind.HEAP:
            start = max(start, brk)
            start += (high.start - start) // 2
            start += -start % space.page_size
        yield start, high.start


def _into_messages(entries: Iterator[Entry], start: int, end: int) -> Iterator[Entry]:
    for entry in entries:
        vmas: Any = entry.message.vmas
        kept = list(vmas)
        new = type(kept[0])() if kept else vmas.add()
        _fill(new, kept, start, end)
        kept.insert(_index(kept, start), new)
        del vmas[:]
        vmas.extend(kept)
        yield entry


def _into_entries(entries: Iterator[Entry], edit: Edit, start: int, end: int) -> Iterator[Entry]:
    kept = list(entries)
    messages = [entry.message for entry in kept]
    new: Any = edit.schema.message_class("vma_entry")()
    _fill(new, messages, start, end)
    kept.insert(_index(messages, start), Entry(new))
    yield from kept


def _index(vmas: Sequence[DynamicMessage], start: int) -> int:
    """Where a mapping goes; guards within others stand behind all."""
    return next((index for index, vma in enumerate(vmas) if is_guard(vma) or vma.start > start), len(vmas))


def _fill(new: Any, vmas: Sequence[DynamicMessage], start: int, end: int) -> None:
    """Fill a vma_entry as others of private memory are, where there are any."""
    like = next((vma for vma in vmas if (vma.status, vma.flags) == (_STATUS, _MAP_PRIVATE_ANONYMOUS)), None)
    if like is not None:
        new.CopyFrom(like)
        if new.HasField("madv"):
            new.madv = 0
    else:
        new.pgoff, new.shmid, new.fd = 0, 0, -1
        new.status, new.flags = _STATUS, _MAP_PRIVATE_ANONYMOUS
    new.start, new.end, new.prot = start, end, _READ_WRITE
