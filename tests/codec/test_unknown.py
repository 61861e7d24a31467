from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dyncrit
from dyncrit.codec import unknown, walk, wire
from dyncrit.codec.plan import Planner, Style
from dyncrit.errors import DocumentError, ImageError


def shown(data: bytes) -> list[dict[str, Any]]:
    return [unknown.show_field(field) for field in wire.fields(data)]


@pytest.mark.parametrize(
    ("data", "document"),
    [
        ("3805", {"field": 7, "varint": 5}),
        ("38ffffffffffffffffff01", {"field": 7, "varint": 2**64 - 1}),
        ("3d01000000", {"field": 7, "fixed32": 1}),
        ("390100000000000000", {"field": 7, "fixed64": 1}),
        ("3a036c7861", {"field": 7, "text": "lxa"}),
        ("3a02c3a9", {"field": 7, "text": "é"}),
        ("3a00", {"field": 7, "bytes": ""}),
        ("3a02ffff", {"field": 7, "bytes": "//8="}),
        ("3a020801", {"field": 7, "message": [{"field": 1, "varint": 1}]}),
        ("3a0408010a00", {"field": 7, "message": [{"field": 1, "varint": 1}, {"field": 1, "bytes": ""}]}),
        ("3a03088100", {"field": 7, "bytes": "CIEA"}),  # an over-long varint would be lost in a message
        ("3b08013c", {"field": 7, "group": [{"field": 1, "varint": 1}]}),
        ("3b0b0c3c", {"field": 7, "group": [{"field": 1, "group": []}]}),
    ],
)
def test_a_field_is_shown_as_what_it_reads_as_and_comes_back(data: str, document: dict[str, Any]) -> None:
    (item,) = shown(bytes.fromhex(data))
    assert item == document
    assert unknown.parse_field(item, "@unknown[0]") == (bytes.fromhex(data), None)


def test_at_is_handed_out_beside_the_bytes() -> None:
    assert unknown.parse_field({"field": 1, "varint": 2, "at": 3}, "p") == (b"\x08\x02", 3)


def test_text_that_is_no_utf_8_can_be_given_as_surrogates() -> None:
    assert unknown.parse_field({"field": 1, "text": "a\udcff"}, "p") == (b"\x0a\x02a\xff", None)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (5, "p: expected an object"),
        (None, "p: expected an object"),
        ({}, "p: expected field, at, and one of"),
        ({"field": 1}, "expected field, at, and one of varint"),
        ({"field": 1, "varint": 1, "text": "a"}, "expected field, at, and one of"),
        ({"field": 1, "varint": 1, "more": 1}, "expected field, at, and one of"),
        ({"varint": 1}, "p: field is a number from 1 to 536870911, not null"),
        ({"field": 0, "varint": 1}, "not the integer 0"),
        ({"field": 1 << 29, "varint": 1}, "not the integer 536870912"),
        ({"field": True, "varint": 1}, "not true"),
        ({"field": "1", "varint": 1}, "not the string '1'"),
        ({"field": 1, "varint": 1, "at": -1}, "at counts fields from 0"),
        ({"field": 1, "varint": 1, "at": True}, "at counts fields from 0"),
        ({"field": 1, "varint": 1, "at": "0"}, "at counts fields from 0"),
        ({"field": 1, "varint": -1}, "p.varint: expected an integer from 0 to 18446744073709551615"),
        ({"field": 1, "varint": 2**64}, "found the integer 18446744073709551616"),
        ({"field": 1, "varint": True}, "found true"),
        ({"field": 1, "varint": "1"}, "found the string '1'"),
        ({"field": 1, "fixed32": 2**32}, "p.fixed32: expected an integer from 0 to 4294967295"),
        ({"field": 1, "fixed64": 1.0}, "found the number 1.0"),
        ({"field": 1, "bytes": "%"}, "p.bytes: bad base64"),
        ({"field": 1, "bytes": "é"}, "p.bytes: bad base64"),
        ({"field": 1, "bytes": 1}, "p.bytes: expected a string"),
        ({"field": 1, "text": None}, "p.text: expected a string"),
        ({"field": 1, "text": "\ud800"}, "p.text: "),
        ({"field": 1, "message": {}}, "p.message: expected a list of fields"),
        ({"field": 1, "group": "x"}, "p.group: expected a list of fields"),
        ({"field": 1, "message": [{"field": 2}]}, "p.message[0]: expected field, at"),
        ({"field": 1, "group": [{"field": 2, "varint": 1}, 3]}, "p.group[1]: expected an object"),
        ({"field": 1, "group_bytes": 1}, "p.group_bytes: expected a string"),
        ({"field": 1, "group_bytes": "%"}, "p.group_bytes: bad base64"),
        (
            {"field": 1, "group_bytes": "DA=="},
            "p.group_bytes: no content of a group: byte 0: field 1 has wire type 4",
        ),
    ],
)
def test_anything_else_is_an_error_that_says_where(item: object, problem: str) -> None:
    with pytest.raises(DocumentError) as error:
        unknown.parse_field(item, "p")
    assert problem in str(error.value)


@pytest.mark.parametrize("key", ["message", "group"])
def test_nesting_in_documents_has_an_end(key: str) -> None:
    item: dict[str, Any] = {"field": 1, "varint": 1}
    for _ in range(200):
        item = {"field": 1, key: [item]}
    with pytest.raises(DocumentError, match="nested deeper than 100"):
        unknown.parse_field(item, "p")


def test_a_guess_at_messages_goes_only_so_deep() -> None:
    data = b"\x08\x01"
    for _ in range(60):
        data = wire.encode_field(1, wire.LENGTH, data)
    (item,) = shown(data)
    assert json.dumps(item).count("message") < 20
    assert unknown.parse_field(item, "p")[0] == data


@pytest.mark.parametrize("depth", [1, 12, 13, 14, 100])
def test_deep_groups_come_back(depth: int) -> None:
    data = b"\x0b" * depth + b"\x08\x01" + b"\x0c" * depth
    (item,) = shown(data)
    assert unknown.parse_field(item, "p")[0] == data
    assert json.dumps(item).count("group") <= 13
    assert ("group_bytes" in json.dumps(item)) == (depth > 12)


def test_long_groups_are_shown_as_their_bytes() -> None:
    content = b"\x08\x01" * (1 << 16)
    data = b"\x0b" + content + b"\x0c"
    (item,) = shown(data)
    assert list(item) == ["field", "group_bytes"]
    assert unknown.parse_field(item, "p")[0] == data


@given(st.binary(max_size=40))
def test_every_canonical_field_comes_back(data: bytes) -> None:
    try:
        found = list(wire.fields(data))
    except ImageError:
        found = [wire.WireField(9, wire.LENGTH, data, 0, 0)]
    for field in found:
        if field.wire_type != wire.START_GROUP:  # its content may be written in other ways
            item = json.loads(json.dumps(unknown.show_field(field)))
            assert unknown.parse_field(item, "p") == (wire.encode_field(*field[:3]), None)


def test_a_message_with_a_group_that_is_not_canonical_is_shown_as_bytes() -> None:
    data = bytes.fromhex("3a 05 0b 08 81 00 0c")
    (item,) = shown(data)
    assert unknown.parse_field(item, "p") == (data, None)


def test_a_record_with_absurdly_many_unknown_fields_is_shown_as_its_bytes() -> None:
    record = b"\xf8\x07\x01" * (unknown.MAX_FIELDS + 1)
    plan = Planner(Style()).plan(dyncrit.Schema.default().required_message("pstree_entry"))
    document = walk.decode_record(plan, record)
    assert list(document) == ["@bytes"]
    assert walk.encode_record(plan, document) == record


def test_a_long_unknown_field_is_not_guessed_to_be_a_message() -> None:
    content = b"\x08\x01" * (1 << 16)
    (field,) = wire.fields(wire.encode_field(99, wire.LENGTH, content))
    assert list(unknown.show_field(field)) == ["field", "bytes"]
