"""One change at a time: directories and archives are locked while they are written."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES})


@contextmanager
def locked(paths: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of files or directories; raises DyncritError if another process is changing one.

    Where a file system has no locks, nothing is locked.
    """
    with ExitStack() as stack:
        for path in dict.fromkeys(paths):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _HELD:
                    raise _busy(path) from None
            if not _is_still(path, handle):
                raise _busy(path)
        yield


def _is_still(path: Path, handle: int) -> bool:
    """Whether a path still names what was locked: another change swaps it for something new."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _busy(path: Path) -> DyncritError:
    return DyncritError("another process is changing it at this moment; nothing was changed here", str(path))
