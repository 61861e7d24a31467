"""Finds the schema in a folder: CRIU's source tree of any release, or just a folder of .proto files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dyncrit.errors import SchemaError

_MAX_FILES = 2000
_MAX_FILE_SIZE = 4 << 20


@dataclass(frozen=True, slots=True)
class ProtoTree:
    """Where the .proto files of a schema lie, and the ``magic.h`` that goes with them.

    ``folders`` are protoc's import paths; ``files`` maps the names protoc knows the files by to
    their contents.
    """

    folders: tuple[Path, ...]
    files: dict[str, bytes]
    magic_header: Path | None


def find_prototree(folder: Path) -> ProtoTree:
    """The schema at ``folder``: a CRIU tree, its ``images/`` (``protobuf/`` up to v1.6), or any .proto files.

    The amdgpu plugin's schema is taken along from a CRIU tree. Raises SchemaError if there is none.
    """
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise SchemaError(f"{problem}; expected CRIU's source tree or a folder of .proto files", str(folder))
    try:
        main = next(
            (path for path in (folder / "images", folder / "protobuf", folder) if _protos(path)), None
        )
        if main is None:
            raise SchemaError("no .proto files in it, nor in images/ or protobuf/ below it", str(folder))
        root = main.parent if main.name in ("images", "protobuf") else main
        plugins = sorted(path for path in (root / "plugins").glob("*") if _protos(path))
        return ProtoTree((main, *plugins), _read((main, *plugins)), _magic_header((root, main)))
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(error.filename or folder)) from error


def _protos(folder: Path) -> list[Path]:
    """The .proto files right in a folder; the link to protobuf's own descriptor.proto lies deeper."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path) for entry in entries if entry.name.endswith(".proto") and entry.is_file()
        )


def _read(folders: tuple[Path, ...]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in (path for folder in folders for path in _protos(folder)):
        if path.stat().st_size > _MAX_FILE_SIZE or len(files) >= _MAX_FILES:
            raise SchemaError(
                f"more than a schema has ({_MAX_FILE_SIZE >> 20} MiB a file, {_MAX_FILES} files)", str(path)
            )
        files.setdefault(path.name, path.read_bytes())
    return files


def _magic_header(roots: tuple[Path, ...]) -> Path | None:
    names = ("criu/include/magic.h", "include/magic.h", "include/image.h", "magic.h")
    return next((root / name for root in roots for name in names if (root / name).is_file()), None)
