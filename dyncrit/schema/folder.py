"""Writes a folder of files that are made in memory: whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files``, by path below it, to a folder that is new or empty.

    An empty one keeps its owner and mode. Raises DyncritError for a folder that holds something, SchemaError
    for a path that leads out of it, and OSError.
    """
    check_names(files)
    target = Path(os.path.realpath(folder))
    exists = target.is_dir()
    if target.exists() and not exists:
        raise DyncritError("is no folder; name one that is new or empty", str(folder))
    if exists and any(target.iterdir()):
        raise DyncritError("is not empty; name a new folder, or an empty one", str(folder))
    beside = (target if exists else target.parent) / f".dyncrit-{os.urandom(8).hex()}.new"
    try:
        beside.mkdir()
    except OSError as error:
        error.filename = str(folder)  # the name that the caller knows
        raise
    try:
        _write(beside, files)
        _move(beside, target, exists=exists)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def check_names(names: Mapping[str, bytes]) -> None:
    """Raise SchemaError if the name of a file is none that can stand below a folder."""
    for name in names:
        parts = name.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\0" in name or "\\" in name:
            raise SchemaError(f"a file is called {name!r}; expected a path below a folder")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _move(beside: Path, target: Path, *, exists: bool) -> None:
    if not exists:
        beside.rename(target)
        return
    for entry in sorted(beside.iterdir()):
        entry.rename(target / entry.name)
    beside.rmdir()
