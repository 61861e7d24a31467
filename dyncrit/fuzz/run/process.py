"""Runs a program once: in a session of its own, with limits, and with nothing of it left afterwards.

posix_spawn takes a millisecond where a shell with ``ulimit`` takes two; limits are inherited, then made hard
with prlimit.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dyncrit.fuzz.run.capture import Capture
from dyncrit.fuzz.run.stragglers import end_children

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dyncrit.fuzz.run.limits import Limits

Ended = Literal["itself", "timeout", "memory"]
"""Why it ended: by itself (or a signal that isn't ours), or as it took too long, or too much memory."""

_STDOUT_HEAD, _STDOUT_TAIL = 4 << 20, 0
_STDERR_HEAD, _STDERR_TAIL = 256 << 10, 64 << 10
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_WATCH = 10
"""How often the memory of a process is looked at, in milliseconds, where what is resident is limited."""
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class StoppedError(Exception):
    """The run was stopped while a program ran; the program was ended."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a program: ``status`` is its exit code, or minus the signal that ended it.

    ``stdout_digest`` is that of all it wrote, of which ``stdout`` may be a part. ``left_behind`` counts
    processes that it had started and that were still alive.
    """

    status: int
    ended: Ended
    stdout: bytes
    stderr: bytes
    seconds: float
    stdout_is_whole: bool = True
    stdout_digest: str = ""
    left_behind: int = 0


class Runner:
    """Runs programs one after the other, in a process that has no other children and one thread.

    ``life`` is a handle that hangs up when the run is to be stopped.
    """

    def __init__(self, limits: Limits, environment: Mapping[str, str], life: int) -> None:
        self.limits = limits
        self._environment = dict(environment)
        self._life = life
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        reset = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *_IGNORED_BY_PYTHON}
        self._reset = sorted(reset)

    def close(self) -> None:
        """Give back what it holds of the system."""
        os.close(self._null)

    def run(self, command: list[str]) -> Execution:
        """Run a program in the current folder; raises OSError if it can't be started, StoppedError."""
        out, out_end = os.pipe2(os.O_CLOEXEC)
        err, err_end = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(out, False)
            os.set_blocking(err, False)
            start = time.monotonic()
            try:
                pid = self._spawn(command, out_end, err_end)
            finally:
                os.close(out_end)
                os.close(err_end)
            captures = (Capture(out, _STDOUT_HEAD, _STDOUT_TAIL), Capture(err, _STDERR_HEAD, _STDERR_TAIL))
            return self._watched(pid, captures, start)
        finally:
            os.close(out)
            os.close(err)

    def _spawn(self, command: list[str], stdout: int, stderr: int) -> int:
        actions = [
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ]
        with self.limits.inherited():
            pid = os.posix_spawn(
                command[0],
                command,
                self._environment,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=self._reset,
            )
        self.limits.apply(pid)
        return pid

    def _watched(self, pid: int, captures: tuple[Capture, Capture], start: float) -> Execution:
        handle = os.pidfd_open(pid)
        ended: Ended | None = None
        try:
            ended = self._wait(handle, pid, captures, start)
        finally:
            # The process is not waited for yet, so that its number, which is the group's, is no other's.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            os.close(handle)
            _, status = os.waitpid(pid, 0)
            seconds = time.monotonic() - start
            left_behind = end_children()
        if ended is None:
            raise StoppedError
        for capture in captures:
            capture.read_rest()
        out, err = captures
        return Execution(
            os.waitstatus_to_exitcode(status),
            ended,
            out.content(),
            err.content(),
            seconds,
            out.is_whole,
            out.digest(),
            left_behind,
        )

    def _wait(self, handle: int, pid: int, captures: Sequence[Capture], start: float) -> Ended | None:
        """Read what it writes until it ends, or has to be ended; None if the run was stopped."""
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(self._life, 0)
        by_handle = {capture.handle: capture for capture in captures}
        for number in by_handle:
            poll.register(number, select.POLLIN)
        end = start + self.limits.seconds
        watched = self.limits.memory if self.limits.memory_kind == "resident" else 0
        while True:
            left = (end - time.monotonic()) * 1000
            if left <= 0:
                return "timeout"
            ready = dict(poll.poll(min(left, _WATCH) if watched else left))
            if self._life in ready:
                return None
            for number in ready.keys() & by_handle.keys():
                if not by_handle[number].read():
                    poll.unregister(number)
            if handle in ready:
                return "itself"
            if watched and _resident(pid) > watched:
                return "memory"


def has_hung_up(life: int) -> bool:
    """Whether the other end of a pipe is closed."""
    poll = select.poll()
    poll.register(life, 0)
    return bool(poll.poll(0))


def _resident(pid: int) -> int:
    """How many bytes of a process are in memory."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_SIZE
    except (OSError, ValueError, IndexError):
        return 0
