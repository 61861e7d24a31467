"""Files and folders that appear whole or not at all: written beside, synced, renamed."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_MODE = 0o666


@contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of ``path`` when the block ends without an error.

    A file that is there keeps its mode and, where permitted, its owner; a symbolic link is followed, so
    that it stays a link. What is no regular file (``/dev/stdout``, a pipe) is written to directly.
    """
    given = Path(path)
    if given.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(path))
    if given.exists() and not given.is_file():  # told before a link like /dev/stdout is resolved
        with given.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    neighbour = target.with_name(f".dyncrit-{os.urandom(8).hex()}.new")
    try:
        with _open_private(neighbour, path) as file:
            yield file
            file.flush()
            _copy_mode(target, file.fileno())
            os.fsync(file.fileno())
        neighbour.replace(target)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def default_mode() -> int:
    """The mode that a new file gets: what the process's umask leaves of 0666."""
    return _DEFAULT_MODE & ~_umask()


def sync_folder(folder: Path) -> None:
    """See to it that names in a folder that were changed outlast a crash, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def new_folder(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[Path]:
    """A folder to write to, that becomes ``path`` when the block ends without an error.

    ``path`` must not be there, or be an empty folder, which keeps its owner and mode. A new one that is
    ``private`` is for the user only. Raises DyncritError and OSError.
    """
    target = Path(os.path.realpath(path))
    exists = target.is_dir()
    if target.exists() and not exists:
        raise DyncritError("is no folder; name one that is new or empty", str(path))
    if exists and any(target.iterdir()):
        raise DyncritError("is not empty; name a new folder, or an empty one", str(path))
    folder = (target if exists else target.parent) / f".dyncrit-{os.urandom(8).hex()}.new"
    try:
        folder.mkdir(0o700 if private else 0o777)
    except OSError as error:
        error.filename = str(path)  # the name that the caller knows
        raise
    try:
        yield folder
        if exists:
            for entry in sorted(folder.iterdir()):
                entry.rename(target / entry.name)
            folder.rmdir()
        else:
            folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _open_private(neighbour: Path, path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return open(neighbour, "x+b", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        error.filename = str(path)  # the name that the caller knows
        raise


def _copy_mode(target: Path, handle: int) -> None:
    try:
        status = target.stat()
    except FileNotFoundError:
        os.fchmod(handle, default_mode())
        return
    with suppress(PermissionError):
        os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, stat.S_IMODE(status.st_mode))


def _umask() -> int:
    """The process's umask, read without changing it."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
