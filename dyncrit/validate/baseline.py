"""What a schema is compared with: a release of the catalogue, or another schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError
from dyncrit.schema import catalogue
from dyncrit.validate.compiling import COMPILES, compile_files
from dyncrit.validate.header import HEADS
from dyncrit.validate.magic_history import magics_of_release
from dyncrit.validate.shape import SchemaShape, schema_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.validate.source import SchemaFiles

NOT_IMAGES = frozenset({"rpc.proto", "img-streamer.proto", "opts.proto"})
"""Files that no image holds messages of, and which the catalogue therefore has not."""

PLUGIN_FILES = frozenset({"criu-amdgpu.proto"})
"""Files of plugins, which a copy of CRIU's images/ alone goes without."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A schema to compare with.

    ``name`` is for people (``"CRIU 4.1 (nearest)"``), ``release`` the catalogue's release, empty where it is
    none. ``magics`` are by name, None where the baseline has no ``magic.h``. ``covers_all`` is false where
    the baseline says nothing of files that no image needs (``NOT_IMAGES``).
    """

    name: str
    shape: SchemaShape
    magics: Mapping[str, int] | None
    release: str = ""
    covers_all: bool = True


def release_baseline(version: str) -> Baseline:
    """A release of the catalogue; raises SchemaError if there is none of this version."""
    release = catalogue.resolve_release(version)
    return Baseline(f"CRIU {release}", _shape(release), magics_of_release(release), release, covers_all=False)


def files_baseline(source: SchemaFiles) -> Baseline:
    """Another schema's files; raises SchemaError if they don't compile."""
    compiled = compile_files(source)
    if not compiled.files:
        errors = [str(finding) for finding in compiled.findings if finding.rule is COMPILES]
        raise SchemaError(f"the baseline does not compile: {'; '.join(errors[:3])}", source.name)
    magics: dict[str, int] = {}
    for define in source.defines:
        if define.name not in HEADS:
            magics.setdefault(define.name, define.value)
    return Baseline(source.name, schema_shape(compiled.files), magics if source.header else None)


def nearest_baseline(shape: SchemaShape) -> Baseline:
    """The release that a schema differs least from; the newest of equally near ones."""
    release = nearest_release(shape)
    found = release_baseline(release)
    return Baseline(f"{found.name} (nearest)", found.shape, found.magics, release, covers_all=False)


def nearest_release(shape: SchemaShape) -> str:
    """The catalogue's name of the release that a schema differs least from."""
    wanted = _elements(shape.without(NOT_IMAGES))
    releases = reversed(catalogue.history().releases)
    return min(releases, key=lambda release: len(wanted ^ _release_elements(release)))


@cache
def _shape(release: str) -> SchemaShape:
    return schema_shape(catalogue.build_release(release).file).without(NOT_IMAGES)


@cache
def _release_elements(release: str) -> frozenset[tuple[str, int, str]]:
    return _elements(_shape(release))


def _elements(shape: SchemaShape) -> frozenset[tuple[str, int, str]]:
    fields = (
        (message.name, item.number, item.name)
        for message in shape.messages.values()
        for item in message.fields.values()
    )
    values = ((enum.name, value.number, value.name) for enum in shape.enums.values() for value in enum.values)
    return frozenset((*fields, *values))
