"""Descriptor pools: from .proto files as protoc compiled them to messages that can be looked up by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto

DESCRIPTOR_PROTO = "google/protobuf/descriptor.proto"

UNKNOWN_MESSAGE = "dyncrit.unknown_entry"
"""The full name of a message without fields, in every pool: what it parses are unknown fields."""


def parse_descriptor_set(data: bytes, place: str) -> list[FileDescriptorProto]:
    """The files in a serialised FileDescriptorSet. Raises SchemaError at ``place`` if it is not one."""
    try:
        files = list(FileDescriptorSet.FromString(data).file)
    except DecodeError as error:
        raise SchemaError("not a FileDescriptorSet (made with protoc --descriptor_set_out)", place) from error
    if not any(file.message_type for file in files):
        raise SchemaError("a FileDescriptorSet without messages", place)
    return files


def build_pool(
    files: Iterable[FileDescriptorProto], place: str
) -> tuple[descriptor_pool.DescriptorPool, dict[str, Descriptor]]:
    """A pool of its own for ``files`` (in any order), and its messages by name.

    Messages are named without their package where that is unambiguous, and always with it. Values of
    top-level enums share one scope a package, and in CRIU v0.7-v1.3.1 and v1.7-v2.6 two files that never import
    each other define the same value (``TUN``, ``NONE``): such a file is moved to a package of its own.
    """
    ordered = _in_dependency_order(list(files), place)
    _separate_clashes(ordered)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_unknown_file().SerializeToString())
    messages: dict[str, Descriptor] = {"": pool.FindMessageTypeByName(UNKNOWN_MESSAGE)}
    for file in ordered:
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:  # what protobuf raises for a file that it can't link
            raise SchemaError(f"can't load {file.name}: {error}", place) from error
        if file.name != DESCRIPTOR_PROTO:
            _collect(pool.FindFileByName(file.name).message_types_by_name.values(), messages)
    return pool, messages


def _collect(descriptors: Iterable[Descriptor], messages: dict[str, Descriptor]) -> None:
    for descriptor in descriptors:
        if descriptor.containing_type is None:
            messages.setdefault(descriptor.name, descriptor)
        messages[descriptor.full_name] = descriptor
        _collect(descriptor.nested_types, messages)


def _unknown_file() -> FileDescriptorProto:
    package, name = UNKNOWN_MESSAGE.split(".")
    file = FileDescriptorProto(name="dyncrit/unknown.proto", package=package)
    file.message_type.add(name=name)
    return file


def _in_dependency_order(files: list[FileDescriptorProto], place: str) -> list[FileDescriptorProto]:
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

    return FileDescriptorProto.FromString(descriptor_pb2.DESCRIPTOR.serialized_pb)


def _separate_clashes(files: list[FileDescriptorProto]) -> None:
    """Give each file whose top-level enum values stand in an earlier file already its own package."""
    taken: set[str] = set()
    moved: dict[str, str] = {}
    for file in files:
        symbols = _symbols(file)
        if symbols & taken and not file.package:
            file.package = file.name.removesuffix(".proto").replace("-", "_").replace("/", "_") + "_proto"
            names = [item.name for item in (*file.message_type, *file.enum_type)]
            moved.update({f".{name}": f".{file.package}.{name}" for name in names})
        taken |= _symbols(file)
    if moved:
        for file in files:
            for message in file.message_type:
                _rename_references(message, moved)


def _symbols(file: FileDescriptorProto) -> set[str]:
    prefix = f"{file.package}." if file.package else ""
    return {prefix + value.name for enum in file.enum_type for value in enum.value}


def _rename_references(message: DescriptorProto, moved: dict[str, str]) -> None:
    for field in message.field:
        top, _, rest = field.type_name[1:].partition(".")
        if new := moved.get(f".{top}"):
            field.type_name = f"{new}.{rest}" if rest else new
    for nested in message.nested_type:
        _rename_references(nested, moved)
