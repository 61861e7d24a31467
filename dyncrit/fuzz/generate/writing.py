"""What was generated, in a folder: all of it, or, if something goes wrong, what was there before."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.atomic import new_folder
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were written, and their bytes in sum."""

    files: int
    size: int


def write_files(
    path: str | os.PathLike[str], files: Iterable[tuple[str, bytes]], *, replace: bool = False
) -> Written:
    """Write files, by names that may have folders in front, into ``path``.

    It has to be new or empty, unless they may ``replace`` what goes by the same name there; other files stay.
    Nothing of it is seen before all are made: where the disk is full, or the user gives up, everything stays
    as it was. (The same seed makes the same files again.) Raises DyncritError and OSError.
    """
    count = size = 0
    with _folder(path, replace=replace) as folder:
        for name, data in files:
            target = folder / name
            try:
                if target.parent != folder:
                    target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except OSError as error:
                error.filename = str(Path(path) / name)  # the name that the caller knows
                raise
            count, size = count + 1, size + len(data)
    return Written(count, size)


@contextmanager
def _folder(path: str | os.PathLike[str], *, replace: bool) -> Iterator[Path]:
    target = Path(os.path.realpath(path))
    if not (replace and target.is_dir()):
        with new_folder(path) as folder:
            yield folder
        return
    folder = target / f".dyncrit-{os.urandom(8).hex()}.new"
    try:
        folder.mkdir()
        yield folder
        for entry in sorted(folder.iterdir()):
            _replace(entry, target / entry.name)
    except OSError as error:
        if error.filename == str(folder):
            error.filename = str(path)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(entry: Path, target: Path) -> None:
    if entry.is_dir() != target.is_dir() and target.exists():
        kinds = ("a folder", "a file") if target.is_dir() else ("a file", "a folder")
        raise DyncritError(f"is {kinds[0]}; expected {kinds[1]}, to be replaced", str(target))
    if target.is_dir():
        old = entry.with_name(f"{entry.name}.old")
        target.rename(old)  # a folder takes the place of an empty one only
    entry.rename(target)
