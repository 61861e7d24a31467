"""What processes do on signals, which they block, and which wait for them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.names.signals import MIPS, action_flags, signal_code, signal_name, signal_set

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import ByteOrder, DynamicMessage

_SIG_DFL, _SIG_IGN = 0, 1
_SENT_BY_PROCESS = frozenset({"SI_USER", "SI_QUEUE", "SI_TKILL"})
_MAX_SIGNAL = 128


@dataclass(frozen=True, slots=True)
class SignalAction:
    """What happens on a signal: it is "ignored", or a "handler" at ``address`` runs.

    While it runs, the signals in ``mask`` are blocked.
    """

    signal: str
    action: str
    address: int = 0
    flags: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingSignal:
    """A signal that waits. ``code`` says why it was sent; ``pid`` and ``uid`` by whom, if known."""

    signal: str
    code: str
    pid: int | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class SignalState:
    """The signals that wait for a thread, or for its process, and those that the thread blocks."""

    pending: tuple[PendingSignal, ...] = ()
    blocked: tuple[str, ...] = ()


def read_actions(
    images: ImageSet, pid: int, core: DynamicMessage | None, architecture: str
) -> list[SignalAction]:
    """The actions that aren't the default: in the core image since CRIU 3.1, in sigacts-PID.img before."""
    entries: Iterable[DynamicMessage] = core.tc.sigactions if core is not None else ()
    if not entries:
        entries = images.messages(f"sigacts-{pid}.img")
    unchangeable = {9, 23 if architecture == MIPS else 19}  # SIGKILL and SIGSTOP, which CRIU leaves out
    numbers = (number for number in range(1, _MAX_SIGNAL + 1) if number not in unchangeable)
    return [
        _action(number, entry, architecture)
        for number, entry in zip(numbers, entries, strict=False)
        if entry.sigaction != _SIG_DFL
    ]


def read_signal_state(
    images: ImageSet, name: str, core: DynamicMessage | None, architecture: str, *, shared: bool
) -> SignalState:
    """The signals that wait for a thread, or ``shared`` by its process, and those it blocks.

    They are in the core image since CRIU 1.3, in the image ``name`` (signal-s-PID, signal-p-TID) before.
    """
    queue: list[DynamicMessage] = []
    blocked = 0
    if core is not None:
        entry = core.tc if shared else core.thread_core
        queue = list(entry.signals_s.signals if shared else entry.signals_p.signals)
        if not shared:
            blocked = core.thread_core.blk_sigset or core.tc.blk_sigset
            blocked |= (core.thread_core.blk_sigset_extended or core.tc.blk_sigset_extended) << 64
    if not queue:
        queue = images.messages(name)
    pending = [_pending(entry.siginfo, images.byte_order, architecture) for entry in queue]
    return SignalState(tuple(pending), tuple(signal_set(blocked, architecture)))


def _action(number: int, entry: DynamicMessage, architecture: str) -> SignalAction:
    ignored = entry.sigaction == _SIG_IGN
    return SignalAction(
        signal=signal_name(number, architecture),
        action="ignored" if ignored else "handler",
        address=0 if ignored else entry.sigaction,
        flags=tuple(action_flags(entry.flags, architecture)),
        mask=tuple(signal_set(entry.mask | entry.mask_extended << 64, architecture)),
    )


def _pending(siginfo: bytes, byte_order: ByteOrder, architecture: str) -> PendingSignal:
    """A siginfo_t of a 64-bit kernel: signal, errno, code, padding, then who sent it."""
    data = siginfo[:24].ljust(24, b"\0")
    numbers = struct.unpack(("<" if byte_order == "little" else ">") + "6i", data)
    number, code = numbers[0], numbers[1 if architecture == MIPS else 2]
    name = signal_code(number, code, architecture)
    sender = numbers[4:6] if name in _SENT_BY_PROCESS else (None, None)
    return PendingSignal(signal_name(number, architecture), name, *sender)
