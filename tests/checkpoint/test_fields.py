"""Reading fields whether or not the schema knows them."""

from __future__ import annotations

from dyncrit.checkpoint.fields import is_set, items, number, optional, text
from dyncrit.schema import Schema

ENTRY = Schema.default().message_class("mnt_entry")


def test_a_field_that_the_schema_lacks_is_like_one_that_is_not_set():
    message = ENTRY(mnt_id=3)
    assert not is_set(message, "from_the_future")
    assert optional(message, "from_the_future") is None
    assert number(message, "from_the_future", 7) == 7
    assert text(message, "from_the_future") == ""
    assert list(items(message, "from_the_future")) == []


def test_values_that_are_set_are_given():
    message = ENTRY(mnt_id=3, deleted=False, mountpoint="/mnt")
    assert optional(message, "deleted") is False
    assert optional(message, "ext_mount") is None
    assert number(message, "mnt_id") == 3
    assert text(message, "mountpoint") == "/mnt"


def test_repeated_fields_are_set_when_there_is_a_value():
    message_class = Schema.default().message_class("inet_sk_entry")
    assert is_set(message_class(src_addr=[1]), "src_addr")
    assert not is_set(message_class(), "src_addr")
    assert list(items(message_class(src_addr=[1]), "src_addr")) == [1]


def test_text_that_is_not_utf8_comes_with_surrogate_escapes():
    message = ENTRY.FromString(b"\x3a\x03/\xff\xfe")
    assert text(message, "mountpoint") == "/\udcff\udcfe"
