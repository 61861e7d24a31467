"""Messages of any type, made of its descriptor and chance: as bytes, with the fields in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dyncrit.codec import wire
from dyncrit.codec.plan import FieldPlan, Style
from dyncrit.codec.scalars import SCALARS
from dyncrit.errors import DyncritError, describe
from dyncrit.fuzz.generate.choices import Choice, choice_of
from dyncrit.fuzz.generate.knobs import DEFAULT_KNOBS, Knobs, threshold
from dyncrit.fuzz.generate.values import value_encoder, value_maker
from dyncrit.schema.engine import is_repeated, is_required

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.generate.values import Make
    from dyncrit.schema import Schema

Value: TypeAlias = "int | float | str | bytes | Fields | Sequence[Value] | None"
Fields: TypeAlias = Mapping[str, Value]
"""Fields that are given, by name: None for one that isn't there, a list for a repeated one.

A message is given as its own fields, the others of which are left to chance, or as its bytes.
"""

_DEEPEST = 50
"""How deep required messages may be in each other; deeper ones are empty."""
_MOST_VALUES = 1 << 16
"""Of a message and all in it, unless a knob allows longer lists: lists of lists would grow beyond bounds."""
_SHARED_IDS = 64


class MessageGenerator:
    """Makes messages. The same schema, knobs and choices of ``chance`` give the same bytes everywhere.

    All of them are valid: required fields are there, enums have values that the schema knows, texts are
    UTF-8. Fields stand in the order of their numbers, as protobuf writes them.

    >>> from dyncrit.fuzz.chance import Chance
    >>> from dyncrit.schema import Schema
    >>> MessageGenerator(Schema.default(), Chance(7)).generate("pagemap_head").hex()
    '083d'
    """

    def __init__(self, schema: Schema, chance: Chance, knobs: Knobs = DEFAULT_KNOBS) -> None:
        self.schema = schema
        self.chance = chance
        self.knobs = knobs
        self._blueprints: dict[str, _Blueprint] = {}
        self._left = 0

    def seeded(self, chance: Chance) -> MessageGenerator:
        """A generator with another source of choices, that shares what this one knows of message types."""
        other = MessageGenerator(self.schema, chance, self.knobs)
        other._blueprints = self._blueprints
        return other

    def generate(self, message: str | Descriptor, fields: Fields | None = None) -> bytes:
        """A message, with ``fields`` as they are given; those that its type lacks are passed over.

        Raises SchemaError if the schema has no such message, DyncritError for a value that its field can't
        have.
        """
        descriptor = self.schema.required_message(message) if isinstance(message, str) else message
        self._left = max(_MOST_VALUES, self.knobs.repeated)
        return self._message(self._blueprint(descriptor), fields or {}, 0)

    def _message(self, blueprint: _Blueprint, given: Fields, depth: int) -> bytes:
        if blueprint.choice is not None or blueprint.oneofs:
            given = self._settled(blueprint, given)
        chance = self.chance
        rest = threshold(self.knobs.optional)
        is_deepest = depth >= self.knobs.depth or self._left <= 0
        parts = []
        for field in blueprint.fields:
            if given and field.name in given:
                parts.append(self._given(field, given[field.name], depth))
            elif field.required:
                make = field.make
                parts += (field.tag, make(chance) if make is not None else self._nested(field, {}, depth))
            elif field.below is not None and is_deepest:
                continue
            elif field.repeated:
                count = chance.below(field.most + 1)
                contents = [
                    self._content(field, depth) for _ in range(min(count, self._left)) if self._left > 0
                ]
                parts.append(_repeated(field, contents))
            elif chance.bits(7) >= rest:
                parts.append(_singular(field, self._content(field, depth)))
        return b"".join(parts)

    def _content(self, field: _Field, depth: int) -> bytes:
        """What stands behind the field's tag."""
        self._left -= 1
        if field.make is not None:
            return field.make(self.chance)
        return self._nested(field, {}, depth)

    def _nested(self, field: _Field, given: Fields, depth: int) -> bytes:
        assert field.below is not None  # noqa: S101 (it is a message)
        content = b""
        if depth < _DEEPEST:
            content = self._message(self._blueprint(field.below), given, depth + 1)
        return _delimited(field, content)

    def _given(self, field: _Field, value: Value, depth: int) -> bytes:
        if value is None:
            return b""
        if not field.repeated:
            return _singular(field, self._given_content(field, value, depth))
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise DyncritError(f"expected a list, found {describe(value)}", field.name)
        return _repeated(field, [self._given_content(field, item, depth) for item in value])

    def _given_content(self, field: _Field, value: Value, depth: int) -> bytes:
        if field.encode is not None:
            return field.encode(value)
        if isinstance(value, bytes):
            return _delimited(field, value)
        if not isinstance(value, Mapping):
            raise DyncritError(f"expected a message's fields, found {describe(value)}", field.name)
        return self._nested(field, value, depth)

    def _settled(self, blueprint: _Blueprint, given: Fields) -> Fields:
        """The given fields, and of those that exclude each other, all but one as absent."""
        settled = dict(given)
        for names in blueprint.oneofs:
            kept = [name for name in names if settled.get(name) is not None][-1:]
            chosen = kept[0] if kept else self.chance.one_of(names)
            settled.update({name: None for name in names if name != chosen})
        if blueprint.choice is not None:
            settled = self._chosen(blueprint.choice, settled)
        return settled

    def _chosen(self, choice: Choice, given: dict[str, Value]) -> dict[str, Value]:
        value = given.setdefault(choice.by, self.chance.one_of(list(choice.parts)))
        chosen = choice.parts.get(value) if isinstance(value, str) else None
        for part in choice.parts.values():
            given.setdefault(part, {} if part == chosen else None)
        inner = given[chosen] if chosen is not None else None
        if chosen is not None and isinstance(inner, Mapping):
            for name in choice.shared:
                shared = given.setdefault(name, self.chance.between(1, _SHARED_IDS))
                inner = {name: shared, **inner}
            given[chosen] = inner
        return given

    def _blueprint(self, descriptor: Descriptor) -> _Blueprint:
        found = self._blueprints.get(descriptor.full_name)
        if found is None:
            found = _plan(descriptor, self.knobs)
            self._blueprints[descriptor.full_name] = found
        return found


class _Field(NamedTuple):
    """A field: ``make`` and ``encode`` give values of one that is no message, ``below`` is the type of one.

    ``empty`` are contents that aren't written, in a field that has no presence.
    """

    name: str
    tag: bytes
    required: bool
    repeated: bool
    packed: bool
    most: int
    make: Make | None
    encode: Callable[[object], bytes] | None
    below: Descriptor | None
    end_tag: bytes | None
    empty: tuple[bytes, ...]


class _Blueprint(NamedTuple):
    """A message type made ready: its fields by number, and which of them exclude each other."""

    fields: tuple[_Field, ...]
    oneofs: tuple[tuple[str, ...], ...]
    choice: Choice | None


def _plan(descriptor: Descriptor, knobs: Knobs) -> _Blueprint:
    is_map_entry = descriptor.GetOptions().map_entry
    fields = sorted(descriptor.fields, key=lambda field: field.number)
    oneofs = tuple(
        names for oneof in descriptor.oneofs if len(names := tuple(field.name for field in oneof.fields)) > 1
    )
    return _Blueprint(
        tuple(_plan_field(field, knobs, required=is_map_entry) for field in fields),
        oneofs,
        choice_of(descriptor),
    )


def _plan_field(field: FieldDescriptor, knobs: Knobs, *, required: bool) -> _Field:
    wire_type = SCALARS[field.type].wire_type
    repeated, below = is_repeated(field), field.message_type
    packed = repeated and FieldPlan(field, Style(), None, hexadecimal=False).packed
    is_map = below is not None and below.GetOptions().map_entry
    return _Field(
        field.name,
        wire.varint(field.number << 3 | (wire.LENGTH if packed else wire_type)),
        required or is_required(field),
        repeated,
        packed,
        min(knobs.repeated, 1) if is_map else knobs.repeated,  # a key is there once only
        value_maker(field, knobs) if below is None else None,
        value_encoder(field) if below is None else None,
        below,
        wire.varint(field.number << 3 | wire.END_GROUP) if wire_type == wire.START_GROUP else None,
        () if repeated or required or field.has_presence else (b"\0", bytes(4), bytes(8)),
    )


def _delimited(field: _Field, content: bytes) -> bytes:
    """A message's content as it stands behind the field's tag."""
    if field.end_tag is not None:
        return content + field.end_tag
    return wire.varint(len(content)) + content


def _singular(field: _Field, content: bytes) -> bytes:
    return b"" if content in field.empty else field.tag + content


def _repeated(field: _Field, contents: list[bytes]) -> bytes:
    if not contents:
        return b""
    if field.packed:
        joined = b"".join(contents)
        return field.tag + wire.varint(len(joined)) + joined
    return b"".join([field.tag + content for content in contents])
