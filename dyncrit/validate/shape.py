"""A schema as validation compares it: messages, fields and enums by name, and where each stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.schema.options import CRIU_OPTIONS_NUMBER, OPTION_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

_OPTION_NAMES = {number: name for name, number, _ in OPTION_FIELDS}
_LABELS = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional",
    FieldDescriptorProto.LABEL_REQUIRED: "required",
    FieldDescriptorProto.LABEL_REPEATED: "repeated",
}
_NOT_OURS = "google/protobuf/"

# The numbers that descriptor.proto gives to what a path of SourceCodeInfo walks through.
_FILE_MESSAGE, _FILE_ENUM = 4, 5
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE = 2


class Place(NamedTuple):
    """Where an element is defined: the .proto file by its name in the schema, and the line from 1."""

    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field. ``kind`` is ``"message"``, ``"enum"`` or the scalar type; ``type`` the name of either.

    ``options`` are the ``(criu)`` ones by name; one that dyncrit doesn't know goes by its number.
    """

    name: str
    number: int
    label: str
    kind: str
    type: str
    default: str
    options: Mapping[str, str | bool]
    place: Place

    @property
    def shown(self) -> str:
        """The field as a .proto file has it: ``"required uint32 nr_pages = 2"``."""
        return f"{self.label} {self.type} {self.name} = {self.number}"


@dataclass(frozen=True, slots=True)
class MessageShape:
    """A message; ``reserved`` are ranges of numbers, the last one included, and names."""

    name: str
    place: Place
    fields: Mapping[int, FieldShape]
    reserved: tuple[range, ...] = ()
    reserved_names: frozenset[str] = frozenset()

    def named(self, name: str) -> FieldShape | None:
        """The field with this name, or None."""
        return next((item for item in self.fields.values() if item.name == name), None)

    def is_reserved(self, number: int) -> bool:
        """Whether the message keeps a number from being used again."""
        return any(number in numbers for numbers in self.reserved)

    @property
    def layout(self) -> frozenset[tuple[int, str, str, str]]:
        """What makes two messages the same but for their names."""
        return frozenset((item.number, item.name, item.label, item.kind) for item in self.fields.values())


@dataclass(frozen=True, slots=True)
class ValueShape:
    """An enum's value."""

    name: str
    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class EnumShape:
    """An enum and its values, aliases among them."""

    name: str
    place: Place
    values: tuple[ValueShape, ...]

    @property
    def layout(self) -> frozenset[tuple[int, str]]:
        """What makes two enums the same but for their names."""
        return frozenset((value.number, value.name) for value in self.values)


@dataclass(frozen=True, slots=True)
class SchemaShape:
    """All messages and enums by full name, nested ones too, and the files they come from."""

    files: frozenset[str]
    messages: Mapping[str, MessageShape] = field(default_factory=dict)
    enums: Mapping[str, EnumShape] = field(default_factory=dict)

    def without(self, files: Iterable[str]) -> SchemaShape:
        """The shape without what stands in some files."""
        left_out = frozenset(files)
        return SchemaShape(
            self.files - left_out,
            {name: item for name, item in self.messages.items() if item.place.file not in left_out},
            {name: item for name, item in self.enums.items() if item.place.file not in left_out},
        )


def schema_shape(files: Iterable[FileDescriptorProto]) -> SchemaShape:
    """The shape of compiled files; protobuf's own are left out."""
    messages: dict[str, MessageShape] = {}
    enums: dict[str, EnumShape] = {}
    ours = [file for file in files if not file.name.startswith(_NOT_OURS)]
    for file in ours:
        reader = _Reader(file)
        for index, message in enumerate(file.message_type):
            reader.message(message, file.package, (_FILE_MESSAGE, index))
        for index, enum in enumerate(file.enum_type):
            reader.enum(enum, file.package, (_FILE_ENUM, index))
        messages = {**reader.messages, **messages}
        enums = {**reader.enums, **enums}
    return SchemaShape(frozenset(file.name for file in ours), messages, enums)


class _Reader:
    """Reads one file's elements, with their lines."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file.name
        self.messages: dict[str, MessageShape] = {}
        self.enums: dict[str, EnumShape] = {}
        self.lines = {
            tuple(item.path): item.span[0] + 1 for item in file.source_code_info.location if item.span
        }

    def message(self, message: DescriptorProto, scope: str, path: tuple[int, ...]) -> None:
        name = f"{scope}.{message.name}" if scope else message.name
        fields = (
            self._field(item, (*path, _MESSAGE_FIELD, index)) for index, item in enumerate(message.field)
        )
        self.messages[name] = MessageShape(
            name,
            self._place(path),
            {item.number: item for item in fields},
            tuple(range(item.start, item.end) for item in message.reserved_range),
            frozenset(message.reserved_name),
        )
        for index, nested in enumerate(message.nested_type):
            self.message(nested, name, (*path, _MESSAGE_NESTED, index))
        for index, enum in enumerate(message.enum_type):
            self.enum(enum, name, (*path, _MESSAGE_ENUM, index))

    def enum(self, enum: EnumDescriptorProto, scope: str, path: tuple[int, ...]) -> None:
        name = f"{scope}.{enum.name}" if scope else enum.name
        values = (
            ValueShape(item.name, item.number, self._place((*path, _ENUM_VALUE, index)))
            for index, item in enumerate(enum.value)
        )
        self.enums[name] = EnumShape(name, self._place(path), tuple(values))

    def _field(self, item: FieldDescriptorProto, path: tuple[int, ...]) -> FieldShape:
        kind = FieldDescriptorProto.Type.Name(item.type).removeprefix("TYPE_").lower()
        return FieldShape(
            item.name,
            item.number,
            _LABELS[item.label],
            kind,
            item.type_name.removeprefix(".") or kind,
            item.default_value,
            dict(_criu_options(item)),
            self._place(path),
        )

    def _place(self, path: tuple[int, ...]) -> Place:
        return Place(self.file, self.lines.get(path))


def _criu_options(item: FieldDescriptorProto) -> Iterator[tuple[str, str | bool]]:
    """The options under CRIU's number, from their bytes: the generated FieldOptions knows none of them."""
    if not item.HasField("options"):
        return
    try:
        for outer in wire.fields(item.options.SerializeToString()):
            if outer.number == CRIU_OPTIONS_NUMBER and isinstance(outer.value, bytes):
                for inner in wire.fields(outer.value):
                    name = _OPTION_NAMES.get(inner.number, str(inner.number))
                    value = inner.value
                    if value:  # false and the empty text are as good as not there
                        yield name, value.decode("utf-8", "replace") if isinstance(value, bytes) else True
    except ImageError:
        return
