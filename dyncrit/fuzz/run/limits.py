"""How much a target may use, and how that is laid upon a process."""

from __future__ import annotations

import math
import os
import resource
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.types import JsonObject

MemoryKind = Literal["address-space", "resident"]
"""What is limited: all that a process maps (the kernel refuses more), or what is in memory (it is ended)."""

_MARGIN = 32 << 20
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one execution: seconds, bytes of memory and bytes of any file; 0 is no limit.

    ``resident`` limits what is in memory, for programs that map far more than they use (sanitizers do).
    """

    seconds: float = 5.0
    memory: int = 512 << 20
    file_size: int = 64 << 20
    memory_kind: MemoryKind = "address-space"

    @contextmanager
    def inherited(self) -> Iterator[None]:
        """A block in which processes that are started have the limits from their beginning.

        They are this process's own as long, so one on memory that is near to what it uses itself is left out.
        """
        before = []
        try:
            for kind, value in self._rows():
                if kind == resource.RLIMIT_AS and value < _own_memory() + _MARGIN:
                    continue
                soft, hard = resource.getrlimit(kind)
                if hard == resource.RLIM_INFINITY or value <= hard:
                    resource.setrlimit(kind, (value, hard))
                    before.append((kind, (soft, hard)))
            yield
        finally:
            for kind, pair in before:
                resource.setrlimit(kind, pair)

    def apply(self, pid: int) -> None:
        """Lay the limits upon a process that was just started, so that it can't raise them itself.

        What the kernel refuses to raise beyond our own limit stays at that. That of core dumps is as it was
        inherited: sanitizers read and set it when they start, and end the program if it changes in between.
        """
        try:
            for kind, value in (*self._lasting(), (resource.RLIMIT_CPU, math.ceil(self.seconds) + 1)):
                with suppress(PermissionError, ValueError):
                    resource.prlimit(pid, kind, (value, value))
        except ProcessLookupError:  # it has ended
            return

    def _rows(self) -> Iterator[tuple[int, int]]:
        yield resource.RLIMIT_CORE, 0
        yield from self._lasting()

    def _lasting(self) -> Iterator[tuple[int, int]]:
        """Those that a program may not raise."""
        if self.file_size:
            yield resource.RLIMIT_FSIZE, self.file_size
        if self.memory and self.memory_kind == "address-space":
            yield resource.RLIMIT_AS, self.memory

    def shell_commands(self) -> str:
        """The limits for ``/bin/sh``: ``ulimit`` counts files in 512 bytes, memory in KiB."""
        parts = [f"ulimit -c 0; ulimit -t {math.ceil(self.seconds) + 1}"]
        if self.file_size:
            parts.append(f"ulimit -f {max(self.file_size // 512, 1)}")
        if self.memory and self.memory_kind == "address-space":
            parts.append(f"ulimit -v {max(self.memory >> 10, 1)}")
        return "; ".join(parts)

    @property
    def beyond_the_shell(self) -> str:
        """What ``ulimit`` can't limit, in words; empty where it limits all."""
        if self.memory and self.memory_kind == "resident":
            return f"no more than {self.memory} bytes in memory"
        return ""

    def to_dict(self) -> JsonObject:
        """The limits as a finding has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, shown: JsonObject) -> Limits:
        """The limits that :meth:`to_dict` gave; raises ValueError, KeyError or TypeError for others."""
        kind: MemoryKind = "resident" if shown["memory_kind"] == "resident" else "address-space"
        return cls(float(shown["seconds"]), int(shown["memory"]), int(shown["file_size"]), kind)


def _own_memory() -> int:
    """How many bytes this process has mapped."""
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * _PAGE_SIZE
