"""What a core file is made from: the part of a process's view that is needed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint.memory.layer import Piece
    from dyncrit.types import ByteOrder, DynamicMessage


class CoreMapping(Protocol):
    """A mapping, ``end`` exclusive. ``protection`` has bits 1 to read, 2 to write, 4 to execute."""

    @property
    def start(self) -> int:
        """Its first address."""

    @property
    def end(self) -> int:
        """The address behind it."""

    @property
    def protection(self) -> int:
        """The bits of mmap()'s prot."""

    @property
    def offset(self) -> int:
        """Where in the file it begins, in bytes."""

    @property
    def path(self) -> str:
        """The file's path, or nothing."""

    @property
    def is_file_backed(self) -> bool:
        """Whether it maps a file that has a path."""


class CoreMemory(Protocol):
    """An address space."""

    @property
    def vmas(self) -> Sequence[CoreMapping]:
        """Its mappings, sorted by address; none overlaps another."""

    @property
    def page_size(self) -> int:
        """In bytes."""

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where a range stands: pieces that cover it, in order."""


class CoreThread(Protocol):
    """A thread; ``core`` is its core_entry, or None where that image is missing."""

    @property
    def tid(self) -> int:
        """Its number."""

    @property
    def core(self) -> DynamicMessage | None:
        """Its registers, and more."""


class CoreCredentials(Protocol):
    """Whom a process belongs to."""

    @property
    def uid(self) -> int:
        """The real user's number."""

    @property
    def gid(self) -> int:
        """The real group's number."""


class CoreSource(Protocol):
    """A process, as :func:`dyncrit.explore.coredump.write_core` looks at it."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def ppid(self) -> int:
        """Its parent's number."""

    @property
    def pgid(self) -> int:
        """Its process group's number."""

    @property
    def sid(self) -> int:
        """Its session's number."""

    @property
    def comm(self) -> str:
        """Its name, as in /proc/PID/comm."""

    @property
    def state(self) -> str:
        """``alive``, ``stopped``, ``zombie`` or ``dead``."""

    @property
    def credentials(self) -> CoreCredentials | None:
        """Its user and group, if the images tell."""

    @property
    def command_line(self) -> Sequence[str]:
        """Its arguments."""

    @property
    def threads(self) -> Sequence[CoreThread]:
        """All of its threads, the leader among them."""

    @property
    def core(self) -> DynamicMessage | None:
        """The leader's core_entry."""

    @property
    def mm(self) -> DynamicMessage | None:
        """The mm_entry."""

    @property
    def byte_order(self) -> ByteOrder:
        """That of the host that was dumped."""

    @property
    def memory(self) -> CoreMemory:
        """Its address space."""
