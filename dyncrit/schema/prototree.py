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
    """The .proto files of a schema, and the ``magic.h`` that goes with them.

    ``names`` are the files to compile; ``files`` maps them, and those in subfolders that they may import,
    to their contents.
    """

    folder: Path
    names: tuple[str, ...]
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
        here = folder.absolute() if ".." not in folder.parts else folder.resolve()
        main = next((path for path in (here / "images", here / "protobuf", here) if _has_protos(path)), None)
        if main is None:
            raise SchemaError("no .proto files in it, nor in images/ or protobuf/ below it", str(folder))
        root = main.parent if main.name in ("images", "protobuf") else main
        plugins = sorted(path for path in (root / "plugins").glob("*") if _has_protos(path))
        files = _read((main, *plugins))
        names = tuple(name for name in files if "/" not in name)
        return ProtoTree(folder, names, files, _magic_header((root, main)))
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(error.filename or folder)) from error


def _has_protos(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix == ".proto" and path.is_file() for path in folder.iterdir())


def _read(folders: tuple[Path, ...]) -> dict[str, bytes]:
    """Each .proto file by its name below its folder; links in subfolders are left out.

    Up to v4.1.1 there is one to protobuf's own descriptor.proto, which protoc brings along.
    """
    found: dict[str, bytes] = {}
    for folder in folders:
        for here, subfolders, names in os.walk(folder):
            subfolders.sort()
            for path in (Path(here, name) for name in sorted(names) if name.endswith(".proto")):
                if path.is_file() and (Path(here) == folder or not path.is_symlink()):
                    found.setdefault(path.relative_to(folder).as_posix(), _read_file(path, len(found)))
    return found


def _read_file(path: Path, count: int) -> bytes:
    if path.stat().st_size > _MAX_FILE_SIZE or count >= _MAX_FILES:
        limits = f"{_MAX_FILE_SIZE >> 20} MiB a file, {_MAX_FILES} files"
        raise SchemaError(f"more than a schema has ({limits})", str(path))
    return path.read_bytes()


def _magic_header(roots: tuple[Path, ...]) -> Path | None:
    names = ("criu/include/magic.h", "include/magic.h", "include/image.h", "magic.h")
    return next((root / name for root in roots for name in names if (root / name).is_file()), None)
