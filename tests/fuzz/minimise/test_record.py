from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dyncrit.codec import wire
from dyncrit.fuzz.minimise.record import reduce_fields, reduce_values
from dyncrit.schema import Schema

MESSAGE = Schema.default().required_message("pstree_entry")


@given(st.binary(max_size=40))
def test_any_bytes_are_left_as_they_are_where_nothing_less_does(content: bytes) -> None:
    assert reduce_fields(content, MESSAGE, lambda data: data == content) == content
    assert reduce_values(content, MESSAGE, lambda data: data == content) == content


@given(st.binary(max_size=40))
def test_any_bytes_go_where_nothing_is_needed(content: bytes) -> None:
    assert reduce_fields(content, MESSAGE, lambda data: True) == b""


def test_bytes_behind_the_last_field_that_can_be_read_count_as_one() -> None:
    content = wire.encode_field(1, wire.VARINT, 3) + b"\x07\x08\x09"
    assert reduce_fields(content, MESSAGE, lambda data: b"\x09" in data) == b"\x07\x08\x09"
    assert (
        reduce_values(content, MESSAGE, lambda data: b"\x09" in data)
        == wire.encode_field(1, wire.VARINT, 0) + b"\x09"
    )


def test_over_long_numbers_stay_where_they_are_the_fault() -> None:
    content = b"\x08\x83\x80\x00" + b"\x10\x05"
    assert reduce_fields(content, MESSAGE, lambda data: b"\x80\x00" in data) == b"\x08\x83\x80\x00"
    assert reduce_values(content, MESSAGE, lambda data: b"\x80\x00" in data) == b"\x08\x83\x80\x00\x10\x00"
