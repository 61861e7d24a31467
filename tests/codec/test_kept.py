from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.codec.kept import encode_changed, settle
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.render import parse_base64
from dyncrit.codec.walk import BYTES_KEY, decode_record, encode_message, encode_record
from dyncrit.errors import DocumentError
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from dyncrit.codec.plan import MessagePlan

OPTIONS = {
    "so_sndbuf": 1,
    "so_rcvbuf": 1,
    "so_snd_tmo_sec": 0,
    "so_snd_tmo_usec": 0,
    "so_rcv_tmo_sec": 0,
    "so_rcv_tmo_usec": 0,
}
FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
LOSSY = b"a\r\nb\nc"


def plan(message: str, *, pretty: bool = False) -> MessagePlan:
    schema = Schema.default()
    return Planner(Style(pretty)).plan(schema.required_message(message))


# pid 5 as a varint of three bytes, threads before sid, sid twice, an unknown field in between
ODD = bytes.fromhex("088580001000180528052006f807092005")


def test_fields_that_were_not_changed_keep_their_bytes_and_places() -> None:
    document = decode_record(plan("pstree_entry"), ODD)
    assert BYTES_KEY in document
    document["threads"] = [7]
    assert encode_changed(plan("pstree_entry"), document) == ODD.replace(b"\x28\x05", b"\x28\x07")


def test_a_field_that_stands_twice_is_changed_as_one() -> None:
    document = decode_record(plan("pstree_entry"), ODD)
    document["sid"] = 9
    changed = encode_changed(plan("pstree_entry"), document)
    assert changed == ODD.replace(b"\x20\x06", b"\x20\x09").removesuffix(b"\x20\x05")


def test_a_field_that_is_new_stands_at_the_end_and_one_that_is_gone_nowhere() -> None:
    document = decode_record(plan("pstree_entry"), bytes.fromhex("0885800010001805"))
    document["sid"] = 4
    del document["ppid"]
    assert encode_changed(plan("pstree_entry"), document) == bytes.fromhex("0885800018052004")


def test_without_a_change_the_bytes_are_those_of_before() -> None:
    for pretty in (False, True):
        document = decode_record(plan("pstree_entry", pretty=pretty), ODD)
        assert encode_changed(plan("pstree_entry"), document) == ODD


def test_unknown_fields_can_be_changed_in_an_odd_record() -> None:
    document = decode_record(plan("pstree_entry"), ODD)
    del document["@unknown"]
    changed = decode_record(plan("pstree_entry"), encode_changed(plan("pstree_entry"), document))
    assert "@unknown" not in changed
    assert changed["sid"] == 5


def test_a_socket_name_that_quoted_printable_cant_show_is_not_lost() -> None:
    unix = plan("unix_sk_entry")
    fields = dict.fromkeys(("id", "ino", "type", "state", "flags", "uflags", "backlog", "peer"), 1)
    record = encode_message(unix, {**fields, "fown": FOWN, "opts": OPTIONS, "name": ""})
    odd = record.replace(b"\x5a\x00", b"\x5a" + bytes([len(LOSSY)]) + LOSSY)
    assert odd != record
    document = decode_record(unix, odd)
    document["fown"]["uid"] = 7
    assert LOSSY not in encode_record(unix, dict(document))
    changed = encode_changed(unix, document)
    assert changed.count(LOSSY) == 1
    assert decode_record(unix, changed)["fown"]["uid"] == 7
    settled = settle(unix, {**document, "extra": "x"})
    assert settled["extra"] == "x"
    assert parse_base64(settled[BYTES_KEY]) == changed


def test_items_of_a_list_of_messages_are_changed_one_by_one() -> None:
    mm = plan("mm_entry")
    odd_vma = bytes.fromhex("0881800010021800")  # start 1 as a varint of three bytes, end 2, pgoff 0
    record = b"".join(b"\x72" + bytes([len(odd_vma)]) + odd_vma for _ in range(2))
    document = decode_record(mm, record)
    document["vmas"][1]["end"] = 3
    changed = encode_changed(mm, document)
    assert changed == record[:-4] + b"\x10\x03\x18\x00"
    del document["vmas"][0]
    assert decode_record(mm, encode_changed(mm, document))["vmas"] == [{"start": 1, "end": 3, "pgoff": 0}]


def test_a_record_with_too_many_unknown_fields_cant_be_changed_but_stays() -> None:
    record = b"\xf8\x07\x01" * ((1 << 16) + 1)
    document = decode_record(plan("pstree_entry"), record)
    assert encode_changed(plan("pstree_entry"), dict(document)) == record
    document["pid"] = 5
    with pytest.raises(DocumentError, match="too many unknown fields"):
        encode_changed(plan("pstree_entry"), document)


def test_bytes_that_are_no_record_are_not_kept() -> None:
    assert encode_changed(plan("pstree_entry"), {"pid": 5, BYTES_KEY: "/w=="}) == b"\x08\x05"
    assert encode_changed(plan("pstree_entry"), {BYTES_KEY: "/w=="}) == b"\xff"
