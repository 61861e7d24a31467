"""Where a schema to validate comes from: .proto files and ``magic.h``, and what findings call them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError
from dyncrit.schema.prototree import find_prototree
from dyncrit.validate.header import read_defines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dyncrit.schema.prototree import ProtoTree
    from dyncrit.schema.repository import Blob, Repository
    from dyncrit.validate.header import Define

_PLUGINS = "plugins"


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """The files of one schema.

    ``name`` is what reports call it. ``paths`` gives the path that findings name for each .proto file, and
    ``plugins`` which of them are a plugin's; ``header`` is ``magic.h``'s path, empty where there is none.
    """

    name: str
    tree: ProtoTree
    paths: Mapping[str, str]
    plugins: frozenset[str]
    header: str
    defines: tuple[Define, ...]


def schema_files(folder: Path, *, name: str = "", root: Path | None = None) -> SchemaFiles:
    """The schema in ``folder``: a CRIU tree, its ``images/``, or any .proto files.

    Findings name files below ``root`` relative to it; by default that is the current folder, so that they are
    found from where the command runs. Raises SchemaError if there is no schema.
    """
    tree = find_prototree(folder)
    root = (root or Path()).absolute()
    here = folder.absolute() if ".." not in folder.parts else folder.resolve()
    found: dict[str, Path] = {}
    plugins: set[str] = set()
    for place in _folders(here):
        for file in tree.files:
            if file not in found and (place / file).is_file():
                found[file] = place / file
                if place.parent.name == _PLUGINS:
                    plugins.add(file)
    return SchemaFiles(
        name or str(folder),
        tree,
        {file: _shown(path, root) for file, path in found.items()},
        frozenset(plugins),
        _shown(tree.magic_header, root) if tree.magic_header else "",
        read_defines(tree.magic_header) if tree.magic_header else (),
    )


@contextmanager
def schema_at(repository: Repository, blobs: Sequence[Blob], name: str) -> Iterator[SchemaFiles]:
    """The schema of a commit, whose files lie in a temporary folder as long as the block runs.

    ``name`` is what reports call it. Raises SchemaError where there is none.
    """
    with repository.folder_of(blobs) as folder:
        try:
            found = schema_files(folder, name=name, root=folder)
        except SchemaError as error:
            raise SchemaError(error.problem, name) from error
        yield found


def _folders(here: Path) -> list[Path]:
    """Where find_prototree takes files from, in its order."""
    inner = [here / "images", here / "protobuf", here]
    roots = (here, here.parent) if here.name in ("images", "protobuf") else (here,)
    return [*inner, *(plugin for root in roots for plugin in sorted((root / _PLUGINS).glob("*")))]


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
