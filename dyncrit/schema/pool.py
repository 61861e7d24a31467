"""Descriptor pools: from .proto files as protoc compiled them to messages that can be looked up by name."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError
from dyncrit.schema.engine import new_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

DESCRIPTOR_PROTO = "google/protobuf/descriptor.proto"

UNKNOWN_MESSAGE = "dyncrit.unknown_entry"
"""The full name of a message without fields, in every pool: what it parses are unknown fields."""


class MessagePool:
    """A descriptor pool of its own for some files, and their messages by name.

    ``files`` are serialised FileDescriptorProtos, each behind those it imports.
    """

    def __init__(self, files: Iterable[bytes]) -> None:
        self.pool = new_pool()
        self._files = [self.pool.AddSerializedFile(file) for file in files]

    def find(self, name: str) -> Descriptor | None:
        """A message by its full name, or without its package; the empty name is UNKNOWN_MESSAGE's."""
        try:
            return self.pool.FindMessageTypeByName(name or UNKNOWN_MESSAGE)
        except (KeyError, ValueError, TypeError):
            return self._by_short_name.get(name)

    @cached_property
    def names(self) -> list[str]:
        """The names of all top-level messages without their packages, sorted."""
        return sorted(self._by_short_name)

    @cached_property
    def _by_short_name(self) -> dict[str, Descriptor]:
        """The first top-level message with each name."""
        found: dict[str, Descriptor] = {}
        for file in self._files:
            if file.package not in ("dyncrit", "google.protobuf"):
                for name, descriptor in file.message_types_by_name.items():
                    found.setdefault(name, descriptor)
        return found


def parse_descriptor_set(data: bytes, place: str) -> list[FileDescriptorProto]:
    """The files in a serialised FileDescriptorSet. Raises SchemaError at ``place`` if it is not one."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.message import DecodeError

    try:
        files = list(FileDescriptorSet.FromString(data).file)
    except DecodeError as error:
        raise SchemaError("not a FileDescriptorSet (made with protoc --descriptor_set_out)", place) from error
    if not any(file.message_type for file in files):
        raise SchemaError("no messages in it; expected .proto files or a FileDescriptorSet with some", place)
    return files


def build_pool(files: Iterable[FileDescriptorProto], place: str) -> MessagePool:
    """A pool for ``files``, in any order.

    Values of top-level enums share one scope a package, and in CRIU v0.7-v1.3.1 and v1.7-v2.6 two files
    that never import each other define the same value (``TUN``, ``NONE``): such a file is moved to a
    package of its own. Raises SchemaError at ``place`` for files that don't fit together.
    """
    ordered = in_dependency_order(list(files), place)
    try:
        _separate_clashes(ordered)
        return MessagePool(file.SerializeToString() for file in (unknown_file(), *ordered))
    except (TypeError, AttributeError) as error:  # a file that can't be linked, or names that aren't UTF-8
        raise SchemaError(f"can't be loaded: {error}", place) from error


def unknown_file() -> FileDescriptorProto:
    """The file with the message without fields."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    package, name = UNKNOWN_MESSAGE.split(".")
    file = FileDescriptorProto(name="dyncrit/unknown.proto", package=package)
    file.message_type.add(name=name)
    return file


def split_descriptor_set(data: bytes) -> Iterator[bytes]:
    """The files in a serialised FileDescriptorSet that is known to be sound, each still serialised."""
    position = 0
    while position < len(data):
        length = shift = 0
        position += 1  # the tag of field 1
        while True:
            byte = data[position]
            length |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
            if byte < 0x80:
                break
        yield data[position : position + length]
        position += length


def in_dependency_order(files: list[FileDescriptorProto], place: str) -> list[FileDescriptorProto]:
    """The files with each behind those it imports; raises SchemaError where that can't be."""
    by_name = {file.name: file for file in files}
    if any(DESCRIPTOR_PROTO in file.dependency for file in files) and DESCRIPTOR_PROTO not in by_name:
        by_name[DESCRIPTOR_PROTO] = _descriptor_proto()
    ordered: dict[str, FileDescriptorProto] = {}
    visiting: set[str] = set()
    stack = list(reversed(by_name))
    while stack:
        name = stack[-1]
        if name not in by_name:
            raise SchemaError(f"{name} is imported but not there", place)
        missing = [wanted for wanted in by_name[name].dependency if wanted not in ordered]
        if name in ordered or not missing:
            ordered[stack.pop()] = by_name[name]
            continue
        if name in visiting:
            raise SchemaError(f"{name} imports itself, through {missing[0]}", place)
        visiting.add(name)
        stack.extend(missing)
    return list(ordered.values())


def _descriptor_proto() -> FileDescriptorProto:
    from google.protobuf import descriptor_pb2

    return descriptor_pb2.FileDescriptorProto.FromString(descriptor_pb2.DESCRIPTOR.serialized_pb)


def _separate_clashes(files: list[FileDescriptorProto]) -> None:
    """Give each file whose top-level enum values stand in an earlier file already its own package."""
    taken: set[str] = set()
    moved: dict[str, str] = {}
    for file in files:
        if _enum_values(file) & taken and not file.package:
            file.package = "file_" + re.sub(r"[^0-9A-Za-z]", "_", file.name.removesuffix(".proto"))
            names = [item.name for item in file.message_type] + [item.name for item in file.enum_type]
            moved.update({f".{name}": f".{file.package}.{name}" for name in names})
        taken |= _enum_values(file)
    if moved:
        for file in files:
            _rename_references(file.message_type, file.extension, moved)


def _enum_values(file: FileDescriptorProto) -> set[str]:
    prefix = f"{file.package}." if file.package else ""
    return {prefix + value.name for enum in file.enum_type for value in enum.value}


def _rename_references(
    messages: Iterable[DescriptorProto], extensions: Iterable[FieldDescriptorProto], moved: dict[str, str]
) -> None:
    for field in extensions:
        field.type_name = _renamed(field.type_name, moved)
        field.extendee = _renamed(field.extendee, moved)
    for message in messages:
        for field in message.field:
            if field.type_name:
                field.type_name = _renamed(field.type_name, moved)
        _rename_references(message.nested_type, message.extension, moved)


def _renamed(name: str, moved: dict[str, str]) -> str:
    top, dot, rest = name[1:].partition(".")
    return moved.get(f".{top}", f".{top}") + dot + rest if name else name
