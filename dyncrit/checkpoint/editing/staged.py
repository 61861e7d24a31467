"""A folder as it will be: what was changed stands in a staging folder, all else where it was."""

from __future__ import annotations

import filecmp
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.checkpoint.storage.mapped import map_file
from dyncrit.checkpoint.storage.state import FileState
from dyncrit.checkpoint.storage.tree import DirectoryTree, FileTree
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_COPY_SIZE = 1 << 30


class StagedFolder(FileTree):
    """The files of a folder with the changes made to them so far; nothing of the folder itself is touched.

    ``original`` is the folder as it is. What comes out as it was is no change.
    """

    def __init__(self, original: FileTree, staging: Callable[[], Path]) -> None:
        """``staging`` gives the folder for new contents, when one is first needed."""
        self.original = original
        self.name = original.name
        self._staging = staging
        self._staged: dict[str, Path | None] = {}
        self._kept: frozenset[Path | None] = frozenset()
        self._read: dict[str, FileState | None] = {}

    @property
    def changes(self) -> list[FileChange]:
        """The files that are new, changed or removed, by name."""
        return [FileChange(self.original, name, self._staged[name]) for name in sorted(self._staged)]

    def staged(self, name: str) -> Path | None:
        """Where the new content of a file stands; None if it is as it was, or gone."""
        return self._staged.get(name)

    def require_unchanged(self) -> None:
        """Raise DyncritError if a file that is to change was changed on disk by another since it was read."""
        for name in sorted(self._staged):
            if name in self._read and self._read[name] != self._state(name):
                raise DyncritError("was changed by another since it was read", self.path(name))

    def names(self) -> list[str]:
        """The names of the regular files in it, sorted."""
        kept = {name for name in self.original.names() if name not in self._staged}
        return sorted(kept | {name for name, content in self._staged.items() if content is not None})

    def folders(self) -> list[str]:
        """The names of the folders in it, sorted."""
        return self.original.folders()

    def folder(self, name: str) -> FileTree:
        """The tree below one of its folders, as it is."""
        return self.original.folder(name)

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        content = self._content(name)
        return self.original.size(name) if content is None else content.stat().st_size

    def open(self, name: str) -> BinaryIO:
        """A file, open for reading."""
        content = self._content(name)
        if content is not None:
            return content.open("rb")
        self._note(name)
        return self.original.open(name)

    def view(self, name: str) -> memoryview:
        """The bytes of a file, in place."""
        content = self._content(name)
        if content is None:
            self._note(name)
            return self.original.view(name)
        with content.open("rb") as file:
            return map_file(file)

    def link(self, name: str) -> str | None:
        """What the symbolic link ``name`` says."""
        return None if name in self._staged else self.original.link(name)

    def linked_folder(self, link: str) -> FileTree:
        """The folder that a link leads to."""
        return self.original.linked_folder(link)

    @property
    def identity(self) -> tuple[object, ...]:
        """That of the folder itself."""
        return self.original.identity

    def __contains__(self, name: object) -> bool:
        if name in self._staged:
            return self._staged[name] is not None
        return name in self.original

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Takes back what was staged within the block if that raises; they may stand within each other."""
        before, kept = dict(self._staged), self._kept
        self._kept = kept.union(before.values())
        left = self._staged
        try:
            yield
            left = before
        except BaseException:
            left, self._staged = self._staged, before
            raise
        finally:
            self._kept = kept
            for content in set(left.values()).difference(self._staged.values(), kept):
                if content is not None:
                    content.unlink(missing_ok=True)

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """A file for the new content of ``name``, which counts when the block ends without an error."""
        with self._new(name) as file:
            yield file

    @contextmanager
    def modify(self, name: str) -> Iterator[BinaryIO]:
        """A copy of a file to change in place, which counts when the block ends without an error."""
        with self.open(name) as before, self._new(name) as file:
            _copy(before, file)
            file.seek(0)
            yield file

    def remove(self, name: str) -> None:
        """Take a file out; raises FileNotFoundError if there is none."""
        if name not in self:
            raise FileNotFoundError(2, "No such file", self.path(name))
        self._note(name)
        self._forget(name)
        if name in self.original:
            self._staged[name] = None

    @contextmanager
    def _new(self, name: str) -> Iterator[BinaryIO]:
        self._check_name(name)
        self._note(name)
        path = self._staging() / os.urandom(8).hex()
        try:
            with path.open("x+b") as file:
                yield file
            is_same = name in self and _are_equal(self, name, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if is_same:
            path.unlink()
        elif name in self._staged and name in self.original and _are_equal(self.original, name, path):
            path.unlink()
            self._forget(name)
        else:
            self._forget(name)
            self._staged[name] = path

    def _check_name(self, name: str) -> None:
        """Raise DyncritError for what can't be the name of a file here."""
        if not name or "/" in name or "\0" in name or name in {".", ".."}:
            raise DyncritError(f"{name!r} is no name of a file", self.name)
        if name in self or name in self.original:
            return
        if name in self.folders() or self.original.link(name) is not None:
            raise DyncritError("there is a folder or a link of this name", self.path(name))

    def _forget(self, name: str) -> None:
        """Take back what was staged for a file; views of it stay good."""
        content = self._staged.pop(name, None)
        if content is not None and content not in self._kept:
            content.unlink(missing_ok=True)

    def _note(self, name: str) -> None:
        """Remember the state in which a file was first met."""
        if name not in self._read and isinstance(self.original, DirectoryTree):
            self._read[name] = self._state(name)

    def _state(self, name: str) -> FileState | None:
        """What tells a file on disk from another that takes its place; None if there is none."""
        if not isinstance(self.original, DirectoryTree):
            return None
        try:
            return FileState.of((self.original.directory / name).stat())
        except OSError:
            return None

    def _content(self, name: str) -> Path | None:
        """Where the new content of a file stands; None if it is as it was. Raises FileNotFoundError."""
        if name not in self._staged:
            return None
        content = self._staged[name]
        if content is None:
            raise FileNotFoundError(2, "No such file", self.path(name))
        return content


def _are_equal(folder: FileTree, name: str, path: Path) -> bool:
    if folder.size(name) != path.stat().st_size:
        return False
    with folder.open(name) as before, path.open("rb") as after:
        while piece := before.read(filecmp.BUFSIZE * 32):
            if piece != after.read(len(piece)):
                return False
    return True


def _copy(before: BinaryIO, file: BinaryIO) -> None:
    """Copy a file; within a file system that shares blocks, they are shared."""
    if not _copy_in_kernel(before, file):
        before.seek(0)
        file.seek(0)
        file.truncate()
        shutil.copyfileobj(before, file, 1 << 20)


def _copy_in_kernel(before: BinaryIO, file: BinaryIO) -> bool:
    """Copy a file without reading it; tells whether that could be done."""
    done = 0
    try:
        source, size = before.fileno(), os.fstat(before.fileno()).st_size
        while done < size:
            copied = os.copy_file_range(source, file.fileno(), min(size - done, _COPY_SIZE))
            if not copied:  # so some file systems say that they can't
                return False
            done += copied
    except OSError:  # no file of the system's, or another file system
        return False
    return True
