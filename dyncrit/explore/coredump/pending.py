"""The signals that wait for a process, as core files tell of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dyncrit.checkpoint.fields import items, number
from dyncrit.explore.coredump.elf import prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.explore.coredump.machines import Machine
    from dyncrit.types import ByteOrder, DynamicMessage

SIGINFO_SIZE: Final = 128
"""sizeof(siginfo_t), on all architectures."""

_UNION_OFFSET = 16  # behind si_signo, si_errno, si_code and, with addresses of 8 bytes, padding
_COMPAT_UNION_OFFSET = 12
_COMPAT_UNION_SIZE = 12


@dataclass(frozen=True, slots=True)
class Signals:
    """``current`` is the signal that the thread would get next, 0 for none; ``siginfo`` its siginfo_t.

    ``pending`` and ``blocked`` are sets: bit 0 is signal 1.
    """

    current: int
    code: int
    error: int
    pending: int
    blocked: int
    siginfo: bytes


def signals_of(
    thread: DynamicMessage, leader: DynamicMessage | None, machine: Machine, byte_order: ByteOrder
) -> Signals:
    """The signals of a thread and of its process; ``leader`` is the core_entry of the main thread.

    A signal that is blocked stays pending: it is not the current one.
    """
    blocked = _blocked(thread)
    pending, current = 0, (0, 0, 0, b"")
    for siginfo in _queued(thread, leader):
        numbers = struct.unpack(f"{prefix(byte_order)}3i", siginfo[:12].ljust(12, b"\0"))
        signal, error, code = (numbers[0], *numbers[:0:-1]) if machine.siginfo_swapped else numbers
        if not 0 < signal <= 128:
            continue
        pending |= 1 << signal - 1
        if not current[0] and not blocked >> signal - 1 & 1:
            current = signal, code, error, _siginfo(siginfo, machine)
    signal, code, error, data = current
    return Signals(signal, code, error, pending, blocked, data.ljust(SIGINFO_SIZE, b"\0"))


def _blocked(thread: DynamicMessage) -> int:
    for holder in (thread.thread_core, thread.tc):
        if holder.HasField("blk_sigset"):
            return number(holder, "blk_sigset") | number(holder, "blk_sigset_extended") << 64
    return 0


def _queued(thread: DynamicMessage, leader: DynamicMessage | None) -> Iterator[bytes]:
    """The thread's own signals come first, as in the kernel."""
    queues: list[Any] = [thread.thread_core.signals_p]
    if leader is not None:
        queues.append(leader.tc.signals_s)
    for queue in queues:
        for entry in items(queue, "signals"):
            yield bytes(entry.siginfo[:SIGINFO_SIZE])


def _siginfo(siginfo: bytes, machine: Machine) -> bytes:
    """A siginfo_t as the task saw it: CRIU keeps those of 32-bit tasks in the 64-bit kernel's layout."""
    if not machine.compat:
        return siginfo
    return siginfo[:_COMPAT_UNION_OFFSET] + siginfo[_UNION_OFFSET : _UNION_OFFSET + _COMPAT_UNION_SIZE]
