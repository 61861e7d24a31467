"""Mutations below fields: of the bytes that protobuf itself is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.fuzz.interesting import INTEGERS, TEXTS
from dyncrit.fuzz.mutate.fields import of_field, of_message, shown

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.spot import Place, Spot

_CONTINUES = 0x80
_MAX_SHUFFLED = 256
_DEPTHS = (4, 32, 99, 100, 101, 1000, 10000)
_LENGTHS = (1, 127, 128, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)


def overlong(value: int, extra: int) -> bytes:
    """A varint with ``extra`` bytes that add nothing to it.

    >>> overlong(1, 2).hex()
    '818000'
    """
    plain = wire.varint(value)
    return plain[:-1] + bytes([plain[-1] | _CONTINUES]) + bytes([_CONTINUES]) * (extra - 1) + b"\0"


def _overlong(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A tag, a length or a number that takes more bytes than it needs; more than ten are none."""
    field = spot.field
    extra = chance.one_of((1, 2, 4, 9, 10))
    tag = field.number << 3 | field.wire_type
    if chance.once_in(3):
        content = spot.content[len(wire.varint(tag)) :]
        return overlong(tag, extra) + content, f"a tag of {extra} bytes more"
    if isinstance(field.value, int) and field.wire_type == wire.VARINT:
        return wire.varint(tag) + overlong(field.value, extra), f"a number of {extra} bytes more"
    if isinstance(field.value, bytes) and field.wire_type == wire.LENGTH:
        return wire.varint(tag) + overlong(
            len(field.value), extra
        ) + field.value, f"a length of {extra} bytes more"
    return None


def _wrong_type(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A field with another wire type than its own, or one that there isn't."""
    field = spot.field
    kinds = [kind for kind in (0, 1, 2, 3, 5, 4, 6, 7) if kind != field.wire_type]
    kind = chance.one_of(kinds[:4] if chance.once_in(2) else kinds)
    what = f"wire type {field.wire_type} -> {kind}"
    if kind in {wire.END_GROUP, 6, 7} or chance.once_in(4):
        tag = wire.varint(field.number << 3 | field.wire_type)
        content = spot.content[len(tag) :]
        return wire.varint(field.number << 3 | kind) + content, f"{what}, what follows as it was"
    if kind in {wire.LENGTH, wire.START_GROUP}:
        return wire.encode_field(field.number, kind, b"\x08\x01"), what
    value = field.value if isinstance(field.value, int) else len(field.value)
    return wire.encode_field(field.number, kind, value), what


def _cut_nested(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """Content that is shorter than its length says, or the other way round; what is behind is read as it."""
    field = spot.field
    if field.wire_type != wire.LENGTH or not isinstance(field.value, bytes):
        return None
    tag = wire.varint(field.number << 3 | wire.LENGTH)
    if chance.once_in(2) and field.value:
        left = chance.below(len(field.value))
        return tag + wire.varint(len(field.value)) + field.value[
            :left
        ], f"{left} of its {len(field.value)} bytes"
    length = chance.one_of((len(field.value) + 1, max(len(field.value) - 1, 0), *_LENGTHS))
    return tag + wire.varint(
        length
    ) + field.value, f"its length says {length}, there are {len(field.value)} bytes"


def _unended(place: Place, chance: Chance) -> tuple[bytes, str] | None:
    """Bytes that end in the middle of something, or are none."""
    tail, what = chance.one_of(
        (
            (b"\x80", "a tag that doesn't end"),
            (b"\x08", "a tag without a value"),
            (b"\x08" + b"\xff" * 10, "a number that doesn't end"),
            (b"\x00", "field number 0"),
            (b"\x07\x00", "wire type 7"),
            (b"\x0b", "a group that doesn't end"),
            (b"\x0c", "the end of no group"),
            (b"\x0b\x14", "a group that ends as another"),
            (b"\xf8\xff\xff\xff\x7f\x01", "a field number beyond the highest"),
        )
    )
    return (place.content + tail if chance.once_in(2) else tail + place.content), what


def _deep(place: Place, chance: Chance) -> tuple[bytes, str] | None:
    """Messages or groups within each other, deeper than parsers go."""
    depth = chance.one_of(_DEPTHS)
    if chance.once_in(2):
        return place.content + b"\x0b" * depth + b"\x0c" * depth, f"groups, {depth} deep"
    nested, number = b"", _holder(place.message)
    for _ in range(min(depth, 1000)):
        nested = wire.encode_field(number, wire.LENGTH, nested)
    return place.content + nested, f"messages, {min(depth, 1000)} deep"


def _holder(message: Descriptor | None) -> int:
    """The field of a message that can hold its own kind, or else another message; 1 if there is none."""
    inner = [item for item in message.fields if item.message_type is not None] if message is not None else []
    return min(inner, key=lambda item: (item.message_type is not message, item.number)).number if inner else 1


def _packed(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A number as a packed list, which proto2 reads for repeated fields only."""
    field = spot.field
    if field.wire_type != wire.VARINT or not isinstance(field.value, int):
        return None
    content = wire.varint(field.value) * chance.one_of((0, 1, 2, 100))
    return wire.encode_field(field.number, wire.LENGTH, content), f"packed, {len(content)} bytes"


def _shuffle(place: Place, chance: Chance) -> tuple[bytes, str] | None:
    """The fields of a message in another order; which of several counts may be another then."""
    try:
        parts = [place.content[field.start : field.end] for field in wire.fields(place.content)]
    except ImageError:
        return None
    if not 2 <= len(parts) <= _MAX_SHUFFLED:
        return None
    return b"".join(chance.shuffled(parts)), f"its {len(parts)} fields are in another order"


def _conflict(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A field twice, with two values: the last one counts, where parsers agree; messages are merged."""
    field = spot.field
    if isinstance(field.value, int):
        value: int | bytes = wire.fitting(field.wire_type, chance.one_of(INTEGERS))
    elif spot.descriptor is not None and spot.descriptor.message_type is not None:
        value = b""
    else:
        value = chance.one_of(TEXTS[:8])
    other = wire.encode_field(field.number, field.wire_type, value)
    is_first = chance.once_in(2)
    return other + spot.content if is_first else spot.content + other, (
        f"{shown(value)} {'before' if is_first else 'behind'} it, too"
    )


MUTATIONS = (
    of_field("overlong", "wire", 4, "a tag, length or number of more bytes than it needs", _overlong),
    of_field("wrong-wire-type", "wire", 5, "a field with another wire type than its own", _wrong_type),
    of_field("cut-nested", "wire", 5, "content that is shorter or longer than its length says", _cut_nested),
    of_message("unended", "wire", 3, "bytes that end in the middle of something, or are no field", _unended),
    of_message("deep", "wire", 1, "messages or groups within each other, deeper than parsers go", _deep),
    of_field("packed", "wire", 2, "a number as a packed list", _packed),
    of_message("shuffled", "wire", 2, "the fields of a message in another order", _shuffle),
    of_field("conflicting", "wire", 2, "a field twice, with two values", _conflict),
)
