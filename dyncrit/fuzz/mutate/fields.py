"""Mutations of fields: values that a message may not or should not have, fields gone, doubled or unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.fuzz.interesting import BITS, INTEGERS, NOT_UTF8, TEXTS
from dyncrit.fuzz.mutate.mutation import Mutation, Step, Subject, entry_place
from dyncrit.fuzz.mutate.spot import Place, Spot, pick, pick_message
from dyncrit.schema.engine import is_repeated, is_required

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from dyncrit.fuzz.anatomy import RawEntry
    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.mutation import Layer

_COUNTS = (2, 3, 16, 255, 1024, 8192)
_MAX_ADDED = 16 << 10
_HIGHEST_NUMBER = (1 << 29) - 1
_RESERVED = range(19000, 20000)
_TRIES = 6


def chosen_entry(subject: Subject, chance: Chance) -> tuple[int, RawEntry, Descriptor | None] | None:
    """Some entry that has a record, with its index and the type of its message."""
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    if not entries[index].record:
        return None
    return index, entries[index], subject.schema.message(subject.anatomy.message_name(index))


def shown(value: int | bytes) -> str:
    """A value on the wire, short."""
    if isinstance(value, int):
        return str(value)
    return repr(value[:24])[1:] + (f"... ({len(value)} bytes)" if len(value) > 24 else "")


def of_field(
    name: str,
    layer: Layer,
    weight: int,
    description: str,
    change: Callable[[Spot, Chance], tuple[bytes, str] | None],
) -> Mutation:
    """A mutation that puts something else in the place of some field; ``change`` gives it, and says what."""

    def apply(subject: Subject, chance: Chance) -> Step | None:
        for _ in range(_TRIES):
            chosen = chosen_entry(subject, chance)
            spot = pick(chosen[1].record, chosen[2], chance) if chosen else None
            changed = change(spot, chance) if spot is not None else None
            if chosen is not None and spot is not None and changed is not None and changed[0] != spot.content:
                chosen[1].record = spot.replaced(changed[0])
                return Step(name, entry_place(chosen[0], spot.path), changed[1])
        return None

    return Mutation(name, layer, weight, description, apply)


def of_message(
    name: str,
    layer: Layer,
    weight: int,
    description: str,
    change: Callable[[Place, Chance], tuple[bytes, str] | None],
) -> Mutation:
    """A mutation of some message as a whole; ``change`` gives its new bytes, and says what."""

    def apply(subject: Subject, chance: Chance) -> Step | None:
        for _ in range(_TRIES):
            chosen = chosen_entry(subject, chance)
            if chosen is None:
                continue
            place = pick_message(chosen[1].record, chosen[2], chance)
            changed = change(place, chance)
            if changed is not None and changed[0] != place.content:
                chosen[1].record = place.replaced(changed[0])
                return Step(name, entry_place(chosen[0], place.path), changed[1])
        return None

    return Mutation(name, layer, weight, description, apply)


def _boundary(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A number at the end of a range, or next to what it was."""
    field = spot.field
    if not isinstance(field.value, int):
        return None
    bits = 64 if spot.descriptor is None else BITS.get(spot.descriptor.type, 64)
    if chance.once_in(3):
        value = field.value + chance.one_of((-1, 1, -4096, 4096, field.value))
    else:
        value = chance.one_of(INTEGERS)
        if not chance.once_in(4):  # mostly one that the type can hold
            value &= (1 << bits) - 1
    value = wire.fitting(field.wire_type, value)
    new = wire.encode_field(field.number, field.wire_type, value)
    return new, f"{field.value} -> {value}"


def _wrong_enum(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A number that no value of the enum has."""
    descriptor = spot.descriptor
    if descriptor is None or descriptor.enum_type is None or not isinstance(spot.field.value, int):
        return None
    known = {value.number for value in descriptor.enum_type.values}
    value = chance.one_of(
        [number for number in (max(known) + 1, 0, 255, 1 << 31, (1 << 64) - 1) if number not in known]
    )
    return wire.encode_field(
        spot.field.number, wire.VARINT, value
    ), f"{spot.field.value} -> {value}, no value of the enum"


def _missing(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A field that is gone; mostly one that is required."""
    required = spot.descriptor is not None and is_required(spot.descriptor)
    if not required and not chance.once_in(3):
        return None
    return b"", "a required field is gone" if required else "gone"


def _blow_up(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """A field many times; where it isn't repeated, the last one counts, or all are merged."""
    field = spot.field
    size = field.end - field.start
    repeated = spot.descriptor is not None and is_repeated(spot.descriptor)
    if not repeated and not chance.once_in(4):
        return None
    count = min(chance.one_of(_COUNTS), max(_MAX_ADDED // size, 2))
    return spot.content * count, f"{count} times"


def _text(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    if not _is(spot, _TEXT_TYPES):
        return None
    value = chance.one_of(TEXTS)
    return wire.encode_field(
        spot.field.number, wire.LENGTH, value
    ), f"{shown(spot.field.value)} -> {shown(value)}"


def _bad_text(spot: Spot, chance: Chance) -> tuple[bytes, str] | None:
    """Bytes that aren't UTF-8 somewhere in a text."""
    old = spot.field.value
    if not _is(spot, _TEXT_TYPES) or not isinstance(old, bytes):
        return None
    place = chance.below(len(old) + 1)
    new = old[:place] + chance.one_of(NOT_UTF8) + old[place:]
    return wire.encode_field(spot.field.number, wire.LENGTH, new), f"no UTF-8 at byte {place} of it"


def _unknown(place: Place, chance: Chance) -> tuple[bytes, str] | None:
    """A field that the schema doesn't know."""
    known = place.message.fields_by_number if place.message is not None else {}
    numbers = (max(known, default=0) + 1, 999, 18999, *_RESERVED[:1], _HIGHEST_NUMBER)
    number = chance.one_of([number for number in numbers if number not in known])
    kind = chance.one_of((wire.VARINT, wire.FIXED64, wire.LENGTH, wire.START_GROUP, wire.FIXED32))
    value: int | bytes = chance.bits(64)
    if kind in {wire.LENGTH, wire.START_GROUP}:
        value = b"" if kind == wire.START_GROUP else chance.bytes(chance.one_of((0, 1, 8, 200)))
    field = wire.encode_field(number, kind, value)
    at_end = not chance.once_in(4)
    return place.content + field if at_end else field + place.content, f"a field {number} of wire type {kind}"


def _appear(place: Place, chance: Chance) -> tuple[bytes, str] | None:
    """A field that the message may have and hasn't."""
    if place.message is None:
        return None
    try:
        there = {field.number for field in wire.fields(place.content)}
    except ImageError:
        return None
    absent = [field for field in place.message.fields if field.number not in there]
    if not absent:
        return None
    field = chance.one_of(sorted(absent, key=lambda item: item.number))
    return place.content + _plain_value(field, chance), f"{field.name} is there"


def _plain_value(field: FieldDescriptor, chance: Chance) -> bytes:
    """A field with some value; a message without any field of its own."""
    from dyncrit.codec.scalars import SCALARS

    kind = SCALARS[field.type].wire_type
    if field.enum_type is not None:
        return wire.encode_field(
            field.number, kind, chance.one_of([item.number for item in field.enum_type.values])
        )
    if field.message_type is not None:
        return wire.encode_field(field.number, kind, b"")
    if kind == wire.LENGTH:
        return wire.encode_field(field.number, kind, chance.one_of(TEXTS[:5]))
    return wire.encode_field(
        field.number, kind, chance.one_of(INTEGERS) & ((1 << BITS.get(field.type, 64)) - 1)
    )


def _is(spot: Spot, types: tuple[int, ...]) -> bool:
    return (
        spot.descriptor is not None and spot.descriptor.type in types and isinstance(spot.field.value, bytes)
    )


_TEXT_TYPES = (9, 12)  # TYPE_STRING and TYPE_BYTES of descriptor.proto

MUTATIONS = (
    of_field("boundary", "field", 12, "a number at the end of a range, or next to what it was", _boundary),
    of_field("wrong-enum", "field", 4, "a number that no value of the enum has", _wrong_enum),
    of_field("missing", "field", 6, "a field is gone, mostly a required one", _missing),
    of_field("blow-up", "field", 3, "a field stands there many times, mostly a repeated one", _blow_up),
    of_field("text", "field", 4, "a text that is long, leads elsewhere, or that something acts on", _text),
    of_field("bad-text", "field", 4, "bytes that aren't UTF-8 in a text", _bad_text),
    of_message("unknown-field", "field", 4, "a field that the schema doesn't know", _unknown),
    of_message("appeared", "field", 4, "a field that the message may have, and hadn't", _appear),
)
