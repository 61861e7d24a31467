"""One thing that an image carries, as the listing tells of it."""

from __future__ import annotations

import stat
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.types import DynamicMessage, JsonObject


@dataclass(frozen=True, slots=True)
class Item:
    """A file, a buffer or a segment that stood in ``source``, an image.

    ``kind`` says what carries it ("ghost-file", "memfd", "pipe", ...), ``type`` what it is ("file", "folder",
    "link", "fifo", ...). ``id`` is the one that images refer to it by, ``name`` its name or path when it was
    dumped. ``size`` is in bytes, ``mode`` has the permissions without the type; times are seconds since 1970.
    ``target`` is what a link says. ``file`` is what was written, relative to the folder; None if nothing was.
    """

    kind: str
    source: str
    id: str = ""
    name: str = ""
    type: str = "file"
    size: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    accessed: float | None = None
    modified: float | None = None
    target: str = ""
    file: str | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        """The item as the listing has it: the mode in octal digits, all else as it is."""
        shown = asdict(self)
        shown["notes"] = list(self.notes)
        if self.mode is not None:
            shown["mode"] = f"{self.mode:04o}"
        return shown


def type_of(mode: int) -> str:
    """What ``st_mode`` says that a file is.

    >>> type_of(0o100644), type_of(0o40755)
    ('file', 'folder')
    """
    return _TYPES.get(stat.S_IFMT(mode), f"of type {stat.S_IFMT(mode):#o}")


def seconds(time: DynamicMessage | None) -> float | None:
    """A timeval, in seconds."""
    return None if time is None else round(time.tv_sec + time.tv_usec / 1_000_000, 6)


_TYPES: Mapping[int, str] = {
    0: "file",  # memory files are told without their type
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
