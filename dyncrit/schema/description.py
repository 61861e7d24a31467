"""What a schema says of a message or of a type of image, as data to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dyncrit.errors import SchemaError, did_you_mean
from dyncrit.schema.engine import is_repeated, is_required
from dyncrit.schema.history import message_since, since
from dyncrit.schema.layout import Array, Counted, Parts, Rest, Submessages
from dyncrit.schema.options import criu_options
from dyncrit.schema.prototext import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

    from dyncrit.schema.layout import FieldNumber, ImageType, PayloadLayout, RawFormat
    from dyncrit.schema.schema import Schema
    from dyncrit.types import JsonObject

_SCALARS = {int(number): name for number, name in SCALARS.items()}  # descriptors have types as plain numbers


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """A field; ``since`` is the first release with its number, ``other_names`` those it had elsewhere.

    ``since`` is None for a field that no release has.
    """

    number: int
    name: str
    label: str
    type: str
    options: Mapping[str, str | bool]
    default: str | None
    since: str | None
    other_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageDescription:
    """A message: its .proto file, its first release, its fields by number, the values of enums within it."""

    name: str
    file: str
    since: str | None
    fields: tuple[FieldDescription, ...]
    enums: Mapping[str, Mapping[str, int]]

    def to_dict(self) -> JsonObject:
        """The message as JSON has it."""
        return {
            "message": self.name,
            "file": self.file,
            "since": self.since,
            "fields": [
                {name: getattr(field, name) for name in field.__slots__ if name != "other_names"}
                | {"options": dict(field.options), "other_names": list(field.other_names)}
                for field in self.fields
            ],
            "enums": {name: dict(values) for name, values in self.enums.items()},
        }


@dataclass(frozen=True, slots=True)
class RecordDescription:
    """A record of an image: its message, the payload behind it in words, and which records are like it."""

    which: str
    message: str
    payload: str


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """A type of image; ``messages`` are those of its records, as far as the schema has them."""

    name: str
    magic: int | None
    head: str
    aliases: tuple[str, ...]
    files: tuple[str, ...]
    records: tuple[RecordDescription, ...]
    messages: tuple[MessageDescription, ...]
    missing: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        """The type as JSON has it; the magic as in documents."""
        return {
            "image": self.name,
            "magic": None if self.magic is None else f"0x{self.magic:08X}",
            "head": self.head,
            "aliases": list(self.aliases),
            "files": list(self.files),
            "records": [
                {"which": row.which, "message": row.message, "payload": row.payload} for row in self.records
            ],
            "messages": [message.to_dict() for message in self.messages],
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class RawDescription:
    """A file beside the images that has no records."""

    name: str
    describes: str
    files: tuple[str, ...]

    def to_dict(self) -> JsonObject:
        """The format as JSON has it."""
        return {"raw": self.name, "describes": self.describes, "files": list(self.files)}


def describe_name(schema: Schema, name: str) -> MessageDescription | ImageDescription | RawDescription:
    """What ``name`` is: a message, a type of image (``PAGEMAP``), or a file's name (``core-1.img``).

    Raises SchemaError, with the nearest name, where it is none of them.
    """
    table = schema.table
    if message := schema.message(name) if name else None:
        return describe_message(message)
    if image := table.by_name(name) or table.by_file_name(name):
        return _describe_image(schema, image)
    if raw := _raw_format(schema, name):
        return RawDescription(raw.name, raw.describes, raw.files)
    known = [*schema.message_names, *table.names, *(row.name for row in table.raw_formats)]
    hint = did_you_mean(name, known) or did_you_mean(name.upper(), known)
    problem = f"no message, image type or image file {name!r} in the schema{hint}"
    raise SchemaError(problem, schema.source.name)


def describe_message(message: Descriptor) -> MessageDescription:
    """A message with its fields in number order."""
    fields = (_describe_field(message.name, field) for field in message.fields)
    enums = {field.enum_type.full_name: field.enum_type for field in message.fields if field.enum_type}
    return MessageDescription(
        message.name,
        message.file.name,
        message_since(message.name),
        tuple(sorted(fields, key=lambda field: field.number)),
        {_short_name(enum): {value.name: value.number for value in enum.values} for enum in enums.values()},
    )


def payload_words(layout: PayloadLayout | None) -> str:
    """What stands behind a record, in words; nothing where there is no payload."""
    return _WORDS[type(layout)](layout) if layout is not None else ""


def _describe_field(message: str, field: FieldDescriptor) -> FieldDescription:
    options = {name: value for name, value in criu_options(field)._asdict().items() if value}
    referred = field.message_type or field.enum_type
    known = since(message, field.number)
    first, names = known or (None, ())
    return FieldDescription(
        field.number,
        field.name,
        "repeated" if is_repeated(field) else "required" if is_required(field) else "optional",
        _short_name(referred) if referred else _SCALARS[field.type],
        options,
        _default(field),
        first,
        tuple(name for name in names if name != field.name),
    )


def _default(field: FieldDescriptor) -> str | None:
    """A default in words: an enum's by name, bytes with escapes."""
    if not field.has_default_value or field.message_type is not None or is_repeated(field):
        return None
    value: Any = field.default_value
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short_name(referred: Descriptor | EnumDescriptor) -> str:
    """A type's name without its package."""
    package = referred.file.package
    return referred.full_name.removeprefix(f"{package}.") if package else referred.full_name


def _describe_image(schema: Schema, image: ImageType) -> ImageDescription:
    names = dict.fromkeys(
        name
        for record in image.records
        for name in (record.message, *_inner_messages(record.payload))
        if name
    )
    found = {name: schema.message(name) for name in names}
    last = len(image.records) - 1
    return ImageDescription(
        image.name,
        image.magic,
        image.head,
        image.aliases,
        image.files,
        tuple(
            RecordDescription(_which(index, last), record.message, payload_words(record.payload))
            for index, record in enumerate(image.records)
        ),
        tuple(describe_message(message) for message in found.values() if message),
        tuple(name for name, message in found.items() if message is None),
    )


def _which(index: int, last: int) -> str:
    if index < last:
        return ("first", "second", "third")[index] if index < 3 else f"record {index + 1}"
    return "each" if last == 0 else "each other"


def _inner_messages(layout: PayloadLayout | None) -> tuple[str, ...]:
    return (layout.message,) if isinstance(layout, Submessages) else ()


def _raw_format(schema: Schema, name: str) -> RawFormat | None:
    by_name = (row for row in schema.table.raw_formats if row.name == name)
    return next(by_name, None) or schema.table.raw_by_file_name(name)


def _counted(layout: Counted) -> str:
    return f"{_sum(layout.lengths)} bytes{_aligned(layout.align)}{_unless(layout.unless)}"


def _parts(layout: Parts) -> str:
    return ", then ".join(f"{length.name} bytes of {name}" for name, length in layout.parts)


def _rest(layout: Rest) -> str:
    return f"all bytes to the end of the file{_unless(layout.unless)}"


def _array(layout: Array) -> str:
    return f"{layout.counter.name} numbers of {layout.width} bytes{_aligned(layout.align)}"


def _submessages(layout: Submessages) -> str:
    data = f"{layout.length.name} bytes{_aligned(layout.align)}"
    return f"{layout.counter.name} times a length of 4 bytes, a {layout.message} and {data}"


def _sum(fields: tuple[FieldNumber, ...]) -> str:
    return " + ".join(field.name for field in fields)


def _aligned(align: int) -> str:
    return f", zeros up to a multiple of {align}" if align > 1 else ""


def _unless(field: FieldNumber | None) -> str:
    return f"; nothing if {field.name} is set" if field else ""


_WORDS: dict[type, Callable[..., str]] = {
    Counted: _counted,
    Parts: _parts,
    Rest: _rest,
    Array: _array,
    Submessages: _submessages,
}
