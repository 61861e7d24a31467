from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from dyncrit import Schema
from dyncrit.codec import walk
from dyncrit.codec.direct import LEFT_TO_WALK, DirectCodec
from dyncrit.codec.plan import MessagePlan, Planner, Style

FDINFO = bytes.fromhex("0801 1002 1801 2003")


def plan(message: str, *, pretty: bool = False) -> MessagePlan:
    return Planner(Style(pretty)).plan(Schema.default().required_message(message))


def codec(message: str = "fdinfo_entry", *, pretty: bool = False) -> DirectCodec:
    return DirectCodec(plan(message, pretty=pretty))


def test_plain_records() -> None:
    document = {"id": 1, "flags": 2, "type": "REG", "fd": 3}
    assert codec().decode(FDINFO) == document
    assert codec().encode(document) == FDINFO


def test_unknown_fields_behind_the_known_ones_are_handled() -> None:
    record = FDINFO + bytes.fromhex("a80605")
    assert codec().decode(record) == walk.decode_record(plan("fdinfo_entry"), record)
    assert codec().decode(record)["@unknown"] == [{"field": 101, "varint": 5}]


@pytest.mark.parametrize(
    "record",
    [
        "1002 0801 1801 2003",  # out of order
        "a80605 0801 1002 1801 2003",  # an unknown field in front
        "0801 1002 18ff7f 2003",  # an enum value that isn't known
        "0801 1002 1801 20038000".replace("20038000", "20838000"),  # an over-long varint
        "0801 1002 1801 2003 0801",  # a field twice
        "0801 1002 1801 2003 2a01ff",  # text that isn't UTF-8
        "0801 1002 1801 2003 a8068500",  # an over-long varint in an unknown field
        "0801",  # required fields missing
        "08",
        "0801 1002 1801 2003 ab06088100ac06",  # an over-long varint in an unknown group
        "0801 1002 1801 2003 aa06050b0881000c",  # the same in a message
    ],
)
def test_what_is_not_plain_comes_back_or_is_left_to_walk(record: str) -> None:
    data = bytes.fromhex(record)
    for decode in (codec().decode, lambda item: codec().decode_all([FDINFO, item])[1]):
        try:
            document = decode(data)
        except LEFT_TO_WALK:
            continue
        assert document == walk.decode_record(plan("fdinfo_entry"), data)


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": True},
        {"id": 1.0},
        {"id": 2**32},
        {"id": -1},
        {"id": [1]},
        {"id": {}},
        {"type": "REGG"},
        {"type": None},
        {"type": True},
        {"xattr_security_selinux": 5},
        {"xattr_security_selinux": "\udcff"},
        {"flagz": 1},
        {"@unknown": []},
        {"@bytes": ""},
    ],
)
def test_documents_that_are_not_plain_are_left_to_walk(change: dict[str, Any]) -> None:
    document = {"id": 1, "flags": 2, "type": "REG", "fd": 3, **change}
    with pytest.raises(LEFT_TO_WALK):
        codec().encode(copy.deepcopy(document))
    with pytest.raises(LEFT_TO_WALK):
        codec().encode_all([{"id": 1}, document])


@pytest.mark.parametrize(
    ("message", "document"),
    [
        ("reg_file_entry", {"ext": 5}),
        ("reg_file_entry", {"fown": None}),
        ("reg_file_entry", {"fown": []}),
        ("reg_file_entry", {"fown": {"uid": None}}),
        ("reg_file_entry", {"build_id": None}),
        ("reg_file_entry", {"build_id": [None]}),
        ("reg_file_entry", {"build_id": [True]}),
        ("reg_file_entry", {"build_id": 1}),
        ("tty_data_entry", {"data": "a"}),
        ("tty_data_entry", {"data": 5}),
        ("inet_sk_entry", {"src_addr": ["1.2.3"]}),
        ("mm_entry", {"vmas": {}}),
        ("mm_entry", {"vmas": [None]}),
    ],
)
def test_nested_values_are_looked_at_as_well(message: str, document: dict[str, Any]) -> None:
    with pytest.raises(LEFT_TO_WALK):
        codec(message).encode(document)


@pytest.mark.parametrize(
    ("message", "document"),
    [
        ("reg_file_entry", {"flags": "O_RDWR | 0x8000", "pos": "0x10", "build_id": ["1", 2]}),
        ("tty_data_entry", {"tty_id": 1, "data": "YQ==\n"}),
        ("unix_sk_entry", {"name": "=00a", "state": "LISTEN", "shutdown": "READ"}),
        ("inet_sk_entry", {"src_addr": ["127.0.0.1"], "dst_addr": ["::1"], "proto": "TCP"}),
        ("inet_sk_entry", {"src_addr": [1, 2, 3]}),
        ("ghost_file_entry", {"dev": "8:1", "rdev": "8:1"}),
        ("vma_entry", {"start": "0x400000", "prot": "", "fd": -1}),
        ("file_lock_entry", {"pid": -1, "start": -(2**63), "len": "-0x1"}),
    ],
)
@pytest.mark.parametrize("pretty", [False, True])
def test_renderings_are_encoded_as_walk_encodes_them(
    message: str, document: dict[str, Any], pretty: bool
) -> None:
    expected = walk.encode_record(plan(message, pretty=pretty), copy.deepcopy(document))
    assert codec(message, pretty=pretty).encode(copy.deepcopy(document)) == expected
    copies = [copy.deepcopy(document) for _ in range(2)]
    assert codec(message, pretty=pretty).encode_all(copies) == [expected, expected]


def test_records_of_any_size_are_coded_in_batches() -> None:
    records = [
        bytes.fromhex("0a") + bytes((size % 128 | 0x80, size // 128)) + b"x" * size + b"\x12\x00"
        for size in (128, 200, 255, 300, 16000)
    ]
    records += [b"\x0a\x01x\x12\x00", b"\x0a\x00\x12\x00"] + [b"\x0a\x03xyz\x12\x01a"] * 40
    made = codec("utsns_entry")
    documents = made.decode_all(records)
    assert documents == [walk.decode_record(plan("utsns_entry"), record) for record in records]
    assert made.encode_all(documents) == records


def test_empty_records_and_batches() -> None:
    made = codec("inventory_entry")
    assert made.encode({}) == b""
    assert made.encode_all([]) == []
    assert made.encode_all([{}, {}]) == [b"", b""]


def test_many_nested_messages_are_shown_as_few_are() -> None:
    vma = {"start": 4096, "end": 8192, "pgoff": 0, "shmid": 0, "prot": 1, "flags": 2, "status": 1, "fd": -1}
    for count in (1, 16, 17, 50):
        document: dict[str, Any] = {"vmas": [{**vma, "madv": 1} if i % 2 else vma for i in range(count)]}
        record = walk.encode_record(plan("mm_entry"), document)
        for pretty in (False, True):
            shown = walk.decode_record(plan("mm_entry", pretty=pretty), record)
            assert json.dumps(shown["vmas"]) == json.dumps(
                codec("mm_entry", pretty=pretty)._decode(plan("mm_entry").message_class.FromString(record))[
                    "vmas"
                ]
            )


def test_a_batch_of_the_same_type_in_another_codec_is_no_clash() -> None:
    made = plan("pstree_entry")
    record = bytes.fromhex("0801 1000 1801 2001")
    assert DirectCodec(made).decode_all([record, record]) == DirectCodec(made).decode_all([record, record])
