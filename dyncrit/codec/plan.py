"""A message type made ready for coding: every field with how it stands on the wire and in a document."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor as FD

from dyncrit.codec import render, wire
from dyncrit.schema.options import CriuOptions, criu_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from dyncrit.types import ByteOrder


@dataclass(frozen=True, slots=True)
class Style:
    """How documents show messages. The byte order decides how addresses (``ipadd``) are read."""

    pretty: bool = False
    byte_order: ByteOrder = "little"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar type: its wire type, Python's type for it, its range, and wire value <-> value."""

    name: str
    wire_type: int
    python_type: type
    from_wire: Callable[[Any], Any]
    to_wire: Callable[[Any], Any]
    low: int = 0
    high: int = 0


@dataclass(slots=True)
class FieldPlan:
    """A field: ``message`` is set for messages and groups, ``names`` for enums.

    ``show`` and ``parse`` turn a value into what a document has and back; they are None where both
    are the same. ``show_list`` and ``parse_list`` do it for a repeated field as a whole. ``show_loses``
    tells whether a value does not come back from what is shown of it.
    """

    number: int
    name: str
    scalar: Scalar
    repeated: bool
    required: bool
    presence: bool
    packed: bool = False
    message: MessagePlan | None = None
    names: dict[int, str] | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    show: Callable[[Any], Any] | None = None
    parse: Callable[[str], Any] | None = None
    show_loses: Callable[[Any], bool] | None = None
    show_list: Callable[[list[int]], list[Any]] | None = None
    parse_list: Callable[[str], list[int]] | None = None

    @property
    def is_group(self) -> bool:
        """Whether the message is delimited by tags instead of a length."""
        return self.scalar.wire_type == wire.START_GROUP


@dataclass(slots=True)
class MessagePlan:
    """A message type with its fields in number order."""

    descriptor: Descriptor
    fields: list[FieldPlan] = field(default_factory=list)
    by_number: dict[int, FieldPlan] = field(default_factory=dict)
    by_name: dict[str, FieldPlan] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The message's name without its package."""
        return str(self.descriptor.name)

    @property
    def message_class(self) -> type[Message]:
        """protobuf's class for the message."""
        return message_factory.GetMessageClass(self.descriptor)


class Planner:
    """Makes plans in one style, each message type once (and once more where hex is inherited)."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._plans: dict[tuple[str, bool], MessagePlan] = {}

    def plan(self, descriptor: Descriptor, *, hexadecimal: bool = False) -> MessagePlan:
        """The plan of a message type; with ``hexadecimal``, as below a field with the hex option."""
        key = (descriptor.full_name, hexadecimal)
        if key not in self._plans:
            plan = self._plans[key] = MessagePlan(descriptor)
            plan.fields = [
                self._field(item, hexadecimal=hexadecimal) for item in _in_number_order(descriptor)
            ]
            plan.by_number = {item.number: item for item in plan.fields}
            plan.by_name = {item.name: item for item in plan.fields}
        return self._plans[key]

    def _field(self, item: FD, *, hexadecimal: bool) -> FieldPlan:
        options = criu_options(item)
        repeated = _is_repeated(item)
        plan = FieldPlan(
            number=item.number,
            name=item.name,
            scalar=_SCALARS[item.type],
            repeated=repeated,
            required=_is_required(item),
            presence=item.has_presence,
        )
        if item.message_type is not None:
            plan.message = self.plan(item.message_type, hexadecimal=hexadecimal or options.hex)
            return plan
        plan.packed = repeated and _is_packed(item)
        self._add_conversions(plan, item, options, hexadecimal=hexadecimal)
        return plan

    def _add_conversions(self, plan: FieldPlan, item: FD, options: CriuOptions, *, hexadecimal: bool) -> None:
        if item.enum_type is not None:
            plan.names = {value.number: value.name for value in reversed(item.enum_type.values)}
            plan.numbers = {value.name: value.number for value in item.enum_type.values}
        elif plan.scalar.python_type is bytes:
            is_name = options.conv == "unix_name"
            plan.show = render.show_unix_name if is_name else render.show_base64
            plan.parse = render.parse_unix_name if is_name else render.parse_base64
            plan.show_loses = render.unix_name_loses if is_name else None
        elif plan.scalar.python_type is float:
            plan.show, plan.parse = _show_float, float
        elif plan.scalar.python_type is int:
            rendering = render.rendering(options, plan.name, hexadecimal=hexadecimal)
            plan.parse = rendering.parse if rendering else render.parse_integer
            if self.style.pretty and rendering:
                plan.show = rendering.show
            if options.ipadd and plan.repeated and plan.scalar.name == "uint32":
                plan.parse_list = partial(render.parse_address, byte_order=self.style.byte_order)
                if self.style.pretty:
                    plan.show_list = partial(render.show_addresses, byte_order=self.style.byte_order)


def _in_number_order(descriptor: Descriptor) -> list[FD]:
    return sorted(descriptor.fields, key=lambda item: item.number)


def _is_repeated(item: FD) -> bool:
    return bool(item.is_repeated if hasattr(item, "is_repeated") else item.label == FD.LABEL_REPEATED)


def _is_required(item: FD) -> bool:
    return bool(item.is_required if hasattr(item, "is_required") else item.label == FD.LABEL_REQUIRED)


def _is_packed(item: FD) -> bool:
    """Whether protobuf writes the field packed: asked of protobuf itself, as rules differ by release."""
    if _SCALARS[item.type].wire_type == wire.LENGTH:
        return False
    message = message_factory.GetMessageClass(item.containing_type)()
    getattr(message, item.name).append(item.enum_type.values[0].number if item.enum_type else 0)
    return next(wire.fields(message.SerializePartialToString())).wire_type == wire.LENGTH


def _show_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _identity(value: Any) -> Any:
    return value


def _signed(bits: int) -> Callable[[int], int]:
    half, whole = 1 << (bits - 1), 1 << bits
    return lambda value: ((value & (whole - 1)) ^ half) - half


def _unsigned32(value: int) -> int:
    return value & 0xFFFFFFFF


def _from_zigzag(bits: int) -> Callable[[int], int]:
    mask = (1 << bits) - 1
    return lambda value: (value & mask) >> 1 ^ -(value & 1)


def _to_zigzag(value: int) -> int:
    return value << 1 if value >= 0 else -value * 2 - 1


def _float_type(name: str, wire_type: int, code: str) -> Scalar:
    floating, integer = struct.Struct(f"<{code}"), struct.Struct({"f": "<I", "d": "<Q"}[code])
    return Scalar(
        name,
        wire_type,
        float,
        lambda value: floating.unpack(integer.pack(value))[0],
        lambda value: integer.unpack(floating.pack(value))[0],
    )


def _integer_type(name: str, wire_type: int, bits: int, *, signed: bool, zigzag: bool = False) -> Scalar:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    unsigned = _unsigned32 if bits == 32 else _identity
    from_wire = _from_zigzag(bits) if zigzag else _signed(bits) if signed else unsigned
    return Scalar(name, wire_type, int, from_wire, _to_zigzag if zigzag else _identity, low, high)


def _decode_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _encode_text(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


_SCALARS: dict[int, Scalar] = {
    FD.TYPE_INT32: _integer_type("int32", wire.VARINT, 32, signed=True),
    FD.TYPE_INT64: _integer_type("int64", wire.VARINT, 64, signed=True),
    FD.TYPE_UINT32: _integer_type("uint32", wire.VARINT, 32, signed=False),
    FD.TYPE_UINT64: _integer_type("uint64", wire.VARINT, 64, signed=False),
    FD.TYPE_SINT32: _integer_type("sint32", wire.VARINT, 32, signed=True, zigzag=True),
    FD.TYPE_SINT64: _integer_type("sint64", wire.VARINT, 64, signed=True, zigzag=True),
    FD.TYPE_FIXED32: _integer_type("fixed32", wire.FIXED32, 32, signed=False),
    FD.TYPE_FIXED64: _integer_type("fixed64", wire.FIXED64, 64, signed=False),
    FD.TYPE_SFIXED32: _integer_type("sfixed32", wire.FIXED32, 32, signed=True),
    FD.TYPE_SFIXED64: _integer_type("sfixed64", wire.FIXED64, 64, signed=True),
    FD.TYPE_ENUM: _integer_type("enum", wire.VARINT, 32, signed=True),
    FD.TYPE_BOOL: Scalar("bool", wire.VARINT, bool, bool, int),
    FD.TYPE_FLOAT: _float_type("float", wire.FIXED32, "f"),
    FD.TYPE_DOUBLE: _float_type("double", wire.FIXED64, "d"),
    FD.TYPE_STRING: Scalar("string", wire.LENGTH, str, _decode_text, _encode_text),
    FD.TYPE_BYTES: Scalar("bytes", wire.LENGTH, bytes, _identity, _identity),
    FD.TYPE_MESSAGE: Scalar("message", wire.LENGTH, dict, _identity, _identity),
    FD.TYPE_GROUP: Scalar("group", wire.START_GROUP, dict, _identity, _identity),
}
