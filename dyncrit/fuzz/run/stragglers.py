"""Processes that a target leaves behind: they become children of the one that ran it, and are ended."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from dyncrit.errors import DyncritError

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 10_000
"""How long a process may take to die after SIGKILL, in milliseconds."""


def adopt_orphans() -> None:
    """Become the parent of all processes whose own parent ends before them (prctl(2), since Linux 3.4)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> int:
    """End all children of this process, and theirs, and wait for them; gives how many were still alive.

    For processes only that have no children of their own besides those of a target. Raises DyncritError
    where one doesn't die.
    """
    ended = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid:
            continue
        for child in _children():
            ended += _end(child)


def _end(pid: int) -> int:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(_PATIENCE):
            raise DyncritError(f"process {pid}, which a target left behind, can't be ended")
    finally:
        os.close(handle)
    return 1


def _children() -> list[int]:
    """The children of this process, which has one thread."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")  # not there without CONFIG_PROC_CHILDREN
    with suppress(OSError, ValueError):
        return [int(word) for word in listed.read_text().split()]
    own = os.getpid()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == own]  # noqa: PTH208


def _parent(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
