"""Makes changes of a checkpoint's files real, wherever it stands: all of them, or none."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.atomic import sync_folder
from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.storage.archive import ArchiveTree
from dyncrit.checkpoint.storage.state import ArchiveState
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.checkpoint.writing.archive import UNLIMITED, are_equal, rewrite_archive
from dyncrit.checkpoint.writing.attributes import keep_attributes
from dyncrit.checkpoint.writing.directory import change_directory
from dyncrit.checkpoint.writing.image import change_layers
from dyncrit.checkpoint.writing.locking import locked
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.checkpoint.location import Location
    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.checkpoint.writing.changes import FileChange

_HIDDEN = ".dyncrit-"


@contextmanager
def staging_folder(path: Path, location: Location) -> Iterator[Path]:
    """A private folder for new contents, beside what they will replace; gone when the block ends.

    ``path`` is what :func:`~dyncrit.checkpoint.location.locate` was given. Raises DyncritError where no
    folder can be made.
    """
    folder = _make_hidden(path, _folders_beside(path, location))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(
    path: Path,
    location: Location,
    changes: Sequence[FileChange],
    staging: Path,
    require: Callable[[], None] | None = None,
) -> None:
    """Make changes of the files in ``location.images`` and ``location.outer`` real, all or nothing.

    ``path`` is what :func:`~dyncrit.checkpoint.location.locate` was given, ``staging`` a folder of
    :func:`staging_folder`. What isn't changed stays as it is: in a directory the same files, in an archive
    the same bytes. What changes keeps owner, mode, times and extended attributes; an archive its compression.

    ``require`` raises where files are no longer as they were read: it is called under the lock, before
    anything is prepared and again just before anything is put in place. An archive that was replaced or
    written over since it was opened is an error in any case.

    Raises DyncritError and OSError with all as it was: another process is changing it, there is no room, it
    is read-only, or something in it can't be changed.
    """
    if not changes:
        return
    directories = _directories(location)
    with _failures(path, staging), locked(directories or [Path(os.path.realpath(path))]):
        require = require or _nothing_required
        require()
        if not directories:
            _require_same_archive(path, location)
        inner: Sequence[FileChange] = changes
        for image in reversed(location.wrappings):
            inner = change_layers(image, inner, staging)
        if directories:
            change_directory(inner, staging, require)
        else:
            written = rewrite_archive(inner, staging / f"{os.urandom(8).hex()}.tar").path
            _verify(written, location, changes)
            _replace_archive(path, location, written, require)


def _nothing_required() -> None:
    """What is required where the caller requires nothing."""


def _replace_archive(path: Path, location: Location, written: Path, require: Callable[[], None]) -> None:
    """Rename a new archive over the old one; a link that leads to it stays one."""
    target = Path(os.path.realpath(path))
    with written.open("rb") as file:
        keep_attributes(target, written)
        os.fsync(file.fileno())
    require()
    _require_same_archive(path, location)
    written.replace(target)
    sync_folder(target.parent)


def _require_same_archive(path: Path, location: Location) -> None:
    """Raise DyncritError if an archive was replaced, or written over in place, since it was opened."""
    root = location.root
    if not isinstance(root, ArchiveTree) or root.state != ArchiveState.of(path.stat()):
        raise DyncritError(
            "it was replaced or written over since it was read; nothing was changed", str(path)
        )


def _verify(written: Path, location: Location, changes: Sequence[FileChange]) -> None:
    """Raise DyncritError unless our own reader finds in a new archive what is to be there, and only that."""
    found = locate(written, UNLIMITED)
    try:
        pairs = [(location.images, found.images)]
        if location.outer is not None and found.outer is not None:
            pairs.append((location.outer, found.outer))
        if found.kind != location.kind or (found.outer is None) != (location.outer is None):
            raise DyncritError(
                "would be no such checkpoint any more; nothing was changed", location.root.name
            )
        for old, new in pairs:
            _verify_folder(old, new, changes)
    finally:
        found.root.close()


def _verify_folder(old: FileTree, new: FileTree, changes: Sequence[FileChange]) -> None:
    touched = {_member(change.folder, change.name) for change in changes}
    own = {change.name: change.content for change in changes if change.folder is old}
    kept = {name for name in old.names() if name not in own and _member(old, name) not in touched}
    wanted = kept.union(name for name, content in own.items() if content is not None)
    for name in wanted.difference(new.names()):
        raise DyncritError("would be lost; nothing was changed", old.path(name))
    for name in set(new.names()).difference(wanted):
        if name in own or not _may_appear(old, name):
            raise DyncritError("would be there, too; nothing was changed", old.path(name))
    for name in kept:
        if not are_equal(old.view(name), new.view(name)):
            raise DyncritError("would come out different; nothing was changed", old.path(name))


def _may_appear(old: FileTree, name: str) -> bool:
    """Whether a name that isn't changed may be there afterwards: a link to a file that changes or is new."""
    return name in old or old.link(name) is not None


def _member(tree: FileTree, name: str) -> tuple[object, ...]:
    """What a name leads to: an archive, and the path in it."""
    holder = tree.holder(name)
    path = holder.member_path(name) if isinstance(holder, ArchiveTree) else (name,)
    return holder.identity[:-1], path


def _directories(location: Location) -> list[Path]:
    """The directories on disk that a checkpoint stands in, the outermost first; none for an archive."""
    if not isinstance(location.root, DirectoryTree):
        return []
    outermost = location.wrappings[0].source if location.wrappings else location.outer
    trees = [outermost] if location.wrappings else [outermost, location.images]
    directories = [tree.directory for tree in trees if isinstance(tree, DirectoryTree)]
    return [Path(os.path.realpath(directory)) for directory in directories]


def _folders_beside(path: Path, location: Location) -> Iterator[Path]:
    """Where new contents can stand so that they can be renamed into place, the best first."""
    directories = _directories(location)
    if not directories:
        yield Path(os.path.realpath(path)).parent
        return
    parent = directories[0].parent
    if parent.stat().st_dev == directories[-1].stat().st_dev:
        yield parent
    yield directories[-1]


def _make_hidden(path: Path, candidates: Iterable[Path]) -> Path:
    failure: OSError | None = None
    for candidate in candidates:
        folder = candidate / f"{_HIDDEN}{os.urandom(8).hex()}"
        try:
            folder.mkdir(0o700)
        except OSError as error:
            failure = error
            continue
        return folder
    reason = failure.strerror if failure else "no folder"
    raise DyncritError(
        f"nothing can be written beside it, as a change needs: {reason}", str(path)
    ) from failure


@contextmanager
def _failures(path: Path, staging: Path) -> Iterator[None]:
    """Errors that name no file, or one that the user doesn't know, name the checkpoint."""
    try:
        yield
    except OSError as error:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | Path) else ""
        if name and _HIDDEN not in name:
            raise
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        raise DyncritError(f"can't be changed: {reason}; it is as it was", str(path)) from error
    except DyncritError as error:
        if str(staging) not in str(error):
            raise
        raise DyncritError(f"can't be changed: {error.problem}; it is as it was", str(path)) from error
