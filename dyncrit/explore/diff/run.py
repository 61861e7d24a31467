"""Compares two checkpoints: processes, files, sockets, mounts and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError
from dyncrit.explore.diff.files import compare_files
from dyncrit.explore.diff.memory import Memory, MemoryChanges, compare_mappings, compare_pages
from dyncrit.explore.diff.mounts import compare_mounts
from dyncrit.explore.diff.processes import compare_processes
from dyncrit.explore.diff.records import NO_CHANGES, Changes
from dyncrit.explore.diff.sockets import compare_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.types import JsonObject


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from the checkpoint ``before`` to the one ``after``, by their names.

    ``memory`` has the processes whose memory changed. ``memory_only`` tells that one of the two is a
    pre-dump, which has nothing else that could be compared.
    """

    before: str
    after: str
    processes: Changes
    files: Changes
    sockets: Changes
    mounts: Changes
    memory: tuple[MemoryChanges, ...]
    memory_only: bool = False

    def __bool__(self) -> bool:
        return any((self.processes, self.files, self.sockets, self.mounts, self.memory))

    def to_dict(self) -> JsonObject:
        """The comparison as ``dyncrit diff --json`` prints it."""
        return {
            "before": self.before,
            "after": self.after,
            "memory_only": self.memory_only,
            "processes": self.processes.to_dict(),
            "files": self.files.to_dict(),
            "sockets": self.sockets.to_dict(),
            "mounts": self.mounts.to_dict(),
            "memory": [memory.to_dict() for memory in self.memory],
        }


def compare(before: Checkpoint, after: Checkpoint, *, pages: bool = True) -> Comparison:
    """What changed between two checkpoints of one tree of processes; ``pages`` says if to compare memory.

    Processes are matched by pid, descriptors by number, mappings by address. What can't be compared because
    the images lack it is counted as unknown, or stands in the problems of the checkpoints.
    """
    if before.is_full and after.is_full:
        return Comparison(
            before.name,
            after.name,
            compare_processes(before, after),
            compare_files(before, after),
            compare_sockets(before, after),
            compare_mounts(before, after),
            tuple(_memory(before, after, pages=pages)),
        )
    memory = tuple(_pre_dumped(before, after)) if pages else ()
    return Comparison(
        before.name, after.name, NO_CHANGES, NO_CHANGES, NO_CHANGES, NO_CHANGES, memory, memory_only=True
    )


def _memory(before: Checkpoint, after: Checkpoint, *, pages: bool) -> Iterator[MemoryChanges]:
    for process in after.processes:
        if process.pid not in before.processes:
            continue
        first, second = _open(before, process.pid), _open(after, process.pid)
        if first is None or second is None or first.space is None or second.space is None:
            continue
        changes = compare_mappings(first.space, second.space)
        found = MemoryChanges(process.pid, process.comm, changes)
        if pages:
            found = compare_pages(process.pid, process.comm, changes, first, second)
        if found:
            yield found


def _open(checkpoint: Checkpoint, pid: int) -> Memory | None:
    """The memory of a process; None, and a problem, where it can't be opened."""
    process = checkpoint.processes[pid]
    if not process.is_alive:
        return None
    try:
        return Memory(process.memory, checkpoint.spaces.pagemap(f"pagemap-{pid}.img"))
    except DyncritError as error:
        checkpoint.problems.error(f"process {pid}", f"its memory is not compared: {error.problem}")
        return None


def _pre_dumped(before: Checkpoint, after: Checkpoint) -> Iterator[MemoryChanges]:
    """The changes of memory where one is a pre-dump, of which the pagemaps are all there is."""
    pids = set(before.images.numbers("pagemap")) & set(after.images.numbers("pagemap"))
    for pid in sorted(pids):
        name = f"pagemap-{pid}.img"
        first, second = (Memory(None, checkpoint.spaces.pagemap(name)) for checkpoint in (before, after))
        full = next((checkpoint for checkpoint in (before, after) if checkpoint.is_full), None)
        comm = full.processes[pid].comm if full is not None and pid in full.processes else ""
        if found := compare_pages(pid, comm, NO_CHANGES, first, second):
            yield found
