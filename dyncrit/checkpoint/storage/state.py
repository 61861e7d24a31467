"""The state in which a file on disk was read: whether it is still that one, as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    import os


class FileState(NamedTuple):
    """What tells a file from another in its place; ``modified`` (mtime) is in nanoseconds.

    When it was altered (ctime) is left out: a hard link to a file that stays, as our own changes make, would
    alter another file's if both are one.
    """

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """What ``stat`` tells."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class ArchiveState(NamedTuple):
    """What tells an archive from another in its place, and from itself after it was written over.

    ``altered`` (ctime) is in nanoseconds. Our own changes keep the mtime, and inodes are used again: then
    only the ctime differs.
    """

    file: FileState
    altered: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """What ``stat`` tells."""
        return cls(FileState.of(status), status.st_ctime_ns)
