"""Values of scalar fields, as they stand on the wire."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn

from google.protobuf.descriptor import FieldDescriptor

from dyncrit.codec import wire
from dyncrit.codec.scalars import SCALARS
from dyncrit.errors import DyncritError, describe
from dyncrit.fuzz.generate.knobs import threshold
from dyncrit.fuzz.generate.numbers import number_maker
from dyncrit.fuzz.generate.words import path, text_maker
from dyncrit.fuzz.interesting import BITS, INTEGERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.generate.knobs import Knobs

    Make = Callable[[Chance], bytes]
    """Makes the bytes of a value, as they stand behind a tag."""

_ADDRESS_SIZES = (4, 6, 16)
_FLOATS = (0.0, 1.0, -1.5, 1e9, 0.1, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324)
_PLAIN_FLOATS = 5
_ENUM = FieldDescriptor.TYPE_ENUM


def value_maker(field: FieldDescriptor, knobs: Knobs) -> Make:
    """What makes values for a field that is no message: the length included, if it has one."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return _mixed(_texts(field, knobs), _interesting_texts(knobs), knobs)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(field, knobs)
    if SCALARS[field.type].python_type is float:
        return _floats(field, knobs)
    if field.enum_type is not None:
        numbers = sorted({value.number for value in field.enum_type.values})
        return _from(tuple(wire.varint(number) for number in numbers))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _from((b"\0", b"\1"))
    return _integers(field, knobs)


def value_encoder(field: FieldDescriptor) -> Callable[[object], bytes]:
    """What puts given values of a field that is no message on the wire, as they stand behind the tag.

    Texts may be bytes, values of enums may be names. It raises DyncritError for what the field can't have.
    """
    scalar = SCALARS[field.type]
    if scalar.wire_type == wire.LENGTH:
        return lambda value: _counted(_content(field, value))
    if scalar.python_type is float:
        pack = _packer(field)
        return lambda value: pack(value) if isinstance(value, int | float) else _refuse(field, value)
    encode = _encoder(field)
    low, high = scalar.low, scalar.high or 1

    def encode_integer(value: object) -> bytes:
        if isinstance(value, str) and field.enum_type is not None:
            named = field.enum_type.values_by_name.get(value)
            value = named.number if named is not None else value
        if isinstance(value, int) and low <= value <= high:
            return encode(value)
        return _refuse(field, value)

    return encode_integer


def _content(field: FieldDescriptor, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) else _refuse(field, value)


def _refuse(field: FieldDescriptor, value: object) -> NoReturn:
    raise DyncritError(f"no value of type {SCALARS[field.type].name}: {describe(value)}", field.name)


def _mixed(plausible: Make, interesting: Make, knobs: Knobs) -> Make:
    """Mostly the one, and the other as often as the knob says; choosing zeros gives the former."""
    if not knobs.interesting:
        return plausible
    rest = threshold(knobs.interesting)

    def make(chance: Chance) -> bytes:
        return plausible(chance) if chance.bits(7) < rest else interesting(chance)

    return make


def _from(values: tuple[bytes, ...]) -> Make:
    return lambda chance: chance.one_of(values)


def _integers(field: FieldDescriptor, knobs: Knobs) -> Make:
    bits = BITS[field.type]
    encode, plausible = _encoder(field), number_maker(field, bits)
    fitting = dict.fromkeys(encode(value) for value in INTEGERS if value >> bits == 0)
    return _mixed(lambda chance: encode(plausible(chance)), _from(tuple(fitting)), knobs)


def _encoder(field: FieldDescriptor) -> Callable[[int], bytes]:
    """What puts a number on the wire: of it, as many bits as the field has."""
    scalar, bits = SCALARS[field.type], BITS[field.type]
    mask, half = (1 << bits) - 1, 1 << (bits - 1)
    if scalar.wire_type in (wire.FIXED32, wire.FIXED64):
        size = bits // 8
        return lambda value: (value & mask).to_bytes(size, "little")
    if scalar.low == 0:  # also bool
        return lambda value: wire.varint(value & mask)
    to_wire = scalar.to_wire
    return lambda value: wire.varint(to_wire(((value & mask) ^ half) - half))


def _packer(field: FieldDescriptor) -> Callable[[float], bytes]:
    packed = struct.Struct("<f" if SCALARS[field.type].wire_type == wire.FIXED32 else "<d")

    def pack(value: float) -> bytes:
        try:
            return packed.pack(value)
        except OverflowError:
            raise DyncritError(f"no value of type float: {value}", field.name) from None

    return pack


def _floats(field: FieldDescriptor, knobs: Knobs) -> Make:
    values = tuple(map(_packer(field), _FLOATS))
    return _mixed(_from(values[:_PLAIN_FLOATS]), _from(values[_PLAIN_FLOATS:]), knobs)


def _texts(field: FieldDescriptor, knobs: Knobs) -> Make:
    make = text_maker(field.name)
    return lambda chance: _counted(_shortened(make(chance).encode(), knobs.text))


def _interesting_texts(knobs: Knobs) -> Make:
    return _from(tuple(_counted(text) for text in TEXTS if len(text) <= knobs.text))


def _shortened(text: bytes, most: int) -> bytes:
    """As much of a text as goes into so many bytes, no character cut in two."""
    if len(text) <= most:
        return text
    return text[:most].decode("utf-8", "ignore").encode()


def _bytes(field: FieldDescriptor, knobs: Knobs) -> Make:
    """Names of sockets (which may begin with a zero), addresses, or anything."""
    most = knobs.bytes
    if field.name == "name":
        return lambda chance: _counted(_shortened(b"\0" * chance.below(2) + path(chance).encode(), most))
    if field.name.startswith("addr"):
        return lambda chance: _counted(chance.bytes(min(chance.one_of(_ADDRESS_SIZES), most)))
    return lambda chance: _counted(chance.bytes(chance.below(most + 1)))


def _counted(content: bytes) -> bytes:
    return wire.varint(len(content)) + content
