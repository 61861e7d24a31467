"""The table of texts: every text and byte field of an image is decided about."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dyncrit.edit.places.text_fields import TEXT_FIELDS, fields_holding
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

STRING, BYTES = 9, 12


def in_images(schema: Schema) -> set[tuple[str, str]]:
    """The text fields of all messages that records hold."""
    names = {name for row in schema.table.types for name in row.messages if name}
    waiting = [found for name in names if (found := schema.message(name)) is not None]
    seen = {descriptor.full_name: descriptor for descriptor in waiting}
    while waiting:
        for below in parts(waiting.pop()):
            if below.full_name not in seen:
                seen[below.full_name] = below
                waiting.append(below)
    return {
        (descriptor.name, field.name)
        for descriptor in seen.values()
        for field in descriptor.fields
        if field.type in {STRING, BYTES}
    }


def parts(descriptor: Descriptor) -> Iterator[Descriptor]:
    return (field.message_type for field in descriptor.fields if field.message_type is not None)


def test_every_text_field_of_the_newest_release_has_a_row() -> None:
    rows = {(row.message, row.field) for row in TEXT_FIELDS}
    assert in_images(Schema.default()) - rows == set()


def test_every_row_is_of_a_text_field() -> None:
    schema = Schema.default()
    for row in TEXT_FIELDS:
        assert schema.required_message(row.message).fields_by_name[row.field].type in {STRING, BYTES}, row


def test_no_field_has_two_rows() -> None:
    assert max(Counter((row.message, row.field) for row in TEXT_FIELDS).values()) == 1


def test_fields_are_found_by_what_they_hold() -> None:
    found = fields_holding("cgroup path", "socket")
    assert {message: [row.field for row in rows] for message, rows in found.items()} == {
        "cg_member_entry": ["path"],
        "unix_sk_entry": ["name"],
    }
