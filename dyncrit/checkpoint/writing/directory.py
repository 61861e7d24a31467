"""Changes files of a directory: one by renaming over it, several by exchanging the whole directory."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.atomic import sync_folder
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.checkpoint.writing import renaming
from dyncrit.checkpoint.writing.attributes import have_one_owner, keep_attributes
from dyncrit.checkpoint.writing.swap import FileSwap, swap_files
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dyncrit.checkpoint.writing.changes import FileChange

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_STACKED = frozenset({b"overlay", b"aufs", b"fuse.unionfs", b"fuse.fuse-overlayfs"})
_LISTED = os.R_OK | os.W_OK | os.X_OK


def change_directory(
    changes: Sequence[FileChange], staging: Path, require: Callable[[], None] = lambda: None
) -> None:
    """Make changes of files in a directory and the folders below it.

    A single file is renamed over the old. For several, a copy of the directory is made of hard links, and the
    two are exchanged; where that can't be done, the files are swapped one by one, and swapped back if it
    fails. ``require`` is called just before, and raises where things are no longer as they were read. Raises
    OSError and DyncritError with everything as it was.
    """
    swaps = _resolved(changes)
    for directory in {swap.directory for swap in swaps}:
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied", str(directory))
    swaps = _prepared(swaps, staging)
    if len(swaps) == 1 or not _exchange(swaps, staging, require):
        swap_files(swaps, require)


def _resolved(changes: Sequence[FileChange]) -> list[FileSwap]:
    """The files on disk that changes are about, links followed; a link that is removed is itself meant."""
    swaps = [swap for change in changes for swap in _swaps(change)]
    seen: set[Path] = set()
    for swap in swaps:
        if swap.path in seen:
            raise DyncritError("two changes of one file, which goes by several names", str(swap.path))
        seen.add(swap.path)
    return swaps


def _swaps(change: FileChange) -> Iterator[FileSwap]:
    if not isinstance(change.folder, DirectoryTree):
        raise DyncritError("stands in no directory, where one was expected", change.place)
    directory = Path(os.path.realpath(change.folder.directory))
    if change.content is None:
        if not os.path.lexists(directory / change.name):
            raise FileNotFoundError(errno.ENOENT, "No such file", change.place)
        yield FileSwap(directory / change.name, None)
        return
    path = change.folder.real_path(change.name)
    if path.is_dir():
        raise ImageError("a directory, where a file is to be written", change.place)
    if change.new_name:
        yield FileSwap(path, None)
        yield FileSwap(path.with_name(change.new_name), change.content, path)
    else:
        yield FileSwap(path, change.content, path if path.exists() else None)


def _prepared(swaps: Sequence[FileSwap], staging: Path) -> list[FileSwap]:
    """The same, each with a content of its own, which can be moved and has its attributes, and is on disk."""
    prepared, taken = [], set()
    for swap in swaps:
        content = swap.content
        if content is not None:
            if not content.is_relative_to(staging) or content.stat().st_nlink > 1 or content in taken:
                content = shutil.copyfile(content, staging / os.urandom(8).hex())
            swap.finish(content)
            taken.add(content)
        prepared.append(swap._replace(content=content))
    return prepared


def _exchange(swaps: Sequence[FileSwap], staging: Path, require: Callable[[], None]) -> bool:
    """Exchange the directory around all changes for one with them made; whether that could be done."""
    top = Path(os.path.commonpath([swap.directory for swap in swaps]))
    if staging.is_relative_to(top) or _must_stay(top):
        return False
    copy = _LinkedCopy(top, staging / f"{os.urandom(8).hex()}.tree")
    try:
        copy.make({swap.path: swap.content for swap in swaps})
        require()
        renaming.exchange(copy.path, top)
    except OSError:  # each of them can be a matter of directories only
        shutil.rmtree(copy.path, ignore_errors=True)
        return False
    sync_folder(top.parent)
    copy.rescue()
    return True


class _LinkedCopy:
    """A directory beside another, with hard links to all that stays as it is."""

    def __init__(self, top: Path, path: Path) -> None:
        self.path = path
        self._top = top
        self._seen: dict[Path, tuple[int, ...]] = {}

    def make(self, contents: dict[Path, Path | None]) -> None:
        """Make it; ``contents`` are the files that are new, changed or removed."""
        directories = [self._top]
        for directory in directories:  # grows
            directories += self._link(directory, contents)
        for path, content in contents.items():
            if content is not None:
                os.link(content, self._twin(path))
        for directory in reversed(directories):
            twin = self._twin(directory)
            keep_attributes(directory, twin)
            if not have_one_owner(directory, twin):
                raise PermissionError(errno.EPERM, "Operation not permitted", str(directory))
            sync_folder(twin)
        sync_folder(self.path.parent)

    def rescue(self) -> None:
        """After the exchange: move over what others have written into the old directory meanwhile."""
        known = {path.relative_to(self._top): mark for path, mark in self._seen.items()}
        folders = [self.path]
        for folder in folders:  # grows
            for path in folder.iterdir():
                relative = path.relative_to(self.path)
                mark = known.get(relative)
                with suppress(OSError):  # what stands in the way is as new
                    if mark is not None and path.is_dir() and not path.is_symlink():
                        folders.append(path)
                    elif mark is not None and _marks(path.lstat())[: len(mark)] != mark:
                        path.replace(self._top / relative)
                    elif mark is None and not os.path.lexists(self._top / relative):
                        path.rename(self._top / relative)

    def _link(self, directory: Path, contents: dict[Path, Path | None]) -> list[Path]:
        """Link the files of a directory; gives the directories in it."""
        if not os.access(directory, _LISTED):
            raise PermissionError(errno.EACCES, "Permission denied", str(directory))
        twin = self._twin(directory)
        twin.mkdir(0o700)
        inner = []
        with os.scandir(directory) as entries:
            for entry in entries:
                path, status = Path(entry.path), entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    inner.append(path)
                elif path not in contents:
                    os.link(path, twin / entry.name, follow_symlinks=False)
                # What is linked is one file in both; what isn't can be written over in place, too.
                self._seen[path] = _marks(status) if path in contents else (status.st_ino,)
        return inner

    def _twin(self, path: Path) -> Path:
        return self.path / path.relative_to(self._top)


def _marks(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another in its place, and behind that what changes when it is written over."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _must_stay(top: Path) -> bool:
    """Whether a directory can't be exchanged for another without harm.

    What is mounted there or below would go away with the old one; and where file systems lie one over the
    other, a hard link to a file of the lower makes a copy of it.
    """
    try:
        mounts = [_mount(line) for line in _MOUNTS.read_bytes().splitlines()]
    except OSError:
        return True
    if any(point.is_relative_to(top) for point, _ in mounts):
        return True
    around = [mount for mount in mounts if top.is_relative_to(mount[0])]
    _, kind = max(around, key=lambda mount: len(mount[0].parts), default=(top, b""))
    return kind in _STACKED


def _mount(line: bytes) -> tuple[Path, bytes]:
    """The mount point, and the kind of file system, of a line of mountinfo (proc_pid_mountinfo(5))."""
    before, _, behind = line.partition(b" - ")
    point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), before.split(b" ")[4])
    return Path(os.fsdecode(point)), behind.partition(b" ")[0]
