from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.codec import wire
from dyncrit.errors import ImageError

NUMBERS = st.integers(1, (1 << 29) - 1)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (2**32 - 1, "ffffffff0f"),
        (2**64 - 1, "ffffffffffffffffff01"),
        (-1, "ffffffffffffffffff01"),
        (-(2**63), "80808080808080808001"),
    ],
)
def test_varints_are_as_short_as_can_be_and_negative_ones_of_64_bits(value: int, encoded: str) -> None:
    assert wire.varint(value).hex() == encoded
    assert wire.read_varint(bytes.fromhex(encoded), 0) == (value % 2**64, len(encoded) // 2)


def test_overlong_varints_are_read() -> None:
    assert wire.read_varint(b"xx\x81\x80\x80\x00yy", 2) == (1, 6)


def test_bits_above_64_are_dropped() -> None:
    assert wire.read_varint(b"\xff" * 9 + b"\x7f", 0) == (2**64 - 1, 10)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 9])
def test_a_varint_cut_off_is_an_error(data: bytes) -> None:
    with pytest.raises(ImageError, match="does not end"):
        wire.read_varint(data, 0)


def test_a_varint_of_eleven_bytes_is_an_error_at_its_start() -> None:
    with pytest.raises(ImageError, match="byte 3: a varint of more than 10 bytes"):
        wire.read_varint(b"abc" + b"\x80" * 10 + b"\x00", 3)


def test_fields_tell_number_type_value_and_place() -> None:
    data = bytes.fromhex("08 96 01 12 02 61 62 1d 01 00 00 00 21 02 00 00 00 00 00 00 00 2b 30 05 2c")
    found = list(wire.fields(data))
    assert [tuple(field) for field in found] == [
        (1, wire.VARINT, 150, 0, 3),
        (2, wire.LENGTH, b"ab", 3, 7),
        (3, wire.FIXED32, 1, 7, 12),
        (4, wire.FIXED64, 2, 12, 21),
        (5, wire.START_GROUP, b"\x30\x05", 21, 25),
    ]
    assert b"".join(wire.encode_field(*field[:3]) for field in found) == data


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x08\x01\x12\x05ab", "byte 2: field 2 of 5 bytes, 2 left in the message"),
        (b"\x12\xff\xff\xff\xff\x0fab", "field 2 of 4294967295 bytes, 2 left"),
        (b"\x0d\x01\x02\x03", "byte 0: field 1 of 4 bytes, 3 left in the message"),
        (b"\x09\x01", "field 1 of 8 bytes, 1 left"),
        (b"\x00\x01", "field number 0"),
        (b"\x80\x80\x80\x80\x10\x01", "field number 536870912"),
        (b"\x0e", "field 1 has wire type 6"),
        (b"\x0f", "field 1 has wire type 7"),
        (b"\x0c", "field 1 has wire type 4"),
        (b"\x0b\x10\x01", "group 1 does not end"),
        (b"\x0b\x14", "field 2 ends no group"),
        (b"\x0b\x12\xff\x01", "group 1 does not end"),
        (b"\x0b\x11\x01", "group 1 does not end"),
        (b"\x0b\x0e", "field 1 ends no group or has wire type 6"),
        (b"\x08", "a varint that does not end"),
        (b"\x80", "a varint that does not end"),
    ],
)
def test_what_is_no_protobuf_is_an_error_that_says_where(data: bytes, problem: str) -> None:
    with pytest.raises(ImageError) as error:
        list(wire.fields(data))
    assert problem in str(error.value)
    assert "byte " in str(error.value)


def test_groups_nest_as_deep_as_protobuf_lets_them() -> None:
    deep = b"\x0b" * wire.MAX_DEPTH + b"\x0c" * wire.MAX_DEPTH
    (field,) = wire.fields(deep)
    assert field.value == deep[1:-1]
    with pytest.raises(ImageError, match="nested deeper than 100"):
        list(wire.fields(b"\x0b" + deep + b"\x0c"))


@given(st.integers(-(2**63), 2**64 - 1))
def test_every_varint_comes_back(value: int) -> None:
    encoded = wire.varint(value)
    assert wire.read_varint(encoded, 0) == (value % 2**64, len(encoded))


@given(
    st.lists(
        st.tuples(NUMBERS, st.just(wire.VARINT), st.integers(0, 2**64 - 1))
        | st.tuples(NUMBERS, st.just(wire.FIXED32), st.integers(0, 2**32 - 1))
        | st.tuples(NUMBERS, st.just(wire.FIXED64), st.integers(0, 2**64 - 1))
        | st.tuples(NUMBERS, st.just(wire.LENGTH), st.binary())
        | st.tuples(NUMBERS, st.just(wire.START_GROUP), st.just(b"\x08\x01"))
    )
)
def test_every_list_of_fields_comes_back(items: list[tuple[int, int, int | bytes]]) -> None:
    data = b"".join(wire.encode_field(*item) for item in items)
    assert [tuple(field[:3]) for field in wire.fields(data)] == items


@given(st.binary(max_size=40))
def test_random_bytes_are_fields_or_an_image_error(data: bytes) -> None:
    try:
        found = list(wire.fields(data))
    except ImageError:
        return
    assert b"".join(data[field.start : field.end] for field in found) == data


def test_numbers_at_gives_the_last_integer_of_each_wanted_field() -> None:
    data = b"\x08\x01\x10\x02\x08\x03\x1a\x01x\x25\x04\x00\x00\x00"
    assert wire.numbers_at(data, frozenset({1, 3, 4, 9})) == {1: 3, 4: 4}
