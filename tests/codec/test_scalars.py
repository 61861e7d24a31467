from __future__ import annotations

import math
import struct

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.codec import wire
from dyncrit.codec.scalars import SCALARS, Scalar

BY_NAME = {scalar.name: scalar for scalar in SCALARS.values()}
INTEGERS = [scalar for scalar in SCALARS.values() if scalar.python_type is int]


def through_the_wire(scalar: Scalar, value: object) -> object:
    encoded = wire.encode_field(1, scalar.wire_type, scalar.to_wire(value))
    (field,) = wire.fields(encoded)
    return scalar.from_wire(field.value)


def test_every_protobuf_type_is_there() -> None:
    assert set(SCALARS) == set(range(1, 19))
    assert FieldDescriptor.MAX_TYPE == 18


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("int32", -(2**31), 2**31 - 1),
        ("sint32", -(2**31), 2**31 - 1),
        ("sfixed32", -(2**31), 2**31 - 1),
        ("enum", -(2**31), 2**31 - 1),
        ("uint32", 0, 2**32 - 1),
        ("fixed32", 0, 2**32 - 1),
        ("int64", -(2**63), 2**63 - 1),
        ("sint64", -(2**63), 2**63 - 1),
        ("sfixed64", -(2**63), 2**63 - 1),
        ("uint64", 0, 2**64 - 1),
        ("fixed64", 0, 2**64 - 1),
    ],
)
def test_ranges(name: str, low: int, high: int) -> None:
    scalar = BY_NAME[name]
    assert (scalar.low, scalar.high) == (low, high)
    for value in (low, low + 1, -1 if low else 1, 0, high - 1, high):
        assert through_the_wire(scalar, value) == value


@pytest.mark.parametrize("scalar", INTEGERS, ids=lambda scalar: scalar.name)
@given(st.data())
def test_every_integer_comes_back(scalar: Scalar, data: st.DataObject) -> None:
    value = data.draw(st.integers(scalar.low, scalar.high))
    assert through_the_wire(scalar, value) == value


@pytest.mark.parametrize(
    ("name", "value", "on_wire"),
    [
        ("sint32", -1, 1),
        ("sint32", 1, 2),
        ("sint64", -(2**63), 2**64 - 1),
        ("bool", True, 1),
        ("float", 1.0, 0x3F800000),
        ("double", -2.0, 0xC000000000000000),
        ("string", "é", b"\xc3\xa9"),
        ("string", "a\udcff", b"a\xff"),
        ("bytes", b"\0", b"\0"),
    ],
)
def test_values_on_the_wire(name: str, value: object, on_wire: object) -> None:
    assert BY_NAME[name].to_wire(value) == on_wire
    assert BY_NAME[name].from_wire(on_wire) == value


@pytest.mark.parametrize(
    ("name", "on_wire", "value"),
    [
        ("int32", 2**64 - 1, -1),
        ("int32", 2**32 - 1, -1),
        ("int32", 2**32, 0),
        ("uint32", 2**40 + 5, 5),
        ("enum", 2**64 - 1, -1),
        ("sint32", 2**32 + 2, 1),
        ("bool", 2, True),
        ("bool", 0, False),
    ],
)
def test_too_wide_varints_are_cut_as_protobuf_cuts_them(name: str, on_wire: int, value: object) -> None:
    assert BY_NAME[name].from_wire(on_wire) == value


@given(st.floats(), st.floats(width=32))
def test_every_float_comes_back(double: float, single: float) -> None:
    for name, value in (("double", double), ("float", single)):
        found = through_the_wire(BY_NAME[name], value)
        assert isinstance(found, float)
        assert math.isnan(found) if math.isnan(value) else struct.pack("d", found) == struct.pack("d", value)


@given(st.binary())
def test_all_bytes_come_back_as_text(value: bytes) -> None:
    text = BY_NAME["string"].from_wire(value)
    assert BY_NAME["string"].to_wire(text) == value
