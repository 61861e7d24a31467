"""A directory of images that mutants are made of: its files, which of them are images, and their hashes."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError, ImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.mutate.record import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.schema import Schema

LARGE = 16 << 20
"""Files of more bytes than this are never changed, and never held."""


@dataclass(slots=True)
class Folder:
    """The files of a directory by name; what is below it is left out.

    ``files`` are those that may be changed, ``hashes`` are of all, ``anatomies`` of those that are images.
    ``parent`` is where the link to the parent checkpoint leads, if there is one.
    """

    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    anatomies: dict[str, Anatomy] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    parent: Path | None = None

    @classmethod
    def read(cls, path: Path, schema: Schema) -> Folder:
        """What is in a directory; raises DyncritError where there is no image, and OSError."""
        found = cls(path)
        for file in files_of(path):
            if file.stat().st_size > LARGE:
                found.hashes[file.name] = file_digest(file)
                continue
            data = found.files[file.name] = file.read_bytes()
            found.hashes[file.name] = digest(data)
            with suppress(ImageError):
                found.anatomies[file.name] = Anatomy.of(data, schema, file.name)
        if not found.anatomies:
            held = f"no image among its {len(found.hashes)} files" if found.hashes else "no files in it"
            raise DyncritError(f"{held}; expected a directory of images", str(path))
        link = path / "parent"
        found.parent = Path(os.path.realpath(link)) if link.is_dir() else None
        return found


def files_of(folder: Path) -> list[Path]:
    """The regular files of a folder, sorted by name, links that lead out of it left out; raises OSError."""
    inside = Path(os.path.realpath(folder))
    return sorted(path for path in folder.iterdir() if path.is_file() and _stays(path, inside))


def folder_digest(hashes: Mapping[str, str]) -> str:
    """The hash of a folder: of the names and hashes of its files."""
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return digest(lines.encode("utf-8", "surrogateescape"))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file in hex, read in pieces; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(path: Path) -> str:
    """The hash of a file or a folder, as records have it; raises OSError."""
    if path.is_dir():
        return folder_digest({file.name: file_digest(file) for file in files_of(path)})
    return file_digest(path)


def _stays(path: Path, folder: Path) -> bool:
    return not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(folder)
