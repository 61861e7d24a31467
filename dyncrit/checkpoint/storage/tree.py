"""Where files stand: a tree of them, on disk here, in an archive in :mod:`.archive`.

Nothing that a tree gives lies outside of it, whatever its names and links say.
"""

from __future__ import annotations

import mmap
import os
import stat
from abc import ABC, abstractmethod
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dyncrit.errors import ImageError

_OPEN_VIEWS = 64
_MAX_LINK_TEXT = 4096


class FileTree(ABC):
    """Regular files by their names, and the folders beside them. ``name`` is what errors call the tree."""

    name: str

    @abstractmethod
    def names(self) -> list[str]:
        """The names of the regular files that stand directly in it, sorted."""

    @abstractmethod
    def folders(self) -> list[str]:
        """The names of the folders that stand directly in it, sorted."""

    @abstractmethod
    def folder(self, name: str) -> FileTree:
        """The tree below one of its folders; raises FileNotFoundError if there is none."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The size of a file in bytes; raises FileNotFoundError."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """A file, open for reading and seekable; raises FileNotFoundError."""

    @abstractmethod
    def view(self, name: str) -> memoryview:
        """The bytes of a file in place, without reading them into memory; raises FileNotFoundError."""

    @abstractmethod
    def link(self, name: str) -> str | None:
        """What the symbolic link ``name`` says, or None if it is no link. It is not followed.

        A file of one short line stands for a link, too: so copies look that were made where there
        are no links.
        """

    @abstractmethod
    def linked_folder(self, link: str) -> FileTree:
        """The folder that a link's text leads to, read from here; raises FileNotFoundError."""

    @property
    @abstractmethod
    def identity(self) -> tuple[object, ...]:
        """Equal for two trees that are the same folder."""

    def close(self) -> None:  # noqa: B027 (most trees hold nothing)
        """Let go of files and temporary copies."""

    def holder(self, name: str) -> FileTree:  # noqa: ARG002 (most trees hold all their files)
        """The directory, or folder of one archive, that a file stands in or a new one would be put in."""
        return self

    def path(self, name: str) -> str:
        """How errors call a file of this tree."""
        return f"{self.name}/{name}"

    def __contains__(self, name: object) -> bool:
        return name in self.names()


class DirectoryTree(FileTree):
    """A directory on disk. Symbolic links in it are followed only where they stay within it."""

    def __init__(self, path: Path, root: Path | None = None) -> None:
        self._path = path
        self._root = Path(os.path.realpath(root or path))
        self.name = str(path)
        self._views: OrderedDict[str, memoryview] = OrderedDict()
        self._names, self._folders = self._list()

    @property
    def directory(self) -> Path:
        """The directory's path."""
        return self._path

    def real_path(self, name: str) -> Path:
        """Where a file stands, links followed, or where a new one would; no link is left on the way.

        Raises ImageError for a link that leads out of the directory.
        """
        path = Path(os.path.realpath(self._path)) / name
        return Path(os.path.realpath(self._inside(name))) if path.is_symlink() else path

    def names(self) -> list[str]:
        """The names of the regular files in it, sorted."""
        return sorted(self._names)

    def folders(self) -> list[str]:
        """The names of the directories in it, sorted."""
        return sorted(self._folders)

    def folder(self, name: str) -> DirectoryTree:
        """The tree below one of its directories."""
        if name not in self._folders:
            raise FileNotFoundError(2, "No such directory", self.path(name))
        return DirectoryTree(self._path / name, self._root)

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self._inside(name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        """A file, open for reading."""
        path = self._inside(name)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ImageError("no regular file", self.path(name))
        return open(handle, "rb")  # noqa: PTH123 (a descriptor)

    def view(self, name: str) -> memoryview:
        """The bytes of a file, memory-mapped."""
        if name in self._views:
            self._views.move_to_end(name)
            return self._views[name]
        with self.open(name) as file:
            empty = os.fstat(file.fileno()).st_size == 0
            view = memoryview(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._views[name] = view
        if len(self._views) > _OPEN_VIEWS:
            self._views.popitem(last=False)
        return view

    def link(self, name: str) -> str | None:
        """What the symbolic link ``name``, or the line that stands for one, says."""
        path = self._path / name
        try:
            if path.is_symlink():
                return str(path.readlink())
            if not path.is_file() or path.stat().st_size > _MAX_LINK_TEXT:
                return None
            text = path.read_bytes().removesuffix(b"\n")
        except OSError:
            return None
        return None if not text or b"\n" in text or b"\0" in text else os.fsdecode(text)

    def linked_folder(self, link: str) -> DirectoryTree:
        """The directory that a link leads to; as in CRIU, it may stand anywhere on this machine."""
        target = self._path / link
        if not target.is_dir():
            raise FileNotFoundError(2, "No such directory", str(target))
        plain = Path(os.path.normpath(target))  # which is another folder where a link stands before a ..
        return DirectoryTree(plain if plain.is_dir() and plain.samefile(target) else target)

    @property
    def identity(self) -> tuple[object, ...]:
        """The directory's device and inode."""
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """Forget the files that were mapped."""
        self._views.clear()

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def _list(self) -> tuple[set[str], set[str]]:
        names, folders = set(), set()
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.is_symlink() and not self._stays(Path(entry.path)):
                    continue
                with suppress(OSError):  # a link that leads in circles
                    if entry.is_file():
                        names.add(entry.name)
                    elif entry.is_dir() and not entry.is_symlink():
                        folders.add(entry.name)
        return names, folders

    def _stays(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _inside(self, name: str) -> Path:
        path = self._path / name
        if name not in self._names:
            if path.is_symlink() and path.exists():
                raise ImageError(
                    f"a link out of the directory, to {path.readlink()}; it is not followed", str(path)
                )
            raise FileNotFoundError(2, "No such file", str(path))
        return path
