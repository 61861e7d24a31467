"""Which processes and which of their memory a command is about."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dyncrit.cli.checkpoints import report
from dyncrit.cli.parameters import RANGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.memory.vma import Vma

_KINDS = (
    "anonymous",
    "heap",
    "stack",
    "file",
    "shared-file",
    "shared-memory",
    "memfd",
    "sysv",
    "vdso",
    "vvar",
    "vsyscall",
    "socket",
    "aio",
    "other",
)
"""As VmaKind has them, which takes long to import."""

PID = click.option("-p", "--pid", type=int, help="The process; by default all, or the only one.")


class Selection(NamedTuple):
    """Which mappings the options choose; all of them without any."""

    prot: str
    kinds: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]

    def __bool__(self) -> bool:
        return bool(self.prot or self.kinds or self.ranges)

    def of(self, space: AddressSpace) -> list[tuple[int, int]]:
        """The ranges of memory that are chosen."""
        from dyncrit.checkpoint.memory.vma import VmaKind
        from dyncrit.errors import DyncritError
        from dyncrit.explore.selection import select

        wanted = [VmaKind(kind) for kind in self.kinds]
        try:
            return select(space, protection=self.prot, kinds=wanted, ranges=self.ranges)
        except DyncritError as error:
            raise click.UsageError(str(error)) from None


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose mappings (``selection``)."""

    @wraps(function)
    def selecting(
        *arguments: Any,
        prot: str,
        kinds: tuple[str, ...],
        ranges: tuple[tuple[int, int], ...],
        **options: Any,
    ) -> Any:
        return function(*arguments, selection=Selection(prot, kinds, ranges), **options)

    options = (
        click.option(
            "--prot", default="", metavar="r-x", help="Mappings with this protection, as in maps; ? for any."
        ),
        click.option(
            "--kind",
            "kinds",
            multiple=True,
            type=click.Choice(_KINDS),
            help="Mappings of this kind; may be given again.",
        ),
        click.option("--range", "ranges", multiple=True, type=RANGE, metavar="START-END", help="Only there."),
    )
    for option in reversed(options):
        selecting = option(selecting)
    return selecting


def processes_with_memory(checkpoint: Checkpoint, pid: int | None) -> list[Process]:
    """The processes that have memory: the one asked for, or all."""
    from dyncrit.errors import DyncritError

    if pid is not None:
        process = checkpoint.processes[pid]
        _ = process.memory  # says what is the matter, if there is none
        return [process]
    found = []
    for process in checkpoint.processes:
        with suppress(DyncritError):  # zombies; a missing mm image is a problem already
            _ = process.memory
            found.append(process)
    if not found:
        checkpoint.require_processes()
        report(checkpoint.all_problems)
        raise DyncritError("no process with memory in it", checkpoint.name)
    return found


def only_process(checkpoint: Checkpoint, pid: int | None) -> Process:
    """The process asked for, or the only one that has memory; a usage error where there are several."""
    found = processes_with_memory(checkpoint, pid)
    if len(found) > 1:
        pids = ", ".join(str(process.pid) for process in found)
        raise click.UsageError(f"there are several processes: name one with -p ({pids})")
    return found[0]


def resident_bytes(space: AddressSpace) -> int:
    """How much of a process's memory the dump holds, parents included."""
    return sum(space.resident_of(vma) for vma in space.vmas)


def mapping_name(vma: Vma | None) -> str:
    """What to call a mapping: its name in /proc/PID/maps, or its kind."""
    return "" if vma is None else vma.name or vma.kind.value
