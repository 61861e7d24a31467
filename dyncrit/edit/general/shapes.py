"""What may stand at a place in an entry's document: how it is read from text, compared, and looked into."""

from __future__ import annotations

import binascii
import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from dyncrit.codec import unknown, wire
from dyncrit.codec.extra import KEY, OTHER_KEY, PADDING_KEY
from dyncrit.codec.render import parse_base64, parse_integer, show_base64
from dyncrit.codec.walk import BYTES_KEY, decode_record, encode_message
from dyncrit.errors import DocumentError, describe, did_you_mean
from dyncrit.schema.layout import Array, Counted, Parts, Rest, Submessages

if TYPE_CHECKING:
    from dyncrit.codec.plan import FieldPlan, MessagePlan, Planner
    from dyncrit.schema import Schema
    from dyncrit.schema.layout import PayloadLayout, RecordLayout

_TEXT_PREFIX = "text:"
_NUMBER = re.compile(r"\s*[+-]?[0-9]")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class Shape(ABC):
    """What may stand at a place; ``what`` is what errors call it."""

    what: str
    stride = 1
    """Every how many items of a list are meant by ``[*]`` and conditions."""

    def child(self, name: str) -> Shape:
        """What may stand at a key; raises DocumentError if nothing has this name."""
        raise DocumentError(f"{self.what} has no fields, so none that is called {name!r:.60}")

    def item(self, index: int) -> Shape:
        """What may stand at an index; raises DocumentError if this is no list."""
        raise DocumentError(f"{self.what} is no list, so [{index}] is not to be had")

    @abstractmethod
    def read(self, text: str) -> Any:
        """The value that a text stands for, as plain documents have it; raises DocumentError."""

    def empty(self) -> Any:
        """What stands here before anything is in it."""
        self._fail("can't be made where it isn't there; set it as a whole")

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two values mean the same."""
        return bool(value == other)

    def rank(self, value: Any) -> Any:
        """What < and > compare; raises DocumentError where values have no order."""
        del value
        self._fail("can't be compared with < or >")

    def _fail(self, problem: str) -> NoReturn:
        raise DocumentError(f"{self.what} {problem}")


class MessageShape(Shape):
    """A message; ``more`` are keys beside its fields."""

    def __init__(self, plan: MessagePlan, more: dict[str, Shape] | None = None) -> None:
        self.plan = plan
        self.what = plan.name
        self._more = more or {}

    def child(self, name: str) -> Shape:
        """The field with this name, or another key."""
        if name in self._more:
            return self._more[name]
        if field := self.plan.by_name.get(name):
            item = MessageShape(field.message) if field.message else ScalarShape(self.plan, field)
            return ListShape(self.plan, field, item) if field.repeated else item
        if name == unknown.KEY:
            return JsonShape(unknown.KEY)
        known = [*self.plan.by_name, *self._more]
        raise DocumentError(f"{self.what} has no field {name!r:.60}{did_you_mean(name, known)}")

    def read(self, text: str) -> Any:
        """A message from an object in JSON."""
        value = _json(text)
        if not isinstance(value, dict):
            raise DocumentError(f"expected {self.what} as an object in JSON, found {text!r:.60}")
        decoded = decode_record(self.plan, encode_message(self.plan, value))
        return value if BYTES_KEY in decoded else decoded

    def empty(self) -> Any:
        """A message without fields."""
        return {}

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two messages are the same bytes."""
        return encode_message(self.plan, value) == encode_message(self.plan, other)


class _FieldShape(Shape):
    """A field, or an item of one, whose values are read and compared by encoding them."""

    def __init__(self, plan: MessagePlan, field: FieldPlan) -> None:
        self._plan = plan
        self._field = field
        self.what = f"{plan.name}.{field.name}"

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two values are the same on the wire."""
        return self._encoded(value) == self._encoded(other)

    def _wrapped(self, value: Any) -> Any:
        """A value as the field has it in a document."""
        return value

    def _encoded(self, value: Any) -> bytes:
        try:
            return encode_message(self._plan, {self._field.name: self._wrapped(value)})
        except DocumentError as error:
            place = (self._below(part) for part in error.place)
            raise DocumentError(error.problem, *filter(None, place)) from None

    def _below(self, place: str) -> str:
        """A place in a message as a place in the field."""
        return place.removeprefix(self._field.name)

    def _normal(self, value: Any) -> Any:
        """A value as it is shown when it is decoded again, or as it is where that isn't exact."""
        decoded = decode_record(self._plan, self._encoded(value))
        return value if BYTES_KEY in decoded else decoded.get(self._field.name, value)


class ListShape(_FieldShape):
    """A repeated field."""

    def __init__(self, plan: MessagePlan, field: FieldPlan, item: Shape) -> None:
        super().__init__(plan, field)
        self._item = item

    def item(self, index: int) -> Shape:
        """The shape of any of the items."""
        del index
        return self._item

    def read(self, text: str) -> Any:
        """A list from JSON, or an address where the field holds one."""
        value = _json(text)
        if self._field.parse_list and not isinstance(value, list):
            value = [_unquoted(text).strip()]
        if not isinstance(value, list):
            raise DocumentError(
                f"expected {self.what} as a list in JSON, found {text!r:.60} (+= appends one)"
            )
        return self._normal(value)

    def empty(self) -> Any:
        """A list without items."""
        return []


class ScalarShape(_FieldShape):
    """A number, a text, a truth value or bytes."""

    def read(self, text: str) -> Any:
        """A value in the terms of its field, or as a string in JSON."""
        text = _unquoted(text)
        kind = self._field.scalar.python_type
        if kind is bytes:
            return self._checked(_as_base64(text) if self._field.show_loses is None else text)
        if kind is str:
            return self._checked(text)
        value: Any = text
        if kind is bool:
            value = _BOOLEANS.get(text.strip(), text)
        elif self._field.names is not None:
            value = parse_integer(text) if _NUMBER.match(text) else text.strip()
        return self._unwrapped(self._normal(value))

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two values are the same: numbers and text as such, others on the wire."""
        if type(value) is type(other) and self._field.scalar.python_type in (int, str):
            return bool(value == other)
        return super().equal(value, other)

    def rank(self, value: Any) -> Any:
        """The value as a number, as text or as bytes."""
        if isinstance(value, str) and self._field.scalar.python_type is str:
            return value
        (item,) = wire.fields(self._encoded(value))
        number = item.value
        if item.wire_type != self._field.scalar.wire_type and isinstance(number, bytes):  # packed
            varint = self._field.scalar.wire_type == wire.VARINT
            number = wire.read_varint(number, 0)[0] if varint else int.from_bytes(number, "little")
        return self._field.scalar.from_wire(number)

    def _checked(self, text: str) -> str:
        self._encoded(text)
        return text

    def _wrapped(self, value: Any) -> Any:
        return [value] if self._field.repeated and not isinstance(value, list) else value

    def _below(self, place: str) -> str:
        return super()._below(place).removeprefix("[0]")

    def _unwrapped(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(value) != 1:
            self._fail("is one of several numbers here; give the address without an index")
        return value[0]


class JsonShape(Shape):
    """Any JSON, whose meaning is looked at when all is encoded."""

    def __init__(self, what: str) -> None:
        self.what = what

    def child(self, name: str) -> Shape:
        """What stands at a key."""
        return JsonShape(f"{self.what}.{name}")

    def item(self, index: int) -> Shape:
        """What stands at an index."""
        return JsonShape(f"{self.what}[{index}]")

    def read(self, text: str) -> Any:
        """The value of a JSON text, or the text itself where it is none."""
        value = _json(text)
        return text if value is None else value


class BytesShape(Shape):
    """A payload, or a part of one."""

    def __init__(self, what: str) -> None:
        self.what = what

    def read(self, text: str) -> Any:
        """Base64 from base64, or from ``text:`` and text."""
        text = _as_base64(_unquoted(text))
        try:
            return show_base64(parse_base64(text))
        except ValueError as error:
            raise DocumentError(f"expected base64, or text: and text: {error}") from None

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two are the same bytes."""
        if hasattr(value, "pieces"):
            other = parse_base64(other)
            return bool(value.size == len(other) and b"".join(value.pieces()) == other)
        return bool(parse_base64(value) == parse_base64(other))


class PartsShape(Shape):
    """Several runs of bytes with names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.what = KEY
        self._names = names

    def child(self, name: str) -> Shape:
        """A part by its name."""
        if name not in self._names:
            problem = f"{KEY} has no part {name!r:.60}; there are {', '.join(self._names)}"
            raise DocumentError(problem)
        return BytesShape(f"{KEY}.{name}")

    def read(self, text: str) -> Any:
        """All parts, as an object in JSON."""
        value = _json(text)
        if not isinstance(value, dict):
            raise DocumentError(
                f"expected an object in JSON with {' and '.join(self._names)}, found {text!r:.60}"
            )
        return value


class NumbersShape(Shape):
    """A payload of numbers."""

    what = KEY

    def item(self, index: int) -> Shape:
        """Any of the numbers."""
        return _NumberShape(f"{KEY}[{index}]")

    def read(self, text: str) -> Any:
        """All numbers, as a list in JSON."""
        value = _json(text)
        if not isinstance(value, list):
            raise DocumentError(f"expected a list of numbers in JSON, found {text!r:.60}")
        return value

    def empty(self) -> Any:
        """No numbers."""
        return []


class _NumberShape(Shape):
    def __init__(self, what: str) -> None:
        self.what = what

    def read(self, text: str) -> Any:
        try:
            return parse_integer(_unquoted(text))
        except ValueError:
            raise DocumentError(f"expected an integer, found {describe(text)}") from None

    def rank(self, value: Any) -> Any:
        return value


class TurnsShape(Shape):
    """A payload of messages, with the data of each behind it: ``[*]`` are the messages."""

    what = KEY
    stride = 2

    def __init__(self, message: MessagePlan) -> None:
        self._message = message

    def item(self, index: int) -> Shape:
        """A message at an even index, its data at an odd one."""
        return BytesShape(f"{KEY}[{index}]") if index % 2 else MessageShape(self._message)

    def read(self, text: str) -> Any:
        """All messages and their data in turn, as a list in JSON."""
        value = _json(text)
        if not isinstance(value, list):
            raise DocumentError(
                f"expected a list in JSON of messages and their data in turn, found {text!r:.60}"
            )
        return value


def entry_shape(planner: Planner, schema: Schema, layout: RecordLayout) -> MessageShape:
    """What may stand in the document of an entry."""
    plan = message_plan(planner, schema, layout.message)
    if layout.payload is None:
        return MessageShape(plan)
    key = OTHER_KEY if KEY in plan.by_name else KEY
    payload = _payload_shape(planner, schema, layout.payload)
    return MessageShape(plan, {key: payload, PADDING_KEY: JsonShape(PADDING_KEY)})


def message_plan(planner: Planner, schema: Schema, name: str) -> MessagePlan:
    """The plan of a message by its name; of one without fields where the schema lacks it."""
    return planner.plan(schema.message(name) or schema.required_message(""))


def _payload_shape(planner: Planner, schema: Schema, layout: PayloadLayout) -> Shape:
    if isinstance(layout, Counted | Rest):
        return BytesShape(KEY)
    if isinstance(layout, Parts):
        return PartsShape(tuple(name for name, _ in layout.parts))
    if isinstance(layout, Array):
        return NumbersShape()
    assert isinstance(layout, Submessages)  # noqa: S101 (the kinds of layouts)
    return TurnsShape(message_plan(planner, schema, layout.message))


def _json(text: str) -> Any:
    """What a JSON text says; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unquoted(text: str) -> str:
    """A text, or what a string in JSON stands for."""
    value = _json(text) if text[:1] == text[-1:] == '"' and len(text) > 1 else None
    return value if isinstance(value, str) else text


def _as_base64(text: str) -> str:
    if not text.startswith(_TEXT_PREFIX):
        return text
    try:
        content = text.removeprefix(_TEXT_PREFIX).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DocumentError(f"not text: {error.reason} in {text!r:.60}") from None
    return binascii.b2a_base64(content, newline=False).decode("ascii")
