"""Files that are swapped for others where they stand: all of them, or none."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.atomic import sync_folder
from dyncrit.checkpoint.writing import renaming
from dyncrit.checkpoint.writing.attributes import give_new_attributes, keep_attributes
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


class FileSwap(NamedTuple):
    """A file on disk and what is to stand in its place; None if nothing is.

    ``like`` is the file whose attributes the content gets; None for those of a new file.
    """

    path: Path
    content: Path | None
    like: Path | None = None

    @property
    def directory(self) -> Path:
        """The directory that the file stands in."""
        return self.path.parent

    def finish(self, file: Path) -> None:
        """Give a file its attributes, and see to it that all of it is on disk."""
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self.like is None:
                give_new_attributes(self.directory, file)
            else:
                keep_attributes(self.like, file)
            os.fsync(handle)
        finally:
            os.close(handle)


def swap_files(swaps: Sequence[FileSwap], require: Callable[[], None] = lambda: None) -> None:
    """Put contents in their places, one by one; what was done is undone if one fails, or on an interrupt.

    Contents are moved away. ``require`` is called when all room is taken and no file has changed yet; what
    it raises is passed on. Raises OSError.
    """
    steps = []
    try:
        for swap in swaps:
            steps.append(step := _Step(swap))
            step.bring()
        require()
        for step in steps:
            step.do(alone=len(steps) == 1)
    except BaseException as error:
        left = [place for step in reversed(steps) if (place := step.undo()) is not None]
        if left:
            raise _not_undone(left) from error
        raise
    try:
        for directory in {swap.directory for swap in swaps}:
            sync_folder(directory)
    finally:
        for step in steps:
            step.tidy()


class _Step:
    """The swap of one file. What was done of it is told by which file stands where, so a break harms nothing.

    ``near`` and ``spare`` are hidden names beside the file, for the new content and then the old.
    """

    def __init__(self, swap: FileSwap) -> None:
        self._swap = swap
        self._path = swap.path
        hidden = f".dyncrit-{os.urandom(8).hex()}"
        self._near = swap.path.with_name(f"{hidden}.new")
        self._spare = swap.path.with_name(f"{hidden}.old")
        self._old = _identity(swap.path)
        self._new: tuple[int, int] | None = None

    def bring(self) -> None:
        """Bring the content beside the file: all room that it takes is taken here."""
        content = self._swap.content
        if content is None:
            return
        try:
            content.rename(self._near)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(content, self._near)
            self._swap.finish(self._near)
        self._new = _identity(self._near)

    def do(self, *, alone: bool) -> None:
        """Put the content in its place, or take the file away; ``alone`` if it is all that is done."""
        if self._swap.content is None:
            self._path.rename(self._near)
        elif self._old is None or alone:
            self._near.replace(self._path)
        else:
            self._swap_names()

    def undo(self) -> tuple[Path, Path] | None:
        """Put things as they were. Where that can't be, gives the file, and where its old content is."""
        with suppress(OSError):
            self._put_back()
        if self._old is not None and _identity(self._path) != self._old:
            for place in (self._near, self._spare):
                if _identity(place) not in {None, self._new}:
                    return self._path, place
        self.tidy()
        return None

    def tidy(self) -> None:
        """Remove the hidden names."""
        for place in (self._near, self._spare):
            with suppress(OSError):
                place.unlink()

    def _put_back(self) -> None:
        if self._old is None:
            if self._new is not None and _identity(self._path) == self._new:
                self._path.unlink()
        elif _identity(self._path) != self._old:
            for place in (self._near, self._spare):
                if _identity(place) == self._old:
                    place.replace(self._path)

    def _swap_names(self) -> None:
        try:
            renaming.exchange(self._near, self._path)
        except OSError as error:
            if not renaming.is_unknown(error):
                raise
            try:
                os.link(self._path, self._spare)
            except OSError:  # no hard links: for a moment, nothing has the name
                self._path.rename(self._spare)
            self._near.replace(self._path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _not_undone(left: Iterable[tuple[Path, Path]]) -> DyncritError:
    places = ", ".join(f"that of {path} is in {place}" for path, place in left)
    return DyncritError(f"the change failed halfway, and couldn't be undone; old contents: {places}")
