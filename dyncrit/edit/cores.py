"""The core images of all threads, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dyncrit.checkpoint.editing.edit import Edit


class CoreImage(NamedTuple):
    """The core image of a thread: its file name, and the place and thread as :class:`Touched` tells them.

    ``place`` is the process, or the image where no process has such a thread; ``thread`` is empty for
    processes that have only one.
    """

    name: str
    place: str
    thread: str

    @classmethod
    def of(cls, name: str, tid: int, owners: dict[int, tuple[int, int]]) -> CoreImage:
        """The image of the thread ``tid``; ``owners`` has the process of each, and how many it has."""
        if tid not in owners:
            return cls(name, name, "")
        pid, threads = owners[tid]
        return cls(name, f"process {pid}", f"thread {tid}: " if threads > 1 else "")


def core_images(edit: Edit) -> list[CoreImage]:
    """The core images of an edit as it stands now: those of processes in their order, then any others."""
    owners = {
        tid: (process.pid, len(process.thread_ids))
        for process in edit.checkpoint.processes
        for tid in (process.pid, *process.thread_ids)
    }
    numbers = edit.preview().images.numbers("core")
    there = set(numbers)
    ordered = dict.fromkeys([*(tid for tid in owners if tid in there), *numbers])
    return [CoreImage.of(f"core-{tid}.img", tid, owners) for tid in ordered]
