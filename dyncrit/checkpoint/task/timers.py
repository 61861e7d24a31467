"""Timers of processes: the three interval timers, and POSIX timers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.names.numbers import clock_name
from dyncrit.checkpoint.names.signals import signal_name

if TYPE_CHECKING:
    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage

_NOTIFICATIONS = {0: "signal", 1: "none", 2: "thread", 4: "thread-id"}  # SIGEV_*, <asm-generic/siginfo.h>
_INTERVAL_TIMERS = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")
_ITIMER_SIGNALS = {"ITIMER_REAL": "SIGALRM", "ITIMER_VIRTUAL": "SIGVTALRM", "ITIMER_PROF": "SIGPROF"}


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer: it goes off in ``value`` nanoseconds (0: it is not armed) and then every ``interval`` ones.

    ``kind`` is ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF, or POSIX with its ``id`` and clock. ``notify``
    says how it tells: by ``signal``, in a thread, not at all.
    """

    kind: str
    value: int
    interval: int
    signal: str
    id: int | None = None
    clock: str = ""
    notify: str = "signal"
    overrun: int = 0


def read_timers(images: ImageSet, pid: int, core: DynamicMessage | None, architecture: str) -> list[Timer]:
    """The POSIX timers of a process, and its interval timers that are armed.

    They are in the core image since CRIU 1.3, in itimers-PID.img and posix-timers-PID.img before.
    """
    if core is not None and core.tc.HasField("timers"):
        timers = core.tc.timers
        intervals, posix = [timers.real, timers.virt, timers.prof], list(timers.posix)
    else:
        intervals = images.messages(f"itimers-{pid}.img")
        posix = images.messages(f"posix-timers-{pid}.img")
    found = [_interval_timer(kind, entry) for kind, entry in zip(_INTERVAL_TIMERS, intervals, strict=False)]
    armed = [timer for timer in found if timer.value or timer.interval]
    return armed + [_posix_timer(entry, architecture) for entry in posix]


def _interval_timer(kind: str, entry: DynamicMessage) -> Timer:
    value = (entry.vsec * 1_000_000 + entry.vusec) * 1000
    return Timer(kind, value, (entry.isec * 1_000_000 + entry.iusec) * 1000, _ITIMER_SIGNALS[kind])


def _posix_timer(entry: DynamicMessage, architecture: str) -> Timer:
    return Timer(
        kind="POSIX",
        value=entry.vsec * 1_000_000_000 + entry.vnsec,
        interval=entry.isec * 1_000_000_000 + entry.insec,
        signal=signal_name(entry.si_signo, architecture),
        id=entry.it_id,
        clock=clock_name(entry.clock_id),
        notify=_NOTIFICATIONS.get(entry.it_sigev_notify, str(entry.it_sigev_notify)),
        overrun=entry.overrun,
    )
