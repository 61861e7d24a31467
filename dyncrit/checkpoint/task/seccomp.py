"""System call filters of threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.names.numbers import SECCOMP_MODES

if TYPE_CHECKING:
    from dyncrit.types import DynamicMessage


@dataclass(frozen=True, slots=True)
class Seccomp:
    """A thread's seccomp mode: "disabled", "strict" or "filter".

    ``filter`` is the number of its newest filter in seccomp.img, where each names the one before it.
    """

    mode: str
    filter: int | None = None


def read_seccomp(core: DynamicMessage | None, leader: DynamicMessage | None) -> Seccomp:
    """The mode of a thread: in its own entry since CRIU 3.10, in the process's (``leader``) from 1.7 on."""
    if core is not None and core.thread_core.HasField("seccomp_mode"):
        entry = core.thread_core
        return _seccomp(
            entry.seccomp_mode, entry.seccomp_filter if entry.HasField("seccomp_filter") else None
        )
    if leader is not None and leader.tc.HasField("old_seccomp_mode"):
        entry = leader.tc
        number = entry.old_seccomp_filter if entry.HasField("old_seccomp_filter") else None
        return _seccomp(entry.old_seccomp_mode, number)
    return Seccomp("disabled")


def _seccomp(mode: int, number: int | None) -> Seccomp:
    name = SECCOMP_MODES.get(mode, str(mode))
    return Seccomp(name, number if name == "filter" else None)
