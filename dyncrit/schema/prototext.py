"""The text of a .proto file (proto2) for what protoc compiled it to."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from dyncrit.errors import SchemaError
from dyncrit.schema.files import all_enums, all_messages, is_list, json_name, map_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto
    from google.protobuf.message import Message

    from dyncrit.schema.files import OptionReader

LABELS = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional",
    FieldDescriptorProto.LABEL_REQUIRED: "required",
    FieldDescriptorProto.LABEL_REPEATED: "repeated",
}
"""The words for a field's label."""

SCALARS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
"""The words for the scalar types."""

_KEYWORDS = frozenset({
    "enum", "extend", "extensions", "group", "import", "map", "message", "oneof", "option", "optional",
    "package", "public", "repeated", "required", "reserved", "returns", "rpc", "service", "stream", "syntax",
    "to", "weak", "true", "false", "max", "inf", "nan",
})  # fmt: skip
_MAX_NUMBER = 536870911
_MAX_ENUM = 2147483647
_INDENT = "\t"


def proto_text(file: FileDescriptorProto, options: OptionReader) -> str:
    """The text that protoc compiles to ``file``; ``options`` reads the options in it.

    Raises SchemaError for what proto2 text, or this writer, has no words for: another syntax, services,
    groups.
    """
    if file.syntax not in ("", "proto2"):
        raise SchemaError(f"syntax {file.syntax}; only proto2 is written", file.name)
    if file.service:
        raise SchemaError("has services, which no image needs; they aren't written", file.name)
    return "\n".join(_Writer(file, options).lines()) + "\n"


def default_text(field: FieldDescriptorProto) -> str:
    """A field's default as a .proto file has it."""
    if field.type == FieldDescriptorProto.TYPE_STRING:
        return _quoted(field.default_value.encode())
    if field.type == FieldDescriptorProto.TYPE_BYTES:
        return f'"{field.default_value}"'  # protoc keeps it escaped
    return field.default_value


class _Writer:
    def __init__(self, file: FileDescriptorProto, options: OptionReader) -> None:
        self.file = file
        self.options = options
        self.inner = self._inner_names()

    def lines(self) -> Iterator[str]:
        """The file's lines, without their ends."""
        file = self.file
        yield 'syntax = "proto2";'
        yield from self._head()
        for extendee, fields in groupby(file.extension, lambda field: field.extendee):
            yield ""
            yield from self._extend(extendee, list(fields), "")
        for enum in file.enum_type:
            yield ""
            yield from self._enum(enum, "")
        for message in file.message_type:
            yield ""
            yield from self._message(message, "")

    def _head(self) -> Iterator[str]:
        file = self.file
        if file.package:
            yield from ("", f"package {file.package};")
        if file.dependency:
            yield ""
        for index, name in enumerate(file.dependency):
            public = "public " if index in file.public_dependency else ""
            yield f"import {public}{_quoted(name.encode())};"
        if file.HasField("options"):
            yield ""
            yield from self._option_lines(file.options, "")

    def _message(self, message: DescriptorProto, indent: str) -> Iterator[str]:
        inner = indent + _INDENT
        yield f"{indent}message {message.name} {{"
        if message.HasField("options"):
            yield from self._option_lines(message.options, inner)
        for enum in message.enum_type:
            yield from self._enum(enum, inner)
        maps = map_entries(message)
        for nested in message.nested_type:
            if nested.name not in maps:
                yield from self._message(nested, inner)
        yield from self._fields(message, maps, inner)
        yield from _ranges(message, inner)
        for extendee, fields in groupby(message.extension, lambda field: field.extendee):
            yield from self._extend(extendee, list(fields), inner)
        yield f"{indent}}}"

    def _fields(
        self, message: DescriptorProto, maps: dict[str, DescriptorProto], indent: str
    ) -> Iterator[str]:
        def home(field: FieldDescriptorProto) -> int:
            return field.oneof_index if field.HasField("oneof_index") else -1

        for index, fields in groupby(message.field, home):
            if index < 0:
                yield from (indent + self._field(field, maps) for field in fields)
                continue
            yield f"{indent}oneof {_item(message.oneof_decl, index, self.file).name} {{"
            for field in fields:
                yield indent + _INDENT + self._field(field, maps, label="")
            yield f"{indent}}}"

    def _field(
        self, field: FieldDescriptorProto, maps: dict[str, DescriptorProto], label: str | None = None
    ) -> str:
        entry = maps.get(field.type_name.rpartition(".")[2])
        if entry is not None and field.type_name.endswith(f".{entry.name}"):
            key, value = (self._type(item) for item in entry.field)
            kind = f"map<{key}, {value}>"
        else:
            words = LABELS[field.label] if label is None else label
            kind = f"{words} {self._type(field)}".strip()
        brackets = ", ".join(self._brackets(field))
        return f"{kind} {field.name} = {field.number}" + (f" [{brackets}];" if brackets else ";")

    def _type(self, field: FieldDescriptorProto) -> str:
        if field.type == FieldDescriptorProto.TYPE_GROUP:
            raise SchemaError(
                f"{field.name} is a group, which no image needs; it isn't written", self.file.name
            )
        return SCALARS.get(field.type) or self._reference(field.type_name)

    def _reference(self, full_name: str) -> str:
        """A name as short as it is understood at any place of the file."""
        name = full_name.removeprefix(".")
        first = name.partition(".")[0]
        return f".{name}" if self.file.package or first in self.inner else name

    def _brackets(self, field: FieldDescriptorProto) -> Iterator[str]:
        if field.HasField("default_value"):
            yield f"default = {default_text(field)}"
        if field.HasField("json_name") and field.json_name != json_name(field.name):
            yield f"json_name = {_quoted(field.json_name.encode())}"
        if field.HasField("options"):
            yield from self._settings(field.options)

    def _extend(self, extendee: str, fields: list[FieldDescriptorProto], indent: str) -> Iterator[str]:
        yield f"{indent}extend {self._reference(extendee)} {{"
        yield from (indent + _INDENT + self._field(field, {}) for field in fields)
        yield f"{indent}}}"

    def _enum(self, enum: EnumDescriptorProto, indent: str) -> Iterator[str]:
        inner = indent + _INDENT
        yield f"{indent}enum {enum.name} {{"
        if enum.HasField("options"):
            yield from self._option_lines(enum.options, inner)
        for value in enum.value:
            brackets = ", ".join(self._settings(value.options)) if value.HasField("options") else ""
            yield f"{inner}{value.name} = {value.number}" + (f" [{brackets}];" if brackets else ";")
        for row in enum.reserved_range:
            yield f"{inner}reserved {row.start} to {'max' if row.end == _MAX_ENUM else row.end};"
        yield from (f"{inner}reserved {_quoted(name.encode())};" for name in enum.reserved_name)
        yield f"{indent}}}"

    def _option_lines(self, options: Message, indent: str) -> Iterator[str]:
        return (f"{indent}option {setting};" for setting in self._settings(options))

    def _settings(self, options: Message) -> Iterator[str]:
        for field, value in self.options.read(options).ListFields():
            name = f"({self._reference(field.full_name)})" if field.is_extension else field.name
            for item in value if is_list(value) else [value]:
                yield from _setting(name, field, item)

    def _inner_names(self) -> set[str]:
        """Names that mean something else within a message of the file, or are words of the language."""
        names = {*_KEYWORDS, *SCALARS.values()}
        for name, message in all_messages(self.file.message_type):
            names.update(field.name for field in (*message.field, *message.extension))
            if "." in name:
                names.add(message.name)
        for name, enum in all_enums(self.file):
            if "." in name:
                names.update((enum.name, *(value.name for value in enum.value)))
        return names


def _ranges(message: DescriptorProto, indent: str) -> Iterator[str]:
    for word, ranges in (("extensions", message.extension_range), ("reserved", message.reserved_range)):
        for row in ranges:
            end = "max" if row.end > _MAX_NUMBER else str(row.end - 1)
            yield f"{indent}{word} {row.start} to {end};"
    yield from (f"{indent}reserved {_quoted(name.encode())};" for name in message.reserved_name)


def _setting(name: str, field: FieldDescriptor, value: Any) -> Iterator[str]:
    """``name = value``; of a message whose fields are scalars one for each, as CRIU writes its own."""
    if field.message_type is None:
        yield f"{name} = {_scalar(field, value)}"
        return
    parts = value.ListFields()
    if not parts or any(part.message_type or part.is_extension or is_list(item) for part, item in parts):
        yield f"{name} = {{ {text_format.MessageToString(value, as_one_line=True)} }}"
        return
    for part, item in parts:
        yield f"{name}.{part.name} = {_scalar(part, item)}"


def _scalar(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | bytes):
        return _quoted(value.encode() if isinstance(value, str) else value)
    return str(value)


def _quoted(data: bytes) -> str:
    """Text in quotation marks, with escapes for all that isn't printable ASCII."""

    def escaped(found: re.Match[bytes]) -> bytes:
        return b"\\%03o" % found[0][0]

    return '"' + re.sub(rb'["\\]|[^ -~]', escaped, data).decode("ascii") + '"'


def _item(items: Sequence[Any], index: int, file: FileDescriptorProto) -> Any:
    if index >= len(items):
        raise SchemaError(f"a field stands in oneof {index} of {len(items)}", file.name)
    return items[index]
