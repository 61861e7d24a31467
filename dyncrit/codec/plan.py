"""A message type made ready for coding: every field with how it stands on the wire and in a document."""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.codec import render, wire
from dyncrit.codec.scalars import SCALARS, Scalar
from dyncrit.schema.engine import is_repeated, is_required, message_class
from dyncrit.schema.options import CriuOptions, criu_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from dyncrit.types import ByteOrder


class Style(NamedTuple):
    """How documents show messages. The byte order decides how addresses (``ipadd``) are read."""

    pretty: bool = False
    byte_order: ByteOrder = "little"


class FieldPlan:
    """A field: ``message`` is set for messages and groups, ``names`` and ``numbers`` for enums."""

    def __init__(
        self, descriptor: FieldDescriptor, style: Style, message: MessagePlan | None, *, hexadecimal: bool
    ) -> None:
        self.number = descriptor.number
        self.name = descriptor.name
        self.json_name = descriptor.json_name
        self.scalar: Scalar = SCALARS[descriptor.type]
        self.repeated = is_repeated(descriptor)
        self.required = is_required(descriptor)
        self.presence = descriptor.has_presence
        self.message = message
        self.names: dict[int, str] | None = None
        self.numbers: dict[str, int] = {}
        if descriptor.enum_type is not None:
            self.names = {value.number: value.name for value in reversed(descriptor.enum_type.values)}
            self.numbers = {value.name: value.number for value in descriptor.enum_type.values}
        self._descriptor = descriptor
        self._style = style
        self._hexadecimal = hexadecimal

    @property
    def is_group(self) -> bool:
        """Whether the message is delimited by tags instead of a length."""
        return self.scalar.wire_type == wire.START_GROUP

    @cached_property
    def packed(self) -> bool:
        """Whether the field is written packed: asked of protobuf itself, as the rules differ by release."""
        if not self.repeated or self.scalar.wire_type in (wire.LENGTH, wire.START_GROUP):
            return False
        containing, enum = self._descriptor.containing_type, self._descriptor.enum_type
        assert containing is not None  # noqa: S101 (a field of a message)
        made = message_class(containing)
        message = made()
        getattr(message, self.name).append(enum.values[0].number if enum else 0)
        serialised = made.SerializePartialToString(message)  # a field may have the method's name
        return next(wire.fields(serialised)).wire_type == wire.LENGTH

    @cached_property
    def show(self) -> Callable[[Any], Any] | None:
        """What turns a value into what a document has, unless both are the same (or it is an enum)."""
        kind = self.scalar.python_type
        if kind is bytes:
            return render.show_unix_name if self._is_unix_name else render.show_base64
        if kind is float:
            return _show_float
        return self._rendering.show if self._style.pretty and self._rendering else None

    @cached_property
    def parse(self) -> Callable[[str], Any] | None:
        """What reads a value from a string, unless it is a string (or an enum's name); raises ValueError."""
        kind = self.scalar.python_type
        if kind is bytes:
            return render.parse_unix_name if self._is_unix_name else render.parse_base64
        if kind is float:
            return float
        if kind is int:
            return self._rendering.parse if self._rendering else render.parse_integer
        return None

    @cached_property
    def show_loses(self) -> Callable[[Any], bool] | None:
        """Tells whether a value does not come back from what is shown of it, where that can be."""
        return render.unix_name_loses if self.scalar.python_type is bytes and self._is_unix_name else None

    @cached_property
    def show_list(self) -> Callable[[list[int]], list[Any]] | None:
        """What shows the values of a repeated field as a whole, instead of each."""
        if not (self._style.pretty and self._is_address):
            return None
        return partial(render.show_addresses, byte_order=self._style.byte_order)

    @cached_property
    def parse_list(self) -> Callable[[str], list[int]] | None:
        """What reads the values of a repeated field from one string; raises ValueError."""
        if not self._is_address:
            return None
        return partial(render.parse_address, byte_order=self._style.byte_order)

    @cached_property
    def _rendering(self) -> render.Rendering | None:
        if self.scalar.python_type is not int or self.names is not None:
            return None
        return render.rendering(self._options, self.name, hexadecimal=self._hexadecimal)

    @cached_property
    def _options(self) -> CriuOptions:
        return criu_options(self._descriptor)

    @property
    def _is_unix_name(self) -> bool:
        return self._options.conv == "unix_name"

    @property
    def _is_address(self) -> bool:
        return self.repeated and self.scalar.name == "uint32" and self._options.ipadd


class MessagePlan:
    """A message type with its fields in number order, looked at when they are first needed."""

    def __init__(self, descriptor: Descriptor, planner: Planner, *, hexadecimal: bool) -> None:
        self.descriptor = descriptor
        self._planner = planner
        self._hexadecimal = hexadecimal

    @property
    def name(self) -> str:
        """The message's name without its package."""
        return self.descriptor.name

    @property
    def message_class(self) -> type[Message]:
        """The class that protobuf has for the message."""
        return message_class(self.descriptor)

    @cached_property
    def fields(self) -> list[FieldPlan]:
        """All fields, in number order."""
        return self._planner.fields(self.descriptor, hexadecimal=self._hexadecimal)

    @cached_property
    def by_number(self) -> dict[int, FieldPlan]:
        """The fields by number."""
        return {field.number: field for field in self.fields}

    @cached_property
    def by_name(self) -> dict[str, FieldPlan]:
        """The fields by name."""
        return {field.name: field for field in self.fields}


class Planner:
    """Makes plans in one style, each message type once (and once more where hex is inherited)."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._plans: dict[tuple[str, bool], MessagePlan] = {}

    def plan(self, descriptor: Descriptor, *, hexadecimal: bool = False) -> MessagePlan:
        """The plan of a message type; with ``hexadecimal``, as below a field with the hex option."""
        key = (descriptor.full_name, hexadecimal)
        if key not in self._plans:
            self._plans[key] = MessagePlan(descriptor, self, hexadecimal=hexadecimal)
        return self._plans[key]

    def fields(self, descriptor: Descriptor, *, hexadecimal: bool) -> list[FieldPlan]:
        """The plans of a message type's fields, in number order."""
        ordered = sorted(descriptor.fields, key=lambda item: item.number)
        return [self._field(item, hexadecimal=hexadecimal) for item in ordered]

    def _field(self, item: FieldDescriptor, *, hexadecimal: bool) -> FieldPlan:
        message = None
        if item.message_type is not None:
            below = self.style.pretty and (hexadecimal or criu_options(item).hex)
            message = self.plan(item.message_type, hexadecimal=below)
        return FieldPlan(item, self.style, message, hexadecimal=hexadecimal)


def _show_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
