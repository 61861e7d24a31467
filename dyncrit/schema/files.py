"""The files behind a schema, as descriptors: what protoc or the catalogue made, before a pool takes them.

A pool moves files whose enum values clash, and the bundled release lacks opts.proto; what is compared or
written out again starts from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from dyncrit.errors import SchemaError
from dyncrit.schema.engine import message_class
from dyncrit.schema.options import CRIU_OPTIONS_NUMBER
from dyncrit.schema.pool import build_pool, parse_descriptor_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto
    from google.protobuf.message import Message

    from dyncrit.schema.schema import SchemaSource

NOT_OF_IMAGES = frozenset({"rpc.proto", "img-streamer.proto"})
"""Files beside the images' whose messages no image holds: CRIU's service, and the image streamer's."""

_OF_PROTOBUF = ("google/protobuf/", "dyncrit/")


def schema_files(source: SchemaSource, *, use_cache: bool = True) -> list[FileDescriptorProto]:
    """The files of the schema that comes from ``source``, sorted by name, without protobuf's own.

    Raises SchemaError where the source can't be read (any more).
    """
    files = (file for file in _READERS[source.kind](source, use_cache) if not _is_protobufs(file))
    return sorted(files, key=lambda file: file.name)


class OptionReader:
    """Reads the options of files, of fields and so on, with the extensions that the files define."""

    def __init__(self, files: Iterable[FileDescriptorProto], place: str) -> None:
        copies = [FileDescriptorProto.FromString(file.SerializeToString()) for file in files]
        self._pool = build_pool(copies, place).pool
        self._place = place

    def read(self, options: Message) -> Message:
        """The options as a message that has extensions as fields; raises SchemaError if they're damaged."""
        try:
            descriptor = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:  # no file imports descriptor.proto, so there are no extensions
            return options
        try:
            return message_class(descriptor).FromString(options.SerializePartialToString())
        except DecodeError as error:
            raise SchemaError(f"an option is damaged: {error}", self._place) from error


def normalised(file: FileDescriptorProto, options: OptionReader) -> FileDescriptorProto:
    """A file as it is compared with another: without positions in a text, and options in one order."""
    plain = FileDescriptorProto.FromString(file.SerializeToString())
    plain.ClearField("source_code_info")
    if plain.syntax == "proto2":
        plain.ClearField("syntax")
    for part in _parts_of_file(plain):
        if part.HasField("options"):
            read = options.read(part.options)
            part.options.Clear()
            part.options.MergeFromString(read.SerializePartialToString(deterministic=True))
    for field in _fields_of_file(plain):
        if field.json_name == json_name(field.name):
            field.ClearField("json_name")
    return plain


def json_name(name: str) -> str:
    """The name that protobuf's JSON has for a field unless its file says otherwise.

    >>> json_name("mm_start_code")
    'mmStartCode'
    """
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def field_options(field: FieldDescriptorProto, options: OptionReader) -> dict[str, str | bool]:
    """A field's options by name: those of ``(criu)``, and others as text.

    Its proto2 default stands among them as ``default``, as in the catalogue.
    """
    found: dict[str, str | bool] = {"default": field.default_value} if field.HasField("default_value") else {}
    if not field.HasField("options"):
        return found
    for option, value in options.read(field.options).ListFields():
        if option.number == CRIU_OPTIONS_NUMBER and option.message_type is not None:
            parts = ((part.name, item) for part, item in value.ListFields())
            found.update((name, item if isinstance(item, str | bool) else str(item)) for name, item in parts)
        else:
            found[option.name] = value if isinstance(value, bool) else str(value)
    return found


def all_messages(
    messages: Iterable[DescriptorProto], prefix: str = ""
) -> Iterator[tuple[str, DescriptorProto]]:
    """Each message with its name, and those that are nested in it as ``outer.inner``."""
    for message in messages:
        name = prefix + message.name
        yield name, message
        yield from all_messages(message.nested_type, f"{name}.")


def all_enums(file: FileDescriptorProto) -> Iterator[tuple[str, EnumDescriptorProto]]:
    """Each enum of a file with its name; those in a message as ``message.enum``."""
    for enum in file.enum_type:
        yield enum.name, enum
    for name, message in all_messages(file.message_type):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def map_entries(message: DescriptorProto) -> dict[str, DescriptorProto]:
    """The messages within one that hold a key and a value of a map field, by name."""
    return {
        entry.name: entry
        for entry in message.nested_type
        if entry.options.map_entry and len(entry.field) == 2
    }


def is_list(value: Any) -> bool:
    """Whether an option's value is that of a repeated field."""
    return not isinstance(value, str | bytes) and hasattr(value, "__len__") and hasattr(value, "append")


def _parts_of_file(file: FileDescriptorProto) -> Iterator[Any]:
    """Whatever in a file can have options."""
    yield file
    yield from _fields_of_file(file)
    for _, enum in all_enums(file):
        yield enum
        yield from enum.value
    for _, message in all_messages(file.message_type):
        yield message
        yield from message.oneof_decl
        yield from message.extension_range


def _fields_of_file(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from file.extension
    for _, message in all_messages(file.message_type):
        yield from message.field
        yield from message.extension


def _is_protobufs(file: FileDescriptorProto) -> bool:
    return file.name.startswith(_OF_PROTOBUF)


def _files_of_release(source: SchemaSource, _use_cache: bool) -> Iterable[FileDescriptorProto]:
    from dyncrit.schema.catalogue import build_release, resolve_release

    return build_release(resolve_release(source.name.removeprefix("CRIU "))).file


def _files_of_protos(source: SchemaSource, use_cache: bool) -> Iterable[FileDescriptorProto]:
    from dyncrit.schema.cache import SchemaCache, content_key
    from dyncrit.schema.prototree import find_prototree

    tree = find_prototree(Path(source.name))
    compiled = SchemaCache().get(content_key(tree.files)) if use_cache else None
    if compiled is None:
        from dyncrit.schema.protoc import compile_protos

        compiled = compile_protos(tree)
    return parse_descriptor_set(compiled, source.name)


def _files_of_set(source: SchemaSource, _use_cache: bool) -> Iterable[FileDescriptorProto]:
    try:
        data = Path(source.name).read_bytes()
    except OSError as error:
        raise SchemaError(error.strerror or str(error), source.name) from error
    files = parse_descriptor_set(data, source.name)
    if not all(map(_is_text, files)):
        raise SchemaError("a name in it is not UTF-8", source.name)
    return files


def _is_text(message: Message) -> bool:
    """Whether all strings in a message are UTF-8: those that aren't, protobuf gives as bytes."""
    for field, value in message.ListFields():
        items = value if is_list(value) else [value]
        if field.message_type is not None and not all(map(_is_text, items)):
            return False
        if field.type == FieldDescriptorProto.TYPE_STRING and any(isinstance(item, bytes) for item in items):
            return False
    return True


_READERS = {"release": _files_of_release, "protos": _files_of_protos, "descriptor-set": _files_of_set}
