"""Protobuf's scalar types: how each stands on the wire, its range, and Python's type for it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from dyncrit.codec import wire

if TYPE_CHECKING:
    from collections.abc import Callable


class Scalar(NamedTuple):
    """A scalar type: its wire type, Python's type for it, its range, and wire value <-> value."""

    name: str
    wire_type: int
    python_type: type
    from_wire: Callable[[Any], Any]
    to_wire: Callable[[Any], Any]
    low: int = 0
    high: int = 0


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


SCALARS: dict[int, Scalar] = {
    FieldDescriptor.TYPE_INT32: _integer_type("int32", wire.VARINT, 32, signed=True),
    FieldDescriptor.TYPE_INT64: _integer_type("int64", wire.VARINT, 64, signed=True),
    FieldDescriptor.TYPE_UINT32: _integer_type("uint32", wire.VARINT, 32, signed=False),
    FieldDescriptor.TYPE_UINT64: _integer_type("uint64", wire.VARINT, 64, signed=False),
    FieldDescriptor.TYPE_SINT32: _integer_type("sint32", wire.VARINT, 32, signed=True, zigzag=True),
    FieldDescriptor.TYPE_SINT64: _integer_type("sint64", wire.VARINT, 64, signed=True, zigzag=True),
    FieldDescriptor.TYPE_FIXED32: _integer_type("fixed32", wire.FIXED32, 32, signed=False),
    FieldDescriptor.TYPE_FIXED64: _integer_type("fixed64", wire.FIXED64, 64, signed=False),
    FieldDescriptor.TYPE_SFIXED32: _integer_type("sfixed32", wire.FIXED32, 32, signed=True),
    FieldDescriptor.TYPE_SFIXED64: _integer_type("sfixed64", wire.FIXED64, 64, signed=True),
    FieldDescriptor.TYPE_ENUM: _integer_type("enum", wire.VARINT, 32, signed=True),
    FieldDescriptor.TYPE_BOOL: Scalar("bool", wire.VARINT, bool, bool, int),
    FieldDescriptor.TYPE_FLOAT: _float_type("float", wire.FIXED32, "f"),
    FieldDescriptor.TYPE_DOUBLE: _float_type("double", wire.FIXED64, "d"),
    FieldDescriptor.TYPE_STRING: Scalar("string", wire.LENGTH, str, _decode_text, _encode_text),
    FieldDescriptor.TYPE_BYTES: Scalar("bytes", wire.LENGTH, bytes, _identity, _identity),
    FieldDescriptor.TYPE_MESSAGE: Scalar("message", wire.LENGTH, dict, _identity, _identity),
    FieldDescriptor.TYPE_GROUP: Scalar("group", wire.START_GROUP, dict, _identity, _identity),
}
