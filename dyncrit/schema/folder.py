"""Writes a folder of files that are made in memory: whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.atomic import new_folder
from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files``, by path below it, to a folder that is new or empty.

    An empty one keeps its owner and mode. Raises DyncritError for a folder that holds something, SchemaError
    for a path that leads out of it, and OSError.
    """
    check_names(files)
    with new_folder(folder) as beside:
        for name, content in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def check_names(names: Mapping[str, bytes]) -> None:
    """Raise SchemaError if the name of a file is none that can stand below a folder."""
    for name in names:
        parts = name.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\0" in name or "\\" in name:
            raise SchemaError(f"a file is called {name!r}; expected a path below a folder")
