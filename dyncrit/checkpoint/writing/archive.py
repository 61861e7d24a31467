"""Rewrites a tar file: what is unchanged is copied byte for byte, in the same order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.storage.archive import ArchiveTree, open_archive
from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.checkpoint.storage.tar import BLOCK_SIZE, members, path_of
from dyncrit.checkpoint.writing.headers import (
    Header,
    as_file,
    headers_of,
    new_headers,
    renamed,
    retargeted,
    shared_headers,
)
from dyncrit.checkpoint.writing.packing import packed_file
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dyncrit.checkpoint.storage.tar import Member
    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.checkpoint.writing.changes import FileChange
    from dyncrit.checkpoint.writing.packing import Packed

UNLIMITED = Limits(max_total=1 << 62, max_ratio=1 << 62)
"""For reading what was written here: that the old one isn't too large was checked when it was opened."""

_PIECE_SIZE = 1 << 20
_BLOCKING = 20 * BLOCK_SIZE
_END = 2 * BLOCK_SIZE
_ZEROS = bytes(_PIECE_SIZE)


def rewrite_archive(changes: Sequence[FileChange], path: Path) -> Packed:
    """Write the archive that all of the changed files stand in to ``path``, with the changes made.

    Compression, order, headers and padding stay as they are; of a changed file, the header says another size
    and all else as before, of members of one name the last is changed. A new file is the last member. Hard
    links to a changed or removed file become files with its old content. Raises DyncritError, OSError.
    """
    tree = changes[0].folder
    if not isinstance(tree, ArchiveTree) or not all(tree.shares(change.folder) for change in changes):
        raise DyncritError("stands in another archive than expected", changes[0].place)
    rewriting = _Rewriting(tree, changes)
    with packed_file(path, tree.compression) as file:
        for piece in rewriting.pieces():
            file.write(piece)
    with_changes = open_archive(path, UNLIMITED)
    try:
        _verify(with_changes, changes)
    finally:
        with_changes.close()
    return file.packed


def are_equal(one: memoryview, other: memoryview) -> bool:
    """Whether two stretches of bytes are the same."""
    return len(one) == len(other) and all(
        bytes(piece) == bytes(twin) for piece, twin in zip(_slices(one), _slices(other), strict=True)
    )


class _Task(NamedTuple):
    """What becomes of a member: its new headers, and its content."""

    headers: list[Header]
    content: Iterable[bytes | memoryview]
    size: int


class _Rewriting:
    """How the members of one archive become those of another."""

    def __init__(self, tree: ArchiveTree, changes: Sequence[FileChange]) -> None:
        self._tree = tree
        self._data = tree.data
        self._members = list(members(tree.data, tree.name))
        self._paths = [path_of(member.name) for member in self._members]
        self._last = {path: index for index, path in enumerate(self._paths)}
        self._changed: dict[int, FileChange] = {}
        self._removed: set[int] = set()
        self._new: list[FileChange] = []
        self._freed: dict[int, Member] = {}
        self._sort(changes)
        self._free_links()

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes of the new archive, unpacked."""
        end = self._members[-1].end
        starts = [*(member.header for member in self._members), end]
        total = 0
        for index, (start, stop) in enumerate(pairwise(starts)):
            for piece in self._member(index, start, stop):
                total += len(piece)
                yield piece
        for change in self._new:
            for piece in self._addition(change):
                total += len(piece)
                yield piece
        yield from self._trailer(end, total)

    def _sort(self, changes: Sequence[FileChange]) -> None:
        seen = set()
        for change in changes:
            path = self._path(change)
            if path in seen:
                raise DyncritError("two changes of one file, which goes by several names", change.place)
            seen.add(path)
            if change.content is None:
                self._removed.update(index for index, found in enumerate(self._paths) if found == path)
            elif path in self._last:
                self._changed[self._last[path]] = change
            else:
                self._new.append(change)
        for index in (*self._changed, *self._removed):
            kind = self._members[index].kind
            if kind == "folder" or (kind == "link" and index in self._changed):
                raise DyncritError(f"a {kind}, where a file is to be written", self._place(index))

    def _path(self, change: FileChange) -> tuple[str, ...]:
        """Where a file stands: links are followed, but one that is removed is itself meant."""
        tree = change.folder
        if not isinstance(tree, ArchiveTree):
            raise DyncritError("stands in no archive, where one was expected", change.place)
        own = (*tree.prefix, change.name)
        path = own if change.content is None else tree.member_path(change.name)
        if change.content is None and path not in self._last:
            raise FileNotFoundError(2, "No such file", change.place)
        if change.new_name and path != own:
            raise DyncritError("is a link, which can't be renamed with what it leads to", change.place)
        return path

    def _free_links(self) -> None:
        """Find the hard links to members that change or go, which get the old content for their own."""
        latest: dict[tuple[str, ...], int] = {}
        leads: dict[int, int] = {}
        touched = self._removed.union(self._changed)
        for index, (member, path) in enumerate(zip(self._members, self._paths, strict=True)):
            if member.kind == "hard link":
                target = latest.get(_target_path(member), -1)  # -1: it goes by a symbolic link
                leads[index] = leads.get(target, target)
                if target in touched and index not in touched:
                    self._freed[index] = self._members[leads[index]]
                    if self._freed[index].kind != "file":
                        raise DyncritError("a hard link to what is to be changed", self._place(index))
            latest[path] = index

    def _member(self, index: int, start: int, stop: int) -> Iterator[bytes | memoryview]:
        member = self._members[index]
        if index in self._removed:
            yield from (header.pack() for header in shared_headers(headers_of(self._data, member)))
            return
        task = self._task(index)
        if task is None:
            yield from _slices(self._data[start:stop])
            return
        yield from (header.pack() for header in task.headers)
        yield from task.content
        yield bytes(-task.size % BLOCK_SIZE)

    def _task(self, index: int) -> _Task | None:
        """What is to be done with a member; None if it is copied as it is."""
        member = self._members[index]
        if (change := self._changed.get(index)) is not None:
            size = _size(change)
            headers = as_file(headers_of(self._data, member), size)
            if change.new_name:
                headers = renamed(headers, change.name, change.new_name)
            return _Task(headers, _content(change, size), size)
        if (original := self._freed.get(index)) is not None:
            headers = as_file(headers_of(self._data, member), original.size)
            return _Task(headers, _old_content(self._data, original), original.size)
        for change in self._changed.values():
            if change.new_name and member.kind == "link" and change.name in member.target:
                headers = retargeted(headers_of(self._data, member), change.name, change.new_name)
                return _Task(headers, (), 0)
        return None

    def _addition(self, change: FileChange) -> Iterator[bytes | memoryview]:
        size = _size(change)
        folder = self._path(change)[:-1]
        index, prefix = self._neighbour(folder)
        neighbour = self._members[index]
        name = prefix + (change.new_name or change.name)
        yield new_headers(name, size, neighbour, headers_of(self._data, neighbour))
        yield from _content(change, size)
        yield bytes(-size % BLOCK_SIZE)

    def _neighbour(self, folder: tuple[str, ...]) -> tuple[int, str]:
        """The member that a new one is made like, and what its own name begins with in the same way."""
        direct = [index for index, path in enumerate(self._paths) if path[:-1] == folder and path]
        files = [index for index in direct if self._members[index].kind == "file"]
        if files:
            name = self._members[files[-1]].name
            return files[-1], name[: name.rstrip("/").rfind("/") + 1]
        start = "./" if self._members[0].name.startswith("./") else ""
        others = [index for index, member in enumerate(self._members) if member.kind == "file"]
        return (others or [0])[0], start + "".join(f"{step}/" for step in folder)

    def _trailer(self, end: int, total: int) -> Iterator[bytes | memoryview]:
        """The blocks behind the last member: as many as there were, or up to the same blocking factor."""
        rest = self._data[end:]
        is_blocked = len(self._data) % _BLOCKING == 0 and len(rest) != _END
        if is_blocked and all(not any(bytes(piece)) for piece in _slices(rest)):
            size = _END + -(total + _END) % _BLOCKING
            yield from _zeros(size)
        else:
            yield from _slices(rest)

    def _place(self, index: int) -> str:
        return f"{self._tree.name}: {self._members[index].name}"


def _target_path(member: Member) -> tuple[str, ...]:
    try:
        return path_of(member.target)
    except ValueError:
        return ()


def _size(change: FileChange) -> int:
    return change.content.stat().st_size if change.content is not None else 0


def _content(change: FileChange, size: int) -> Iterator[bytes]:
    """The new content of a file, of which the header says ``size``."""
    if change.content is None:
        return
    with change.content.open("rb") as file:
        while size > 0:
            piece = file.read(min(size, _PIECE_SIZE))
            if not piece:
                raise DyncritError("the new content became shorter while it was read", change.place)
            size -= len(piece)
            yield piece


def _old_content(data: memoryview, member: Member) -> Iterator[bytes | memoryview]:
    """The content of a file in the archive, with its holes filled."""
    if member.runs is None:
        yield from _slices(data[member.offset : member.offset + member.size])
        return
    stored, position = member.offset, 0
    for run in member.runs:
        yield from _zeros(run.offset - position)
        yield from _slices(data[stored : stored + run.size])
        stored, position = stored + run.size, run.offset + run.size
    yield from _zeros(member.size - position)


def _slices(data: memoryview) -> Iterator[memoryview]:
    return (data[start : start + _PIECE_SIZE] for start in range(0, len(data), _PIECE_SIZE))


def _zeros(size: int) -> Iterator[bytes]:
    for start in range(0, size, _PIECE_SIZE):
        yield _ZEROS[: min(_PIECE_SIZE, size - start)]


def _verify(written: ArchiveTree, changes: Sequence[FileChange]) -> None:
    """Raise DyncritError unless an archive, as our own reader sees it, has the changes in it."""
    for change in changes:
        name = change.new_name or change.name
        tree = _same_folder(written, change.folder)
        view = tree.view(name) if tree is not None and name in tree else None
        if change.content is None or view is None:
            is_right = change.content is None and view is None
        else:
            is_right = _has_content(view, change.content)
        if not is_right:
            raise DyncritError(
                "what was written doesn't read as it should; nothing was changed", change.place
            )


def _same_folder(root: FileTree, folder: FileTree) -> FileTree | None:
    """The folder in another archive that has the same path; None if there is none."""
    for name in folder.prefix if isinstance(folder, ArchiveTree) else ():
        if name not in root.folders():
            return None
        root = root.folder(name)
    return root


def _has_content(view: memoryview, path: Path) -> bool:
    from dyncrit.checkpoint.storage.mapped import map_file

    with path.open("rb") as file:
        return are_equal(view, map_file(file))
