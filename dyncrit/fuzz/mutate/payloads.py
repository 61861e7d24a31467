"""Mutations of payloads: their sizes against what the message says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.fuzz.interesting import INTEGERS
from dyncrit.fuzz.mutate.mutation import Mutation, Step, Subject, entry_place
from dyncrit.schema.layout import Array, Counted, FieldNumber, Parts, Rest, Submessages

if TYPE_CHECKING:
    from dyncrit.fuzz.chance import Chance
    from dyncrit.schema.layout import PayloadLayout

_LENGTH_SIZE = 4
_SIZES = (1, 2, 3, 4, 7, 8, 4096, 65536)


def deciding_fields(layout: PayloadLayout | None) -> tuple[FieldNumber, ...]:
    """The fields that say how much payload there is."""
    if isinstance(layout, Counted):
        return (*layout.lengths, *((layout.unless,) if layout.unless else ()))
    if isinstance(layout, Rest):
        return (layout.unless,) if layout.unless else ()
    if isinstance(layout, Parts):
        return tuple(length for _, length in layout.parts)
    if isinstance(layout, Array | Submessages):
        return (layout.counter,)
    return ()


def _lie(subject: Subject, chance: Chance) -> Step | None:
    """The message says another size than the payload has."""
    anatomy = subject.anatomy
    found = [
        (index, field)
        for index in range(min(len(anatomy.entries), 64))
        for field in deciding_fields(anatomy.frame.image_type.record(index).payload)
    ]
    if not found:
        return None
    index, field = chance.one_of(found)
    entry = anatomy.entries[index]
    try:
        now = wire.numbers_at(entry.record, frozenset({field.number})).get(field.number, 0)
    except ImageError:
        return None
    near = [size for size in (now - 1, now + 1, now * 2, now // 2) if size >= 0]
    value = chance.one_of(near) if chance.once_in(2) else chance.one_of(INTEGERS)
    if value == now:
        return None
    entry.record += wire.encode_field(field.number, wire.VARINT, value)  # the last one counts
    return Step("payload-size", entry_place(index, field.name), f"{now} -> {value}, the payload as it was")


def _cut(subject: Subject, chance: Chance) -> Step | None:
    having = [index for index, entry in enumerate(subject.anatomy.entries) if entry.payload]
    if not having:
        return None
    index = chance.one_of(having)
    entry = subject.anatomy.entries[index]
    left = chance.below(len(entry.payload))
    what = f"{left} of {len(entry.payload)} bytes of payload are left"
    entry.payload = entry.payload[:left]
    return Step("cut-payload", entry_place(index), what)


def _grow(subject: Subject, chance: Chance) -> Step | None:
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    count = chance.one_of(_SIZES)
    entries[index].payload += chance.bytes(count)
    return Step("grown-payload", entry_place(index), f"{count} bytes more behind the message")


def _noise(subject: Subject, chance: Chance) -> Step | None:
    having = [index for index, entry in enumerate(subject.anatomy.entries) if entry.payload]
    if not having:
        return None
    index = chance.one_of(having)
    payload = bytearray(subject.anatomy.entries[index].payload)
    first = chance.below(len(payload))
    count = min(chance.one_of((1, 4, 8)), len(payload) - first)
    for place in range(first, first + count):
        payload[place] ^= chance.between(1, 255)
    subject.anatomy.entries[index].payload = bytes(payload)
    what = f"other bytes at {first} to {first + count - 1} of its payload"
    return Step("payload-noise", entry_place(index), what)


def _lie_within(subject: Subject, chance: Chance) -> Step | None:
    """The length of the first message of a payload isn't its own."""
    anatomy = subject.anatomy
    having = [
        index
        for index, entry in enumerate(anatomy.entries)
        if len(entry.payload) >= _LENGTH_SIZE
        and isinstance(anatomy.frame.image_type.record(index).payload, Submessages)
    ]
    if not having:
        return None
    index = chance.one_of(having)
    entry, order = anatomy.entries[index], anatomy.frame.byte_order
    now = int.from_bytes(entry.payload[:_LENGTH_SIZE], order)
    near = [length for length in (now - 1, now + 1, now * 2) if 0 <= length < 1 << 32]
    length = chance.one_of((*near, 0, 0x7FFFFFFF, 0xFFFFFFFF))
    if length == now:
        return None
    entry.payload = length.to_bytes(_LENGTH_SIZE, order) + entry.payload[_LENGTH_SIZE:]
    return Step("message-length", entry_place(index), f"its first message's length {now} -> {length}")


MUTATIONS = (
    Mutation("payload-size", "payload", 6, "the message says another size than its payload has", _lie),
    Mutation("cut-payload", "payload", 4, "a payload that ends too early", _cut),
    Mutation("grown-payload", "payload", 2, "bytes behind a message that has no more payload", _grow),
    Mutation("payload-noise", "payload", 3, "some bytes of a payload are others", _noise),
    Mutation("message-length", "payload", 2, "a message in a payload has another length", _lie_within),
)
