"""A schema: the messages of one CRIU tree or release, and the image table that goes with it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import message_factory

from dyncrit.errors import SchemaError
from dyncrit.schema.cache import SchemaCache, content_key
from dyncrit.schema.pool import build_pool, parse_descriptor_set
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class SchemaSource:
    """Where a schema comes from: ``kind`` is ``"release"``, ``"protos"`` or ``"descriptor-set"``.

    ``cached`` tells, for .proto files, whether the compiled set came out of the cache.
    """

    kind: str
    name: str
    magic_header: Path | None = None
    cached: bool | None = None


class Schema:
    """Messages by name, in a descriptor pool of their own, and the image table.

    >>> schema = Schema.release("4.2")
    >>> schema.message("pagemap_entry").fields_by_number[5].name
    'nr_pages'
    """

    def __init__(
        self, files: Iterable[FileDescriptorProto], source: SchemaSource, table: ImageTable | None = None
    ) -> None:
        self.source = source
        self.table = table or ImageTable()
        self.pool, self._messages = build_pool(files, source.name)

    @classmethod
    def release(cls, version: str | None = None) -> Schema:
        """The bundled schema of one CRIU release (``"3.17"``, ``"v4.2"``); by default the newest.

        Raises SchemaError if the catalogue has no such release.
        """
        from dyncrit.schema import catalogue

        release = catalogue.resolve_release(version) if version else catalogue.NEWEST
        source = SchemaSource("release", f"CRIU {release}")
        if release == catalogue.NEWEST:
            return cls(parse_descriptor_set(catalogue.newest_set(), source.name), source)
        return cls(catalogue.build_release(release).file, source)

    @classmethod
    def from_protos(cls, folder: str | os.PathLike[str], *, use_cache: bool = True) -> Schema:
        """The schema in ``folder``, compiled now: a CRIU tree, its ``images/``, or any .proto files.

        Magics that a ``magic.h`` beside it has and the image table lacks are added by CRIU's name
        rule. The compiled set is kept in the user's cache folder unless ``use_cache`` is false. Raises
        SchemaError with what protoc says where the files don't compile.
        """
        from dyncrit.schema.magics import read_magics
        from dyncrit.schema.prototree import find_prototree

        tree = find_prototree(Path(folder))
        cached_set = SchemaCache() if use_cache else None
        key = content_key(tree.files)
        compiled = cached_set.get(key) if cached_set else None
        hit = compiled is not None
        if compiled is None:
            from dyncrit.schema.protoc import compile_protos

            compiled = compile_protos(tree)
            if cached_set:
                cached_set.put(key, compiled)
        table = ImageTable()
        if tree.magic_header:
            table = table.with_magics(read_magics(tree.magic_header))
        source = SchemaSource("protos", str(folder), tree.magic_header, hit)
        return cls(parse_descriptor_set(compiled, source.name), source, table)

    @classmethod
    def from_descriptor_set(cls, file: str | os.PathLike[str]) -> Schema:
        """The schema in a FileDescriptorSet, from ``protoc --descriptor_set_out`` or ``buf build``.

        Raises SchemaError if the file is something else or lacks a file that it imports.
        """
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise SchemaError(error.strerror or str(error), str(file)) from error
        source = SchemaSource("descriptor-set", str(file))
        return cls(parse_descriptor_set(data, source.name), source)

    @staticmethod
    def default() -> Schema:
        """The bundled schema of the newest release, made once a process."""
        return _default()

    def with_table(self, table: ImageTable) -> Schema:
        """This schema with another image table."""
        other = object.__new__(Schema)
        other.source, other.table, other.pool, other._messages = self.source, table, self.pool, self._messages
        return other

    def message(self, name: str) -> Descriptor | None:
        """The descriptor of a message, by its name with or without its package, or None.

        The empty name stands for a message without fields.
        """
        return self._messages.get(name)

    def required_message(self, name: str) -> Descriptor:
        """As :meth:`message`, but raises SchemaError, with the nearest names, where there is none."""
        if descriptor := self._messages.get(name):
            return descriptor
        near = difflib.get_close_matches(name, self._messages, 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise SchemaError(f"no message {name!r} in the schema{hint}", self.source.name)

    def message_class(self, name: str) -> type[Message]:
        """The class of a message, or of the message without fields where the schema lacks it."""
        return message_factory.GetMessageClass(self._messages.get(name) or self._messages[""])

    @property
    def message_names(self) -> list[str]:
        """The names of all messages, sorted."""
        return sorted({d.full_name: d.name for d in self._messages.values() if d.fields}.values())


@cache
def _default() -> Schema:
    return Schema.release()
