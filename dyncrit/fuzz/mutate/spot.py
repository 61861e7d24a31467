"""A field somewhere in a record, found on the wire, and the record with something else in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from dyncrit.codec.wire import WireField
    from dyncrit.fuzz.chance import Chance

_MAX_DEPTH = 8
_MAX_FIELDS = 4096
_MAX_FIELD = 1 << 20
_FIXED = {wire.FIXED64: 8, wire.FIXED32: 4}
_DESCENDS = 4
"""A message's own fields are picked this many times as often as the message as a whole."""


class Level(NamedTuple):
    """A message on the way to a field: its bytes, its type if the schema has it, and the field in it."""

    content: bytes
    message: Descriptor | None
    field: WireField
    descriptor: FieldDescriptor | None


class Spot(NamedTuple):
    """A field of a record; ``levels`` are the messages around it, the outermost first."""

    levels: tuple[Level, ...]

    @property
    def field(self) -> WireField:
        """The field as it stands on the wire."""
        return self.levels[-1].field

    @property
    def content(self) -> bytes:
        """The field's bytes, with its tag."""
        level = self.levels[-1]
        return level.content[level.field.start : level.field.end]

    @property
    def descriptor(self) -> FieldDescriptor | None:
        """What the schema says of the field; None for an unknown one."""
        return self.levels[-1].descriptor

    @property
    def path(self) -> str:
        """The names of the fields on the way, with dots between them; numbers for unknown ones.

        A repeated one has its index, counted as it stands on the wire: ``vmas[3].start``.
        """
        return ".".join(map(_name, self.levels))

    def replaced(self, new: bytes) -> bytes:
        """The record with ``new`` in place of the field and its tag; lengths around it are made to fit."""
        for depth in range(len(self.levels) - 1, -1, -1):
            content, field = self.levels[depth].content, self.levels[depth].field
            new = content[: field.start] + new + content[field.end :]
            if depth:
                around = self.levels[depth - 1].field
                new = wire.encode_field(around.number, around.wire_type, new)
        return new


def pick(record: bytes, message: Descriptor | None, chance: Chance) -> Spot | None:
    """Some field of a record, at any depth; None where there is none, or it is no protobuf."""
    levels: list[Level] = []
    content = record
    while True:
        field = _some_field(content, chance)
        if field is None:
            return Spot(tuple(levels)) if levels else None
        descriptor = message.fields_by_number.get(field.number) if message is not None else None
        levels.append(Level(content, message, field, descriptor))
        below = descriptor.message_type if descriptor is not None else None
        if below is None or not isinstance(field.value, bytes) or len(levels) >= _MAX_DEPTH:
            return Spot(tuple(levels))
        if chance.once_in(_DESCENDS):
            return Spot(tuple(levels))
        content, message = field.value, below


class Place(NamedTuple):
    """A message somewhere in a record: ``content`` are its bytes, ``around`` leads to it if it is a field."""

    content: bytes
    message: Descriptor | None
    around: Spot | None

    @property
    def path(self) -> str:
        """The path of the message; empty for the record itself."""
        return self.around.path if self.around is not None else ""

    def replaced(self, new: bytes) -> bytes:
        """The record with ``new`` in place of the message's bytes."""
        if self.around is None:
            return new
        field = self.around.field
        return self.around.replaced(wire.encode_field(field.number, field.wire_type, new))


def pick_message(record: bytes, message: Descriptor | None, chance: Chance) -> Place:
    """Some message of a record, itself included."""
    spot = pick(record, message, chance)
    if spot is None or len(spot.levels) == 1:
        return Place(record, message, None)
    level = spot.levels[-1]
    return Place(level.content, level.message, Spot(spot.levels[:-1]))


def _name(level: Level) -> str:
    """The name of a field, with its index if it is repeated."""
    if level.descriptor is None:
        return str(level.field.number)
    if not is_repeated(level.descriptor):
        return level.descriptor.name
    before = level.content[: level.field.start]
    index = sum(wire.read_varint(before, start)[0] >> 3 == level.field.number for start in _starts(before))
    return f"{level.descriptor.name}[{index}]"


def _some_field(content: bytes, chance: Chance) -> WireField | None:
    """One of the fields that a message begins with, as far as it is protobuf."""
    starts = _starts(content)
    for _ in range(2):
        if not starts:
            return None
        start = chance.one_of(starts)
        try:
            field = next(wire.fields(content[start : start + _MAX_FIELD] if start else content))
        except ImageError:
            starts = starts[:-1]  # it is the last one that is damaged
            continue
        return field._replace(start=start, end=field.end - field.start + start)
    return None


def _starts(content: bytes) -> list[int]:
    """Where the fields of a message begin: found without making anything of them, so many times faster."""
    starts: list[int] = []
    position, end = 0, len(content)
    try:
        while position < end and len(starts) < _MAX_FIELDS:
            starts.append(position)
            tag, position = content[position], position + 1
            if tag >= 0x80:
                tag, position = wire.read_varint(content, position - 1)
            kind = tag & 7
            if kind == wire.VARINT:
                while content[position] >= 0x80:
                    position += 1
                position += 1
            elif kind == wire.LENGTH:
                length, position = content[position], position + 1
                if length >= 0x80:
                    length, position = wire.read_varint(content, position - 1)
                position += length
            elif kind in _FIXED:
                position += _FIXED[kind]
            else:
                break
    except (IndexError, ImageError):
        starts.pop()
    return starts
