"""A schema: the messages of one CRIU tree or release, and the image table that goes with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import SchemaError, did_you_mean
from dyncrit.schema.bundled import NEWEST, NEWEST_SET
from dyncrit.schema.engine import message_class
from dyncrit.schema.pool import MessagePool, build_pool, parse_descriptor_set, split_descriptor_set
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    import os

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message


class SchemaSource(NamedTuple):
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

    def __init__(self, messages: MessagePool, source: SchemaSource, table: ImageTable | None = None) -> None:
        self.source = source
        self.table = table or ImageTable()
        self._messages = messages

    @classmethod
    def release(cls, version: str | None = None) -> Schema:
        """The bundled schema of one CRIU release (``"3.17"``, ``"v4.2"``); by default the newest.

        Raises SchemaError if the catalogue has no such release.
        """
        if version is None or version.strip().removeprefix("v") == NEWEST:
            source = SchemaSource("release", f"CRIU {NEWEST}")
            return cls(MessagePool(split_descriptor_set(NEWEST_SET.read_bytes())), source)
        from dyncrit.schema import catalogue

        release = catalogue.resolve_release(version)
        source = SchemaSource("release", f"CRIU {release}")
        return cls(build_pool(catalogue.build_release(release).file, source.name), source)

    @classmethod
    def from_protos(cls, folder: str | os.PathLike[str], *, use_cache: bool = True) -> Schema:
        """The schema in ``folder``, compiled now: a CRIU tree, its ``images/``, or any .proto files.

        Magics that a ``magic.h`` beside it has and the image table lacks are added by CRIU's name
        rule. The compiled set is kept in the user's cache folder unless ``use_cache`` is false. Raises
        SchemaError with what protoc says where the files don't compile.
        """
        from dyncrit.schema.cache import SchemaCache, content_key
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
        files = parse_descriptor_set(compiled, source.name)
        return cls(build_pool(files, source.name), source, table)

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
        return cls(build_pool(parse_descriptor_set(data, source.name), source.name), source)

    @staticmethod
    def default() -> Schema:
        """The bundled schema of the newest release, made once a process."""
        return _default()

    def with_table(self, table: ImageTable) -> Schema:
        """This schema with another image table."""
        return Schema(self._messages, self.source, table)

    @property
    def pool(self) -> DescriptorPool:
        """The descriptor pool with all messages."""
        return self._messages.pool

    def message(self, name: str) -> Descriptor | None:
        """The descriptor of a message, by its name with or without its package, or None.

        The empty name stands for a message without fields.
        """
        return self._messages.find(name)

    def required_message(self, name: str) -> Descriptor:
        """As :meth:`message`, but raises SchemaError, with the nearest name, where there is none."""
        if descriptor := self._messages.find(name):
            return descriptor
        hint = did_you_mean(name, self.message_names)
        raise SchemaError(f"no message {name!r} in the schema{hint}", self.source.name)

    def message_class(self, name: str) -> type[Message]:
        """The class of a message, or of the message without fields where the schema lacks it."""
        return message_class(self._messages.find(name) or self.required_message(""))

    @property
    def message_names(self) -> list[str]:
        """The names of all messages, sorted."""
        return self._messages.names


@cache
def _default() -> Schema:
    return Schema.release()
