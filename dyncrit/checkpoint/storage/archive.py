"""A checkpoint in a tar file: members are read in place, and nothing is ever written under their names."""

from __future__ import annotations

import os
import stat
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.checkpoint.storage.compression import Limits, compression_of, room_needed, unpack
from dyncrit.checkpoint.storage.mapped import map_file, open_view
from dyncrit.checkpoint.storage.state import ArchiveState
from dyncrit.checkpoint.storage.tar import members, path_of
from dyncrit.checkpoint.storage.tree import FileTree
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dyncrit.checkpoint.storage.tar import Member

# Far more than any checkpoint has, and as much as is indexed in seconds.
_BOUNDS = {"members": 1_000_000, "links": 10_000, "runs": 1_000_000}
_MAX_DEPTH = 64
_MAX_STEPS = 1024
_MAX_LINK_TEXT = 4096

_PARENT = "parent"


def open_archive(path: Path, limits: Limits | None = None) -> ArchiveTree:
    """The tree in a tar file: read in place, or unpacked once if it is compressed, whatever its name says.

    Raises ImageError for what is no tar file, is damaged or cut off, is more than ``limits`` allow, or
    has members that don't belong in a checkpoint: names and links that lead out of it, devices, fifos.
    OSError as ``open`` does.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("no regular file", str(path))
        data = map_file(file)
    tree = open_archive_view(data, str(path), (status.st_dev, status.st_ino), limits)
    tree.state = ArchiveState.of(status)
    return tree


def open_archive_view(
    data: memoryview, name: str, identity: tuple[object, ...], limits: Limits | None = None
) -> ArchiveTree:
    """As :func:`open_archive`, of bytes in memory: a layer of an image, or an archive in an archive.

    ``name`` is what errors call it, ``identity`` what tells it from others.
    """
    limits = limits or Limits()
    unpacked = 0
    compression = compression_of(data)
    if compression is not None:
        with unpack(data, limits, name) as file:
            data = map_file(file)
        unpacked = len(data)
    return ArchiveTree(_Archive(data, name, identity, limits, unpacked), compression=compression)


class ArchiveTree(FileTree):
    """A folder of a tar file. Links are followed within the file; one named ``parent`` is only told.

    The tree that was opened lets go of the file when it is closed, the trees of folders leave it open.
    """

    def __init__(
        self, archive: _Archive, prefix: tuple[str, ...] = (), compression: str | None = None
    ) -> None:
        """The folder ``prefix``, which is there, of an archive.

        ``compression`` is how the archive is compressed: gzip, bzip2, xz, zstd or None. ``state`` is that of
        the file on disk before it was read; None for a folder, and for an archive in memory.
        """
        self.state: ArchiveState | None = None
        self.compression = compression
        self.prefix = prefix
        self._archive = archive
        self._folder = archive.folder(prefix)
        self._files: dict[str, _File] | None = None
        self.name = "/".join((archive.name, *prefix))

    @property
    def unpacked(self) -> int:
        """How many bytes were unpacked to a temporary file."""
        return self._archive.unpacked

    @property
    def data(self) -> memoryview:
        """The bytes of the tar file that it is a folder of, unpacked."""
        return self._archive.data

    def shares(self, other: FileTree) -> bool:
        """Whether another tree is a folder of the same tar file, opened as one."""
        return isinstance(other, ArchiveTree) and other.data is self.data

    def member_path(self, name: str) -> tuple[str, ...]:
        """The steps from the archive's root to a file, links followed, or to where a new one would stand."""
        item = self._folder.items.get(name)
        if name in self._known() and isinstance(item, _Link):
            found = self._archive.follow(self.prefix, item.target)
            if found:
                return found[0]
        return (*self.prefix, name)

    def names(self) -> list[str]:
        """The names of the regular files in it, and of links to such, sorted."""
        return list(self._known())

    def folders(self) -> list[str]:
        """The names of the folders in it, sorted."""
        return sorted(name for name, item in self._folder.items.items() if isinstance(item, _Folder))

    def folder(self, name: str) -> ArchiveTree:
        """The tree below one of its folders; closing that closes nothing."""
        if not isinstance(self._folder.items.get(name), _Folder):
            raise FileNotFoundError(2, "No such directory", self.path(name))
        return ArchiveTree(self._archive, (*self.prefix, name), self.compression)

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self._file(name).size

    def open(self, name: str) -> BinaryIO:
        """A file, open for reading in place."""
        return open_view(self.view(name))

    def view(self, name: str) -> memoryview:
        """The bytes of a file, in place; a sparse file's are put into a temporary file first."""
        return self._archive.view(self._file(name), self.path(name))

    def link(self, name: str) -> str | None:
        """What the symbolic link ``name``, or the line that stands for one, says."""
        item = self._folder.items.get(name)
        if isinstance(item, _Link):
            return item.target
        if not isinstance(item, _File) or item.size > _MAX_LINK_TEXT:
            return None
        text = bytes(self.view(name)).removesuffix(b"\n")
        return None if not text or b"\n" in text or b"\0" in text else os.fsdecode(text)

    def linked_folder(self, link: str) -> ArchiveTree:
        """The folder that a link leads to within this archive; anywhere else there is none."""
        try:
            found = self._archive.follow(self.prefix, link)
        except _AstrayError as error:
            raise FileNotFoundError(2, f"No such directory in {self._archive.name} ({error})", link) from None
        if found is None or not isinstance(found[1], _Folder):
            raise FileNotFoundError(2, f"No such directory in {self._archive.name}", link)
        return ArchiveTree(self._archive, found[0], self.compression)

    @property
    def identity(self) -> tuple[object, ...]:
        """The archive's device and inode, and the folder in it."""
        return (*self._archive.identity, self.prefix)

    def close(self) -> None:
        """Let go of the file and of temporary copies; what was given out of them stays readable."""
        if not self.prefix:
            self._archive.close()

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def _file(self, name: str) -> _File:
        file = self._known().get(name)
        if file is None:
            raise FileNotFoundError(2, "No such file", self.path(name))
        return file

    def _known(self) -> dict[str, _File]:
        if self._files is None:
            found = ((name, self._target(item)) for name, item in sorted(self._folder.items.items()))
            self._files = {name: item for name, item in found if isinstance(item, _File)}
        return self._files

    def _target(self, item: _Item) -> _Item | None:
        if not isinstance(item, _Link) or item.is_parent:
            return item
        found = self._archive.follow(self.prefix, item.target)
        return found[1] if found else None


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A regular file; ``member`` has its name, and its map if it is sparse."""

    offset: int
    size: int
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class _Link:
    target: str
    is_parent: bool


@dataclass(frozen=True, slots=True)
class _Folder:
    items: dict[str, _Item] = field(default_factory=dict)


_Item = _File | _Link | _Folder


class _AstrayError(Exception):
    """A path that leads out of the archive, or in a circle."""


class _Archive:
    """The index of a tar file, which the trees of its folders share."""

    def __init__(
        self, data: memoryview, name: str, identity: tuple[object, ...], limits: Limits, unpacked: int
    ) -> None:
        self.name = name
        self.identity = identity
        self.unpacked = unpacked
        self._data: memoryview | None = data
        self._limits = limits
        self._expanded: dict[_File, memoryview] = {}
        self._root = _Folder()
        self._counts: Counter[str] = Counter()
        self._index(members(data, name))

    @property
    def data(self) -> memoryview:
        if self._data is None:
            raise ValueError(f"{self.name} is closed")
        return self._data

    def folder(self, prefix: tuple[str, ...]) -> _Folder:
        folder = self._root
        for name in prefix:
            item = folder.items[name]
            if not isinstance(item, _Folder):
                raise KeyError(name)
            folder = item
        return folder

    def view(self, file: _File, place: str) -> memoryview:
        if file.member is None:
            return self.data[file.offset : file.offset + file.size]
        if file not in self._expanded:
            self._expanded[file] = self._expand(file.member, self.data, place)
        return self._expanded[file]

    def follow(self, start: tuple[str, ...], path: str) -> tuple[tuple[str, ...], _Item] | None:
        """What a path leads to, read from a folder, with that thing's own path; None if there is nothing.

        Raises _AstrayError where it leads out of the archive, or in a circle.
        """
        way: list[tuple[str, _Item]] = [
            (name, self.folder(start[: depth + 1])) for depth, name in enumerate(start)
        ]
        left = _steps(path)
        for _ in range(_MAX_STEPS):
            item = way[-1][1] if way else self._root
            if not left:
                return tuple(name for name, _ in way), item
            step = left.pop()
            if step == "..":
                if not way:
                    raise _AstrayError("it leads out of the archive")
                way.pop()
                continue
            inner = item.items.get(step) if isinstance(item, _Folder) else None
            if inner is None:
                return None
            if isinstance(inner, _Link):
                left += _steps(inner.target)
            else:
                way.append((step, inner))
        raise _AstrayError(f"a circle of links, or over {_MAX_STEPS} steps")

    def close(self) -> None:
        self._data = None
        self._expanded.clear()

    def _index(self, found: Iterable[Member]) -> None:
        links: list[tuple[tuple[str, ...], _Link, Member]] = []
        for member in found:
            path = self._path(member)
            item = self._item(member, path)
            self._count(member)
            if isinstance(item, _Link) and not item.is_parent:
                links.append((path[:-1], item, member))
            if path:
                self._insert(path, item, member)
        for folder, link, member in links:
            try:
                self.follow(folder, link.target)
            except _AstrayError as error:
                raise self._error(f"a link to {link.target!r}: {error}", member) from None

    def _count(self, member: Member) -> None:
        self._counts.update(
            members=1, links=member.kind in {"link", "hard link"}, runs=len(member.runs or ())
        )
        for what, bound in _BOUNDS.items():
            if self._counts[what] > bound:
                raise self._error(f"more than {bound} {what}", member)

    def _path(self, member: Member) -> tuple[str, ...]:
        try:
            path = path_of(member.name)
        except ValueError as error:
            raise self._error(str(error), member) from None
        if not path and member.kind != "folder":
            raise self._error("a name that leaves nothing to call it by", member)
        if len(path) > _MAX_DEPTH:
            raise self._error(f"more than {_MAX_DEPTH} folders deep", member)
        return path

    def _item(self, member: Member, path: tuple[str, ...]) -> _Item:
        match member.kind:
            case "folder":
                return _Folder()
            case "file":
                if member.runs is None:
                    return _File(member.offset, member.size)
                self._limits.check(member.size, max(member.stored, 1), f"{self.name}: {member.name}")
                return _File(member.offset, member.size, member)
            case "link":
                return _Link(member.target, path[-1] == _PARENT)
            case "hard link":
                return self._hard_link(member)
        raise self._error(f"its kind is {member.kind}; expected files, folders and links", member)

    def _hard_link(self, member: Member) -> _Item:
        """What a hard link stands for: a file that came before it, which it names from the archive's root."""
        try:
            found = self.follow((), member.target)
        except _AstrayError as error:
            raise self._error(f"a hard link to {member.target!r}: {error}", member) from None
        if found is None or isinstance(found[1], _Folder):
            raise self._error(f"a hard link to {member.target!r}, which is no file before it", member)
        return found[1]

    def _insert(self, path: tuple[str, ...], item: _Item, member: Member) -> None:
        folder = self._root
        for name in path[:-1]:
            inner = folder.items.get(name)
            if inner is None:
                self._counts["members"] += 1  # a folder that has no member of its own
                inner = folder.items[name] = _Folder()
            if not isinstance(inner, _Folder):
                raise self._error(f"it stands below {name!r}, which is no folder", member)
            folder = inner
        before = folder.items.get(path[-1])
        if before is None or not isinstance(item, _Folder):
            folder.items[path[-1]] = item
        if before is not None and type(before) is not type(item):
            raise self._error("the name stands for two things of different kinds", member)

    def _expand(self, member: Member, data: memoryview, place: str) -> memoryview:
        """The bytes of a sparse file, in a temporary file that is as sparse."""
        self._limits.check(member.size, max(member.stored, 1), place)
        with room_needed(place), tempfile.TemporaryFile(prefix="dyncrit-", buffering=0) as file:
            file.truncate(member.size)
            position = member.offset
            for run in member.runs or ():
                _write_all(file.fileno(), data[position : position + run.size], run.offset)
                position += run.size
            return map_file(file)

    def _error(self, problem: str, member: Member) -> ImageError:
        return ImageError(f"{problem} (byte {member.header})", self.name, member.name)


def _write_all(handle: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def _steps(path: str) -> list[str]:
    """The steps of a path, the first one last."""
    if path.startswith("/"):
        raise _AstrayError("an absolute path")
    return [step for step in reversed(path.split("/")) if step not in {"", "."}]
