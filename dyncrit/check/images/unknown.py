"""What a schema doesn't know of a record: fields, and values of enums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec import wire
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor


class Unknown(NamedTuple):
    """A field of a message type that is unknown, by its number; or, with a ``field``, a value of an enum."""

    message: str
    number: int
    field: str = ""


def unknown_fields(record: bytes, descriptor: Descriptor, depth: int = 0) -> Iterator[Unknown]:
    """What a record has that its message type doesn't know, nested messages included, each time it is met.

    A field that is known and stands on the wire otherwise than it should counts as unknown.
    """
    try:
        items = list(wire.fields(record, depth))
    except ImageError:
        return
    known = {field.number: field for field in descriptor.fields}
    for item in items:
        field = known.get(item.number)
        if field is None:
            yield Unknown(descriptor.name, item.number)
        elif field.message_type is not None and isinstance(item.value, bytes) and depth < wire.MAX_DEPTH:
            yield from unknown_fields(item.value, field.message_type, depth + 1)
        elif field.enum_type is not None and isinstance(item.value, int):
            value = item.value - (1 << 64) if item.value >> 63 else item.value
            if value not in field.enum_type.values_by_number:
                yield Unknown(descriptor.name, value, field.name)
        elif (item.wire_type == wire.LENGTH) != (field.type in _LENGTHS):
            yield Unknown(descriptor.name, item.number)


_LENGTHS = (9, 11, 12)  # TYPE_STRING, TYPE_MESSAGE, TYPE_BYTES of google/protobuf/descriptor.proto
