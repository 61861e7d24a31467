from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dyncrit import Schema
from dyncrit.codec.message import Codecs, MessageCodec, codecs_for
from dyncrit.codec.plan import Style
from dyncrit.errors import DocumentError, ImageError
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import SchemaSource

FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}


def codec(message: str, *, pretty: bool = False) -> MessageCodec:
    return Codecs(Schema.default(), Style(pretty)).codec(message)


def test_codecs_are_made_once() -> None:
    made = codecs_for(Schema.default(), Style())
    assert made is codecs_for(Schema.default(), Style())
    assert made is not codecs_for(Schema.default(), Style(pretty=True))
    assert made.codec("core_entry") is made.codec("core_entry")


def test_a_message_that_the_schema_lacks_is_shown_field_by_field() -> None:
    made = codec("no_such_entry")
    document = made.decode(b"\x08\x01")
    assert document == {"@unknown": [{"field": 1, "varint": 1}]}
    assert made.encode(document) == b"\x08\x01"
    assert made.decode_all([b"\x08\x01", b""]) == [document, {}]


def test_damaged_records_are_errors_alone_and_among_others() -> None:
    made = codec("fdinfo_entry")
    with pytest.raises(ImageError, match="does not end"):
        made.decode(b"\x08")
    with pytest.raises(ImageError, match="does not end"):
        made.decode_all([b"", b"\x08", b""])


def test_a_batch_with_records_that_are_not_plain_is_decoded() -> None:
    made = codec("fdinfo_entry")
    plain, longer = bytes.fromhex("0801 1002 1801 2003"), bytes.fromhex("0881001002 1801 2003")
    documents = made.decode_all([plain, longer, plain])
    assert [("@bytes" in document) for document in documents] == [False, True, False]
    assert made.encode_all(copy.deepcopy(documents)) is None
    assert [made.encode(document) for document in documents] == [plain, longer, plain]


@pytest.mark.parametrize(
    ("message", "document", "problem"),
    [
        ("fdinfo_entry", {"flgas": 1}, "fdinfo_entry has no field 'flgas'; did you mean flags?"),
        ("fdinfo_entry", {"type": "REGG"}, "type: no value 'REGG'; did you mean REG? (there are UND, REG,"),
        ("fdinfo_entry", {"id": 2**32}, "id: 4294967296 is out of range: expected an integer from 0 to"),
        ("fdinfo_entry", {"id": -1}, "id: -1 is out of range"),
        ("fdinfo_entry", {"id": None}, "id: expected an integer from 0 to 4294967295, found null"),
        ("fdinfo_entry", {"id": True}, "id: expected an integer from 0 to 4294967295, found true"),
        ("fdinfo_entry", {"id": 1.5}, "id: expected an integer from 0 to 4294967295, found the number 1.5"),
        ("reg_file_entry", {"fown": {**FOWN, "uid": None}}, "fown.uid: expected an integer from 0"),
        ("reg_file_entry", {"ext": 5}, "ext: expected true or false, found the integer 5"),
        ("reg_file_entry", {"build_id": 5}, "build_id: expected a list, found the integer 5"),
        ("reg_file_entry", {"name": ["a"]}, "name: expected a string, found a list of 1"),
        (
            "reg_file_entry",
            {"flags": "O_RDRW"},
            "flags: expected an integer from 0 to 4294967295: no flag 'O_RDRW'",
        ),
        ("tty_data_entry", {"data": "*"}, "data: bad base64"),
        ("mm_entry", {"vmas": [{"start": 0}, {"start": None}]}, "vmas[1].start: expected an integer"),
        ("file_lock_entry", {"pid": 2**31}, "pid: 2147483648 is out of range"),
        ("file_lock_entry", {"start": -(2**63) - 1}, "start: -9223372036854775809 is out of range"),
    ],
)
def test_errors_say_what_was_expected_and_where(message: str, document: dict[str, Any], problem: str) -> None:
    for pretty in (False, True):
        with pytest.raises(DocumentError) as error:
            codec(message, pretty=pretty).encode(copy.deepcopy(document))
        assert str(error.value).startswith(problem)


@pytest.mark.parametrize(
    ("message", "document", "record"),
    [
        ("fdinfo_entry", {"id": "123"}, "087b"),
        ("fdinfo_entry", {"id": "0x7f"}, "087f"),
        ("itimer_entry", {"isec": "18446744073709551615"}, "08ffffffffffffffffff01"),
        ("tty_data_entry", {"data": "YWI="}, "12026162"),
        ("tty_data_entry", {"data": "YW\nI=\n"}, "12026162"),
    ],
)
def test_documents_of_other_tools_are_taken(message: str, document: dict[str, Any], record: str) -> None:
    assert codec(message).encode(document) == bytes.fromhex(record)


def test_unknown_keys_can_be_passed_over() -> None:
    document = {"id": 1, "more": 2}
    assert codec("fdinfo_entry").encode(copy.deepcopy(document), allow_unknown=True) == b"\x08\x01"
    batch = [copy.deepcopy(document), {"id": 2}]
    assert codec("fdinfo_entry").encode_all(batch) is None
    assert [codec("fdinfo_entry").encode(item, allow_unknown=True) for item in batch] == [
        b"\x08\x01",
        b"\x08\x02",
    ]


def test_records_without_required_fields_come_back() -> None:
    made = codec("stats_entry")
    record = bytes.fromhex("0a020801")
    assert made.decode(record) == {"dump": {"freezing_time": 1}}
    assert made.encode({"dump": {"freezing_time": 1}}) == record
    assert made.decode_all([record, b""]) == [{"dump": {"freezing_time": 1}}, {}]


def test_order_of_keys_in_a_document_does_not_matter() -> None:
    assert codec("fdinfo_entry").encode({"flags": 2, "id": 1}) == b"\x08\x01\x10\x02"


def codec_of(file: FileDescriptorProto) -> MessageCodec:
    return Codecs(Schema(build_pool([file], "test"), SchemaSource("test", "test")), Style()).codec("M")


def test_both_fields_of_a_choice_come_back_where_both_are_there() -> None:
    file = FileDescriptorProto(name="t.proto", syntax="proto2")
    message = file.message_type.add(name="M")
    message.oneof_decl.add(name="choice")
    for number, name in enumerate(("a", "b"), 1):
        message.field.add(name=name, number=number, label=1, type=5, oneof_index=0)
    record = b"\x08\x01\x10\x02"
    assert codec_of(file).decode(record) == {"a": 1, "b": 2}
    assert codec_of(file).encode({"a": 1, "b": 2}) == record
    assert codec_of(file).encode_all([{"a": 1, "b": 2}, {"b": 2}]) in (None, [record, record[2:]])


def test_nested_fields_without_presence_come_back_where_they_are_zero() -> None:
    file = FileDescriptorProto(name="t.proto", syntax="proto3")
    message, nested = file.message_type.add(name="M"), file.message_type.add(name="N")
    message.field.add(name="n", number=1, label=1, type=11, type_name=".N")
    nested.field.add(name="x", number=1, label=1, type=5)
    record = b"\x0a\x02\x08\x00"
    assert codec_of(file).decode(record) == {"n": {"x": 0}}
    assert codec_of(file).encode({"n": {"x": 0}}) == record
    assert codec_of(file).encode_all([{"n": {"x": 0}}, {"n": {}}]) in (None, [record, b"\x0a\x00"])


def test_several_texts_that_are_not_utf_8_come_back() -> None:
    file = FileDescriptorProto(name="t.proto", syntax="proto2")
    file.message_type.add(name="M").field.add(name="texts", number=4, label=3, type=9)
    record = b'"\x02\xff\xfe"\x01\x80'
    document = codec_of(file).decode(record)
    assert document == {"texts": ["\udcff\udcfe", "\udc80"]}
    assert codec_of(file).encode(copy.deepcopy(document)) == record
    assert codec_of(file).encode_all([document, {}]) is None


CRASHING = """
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from dyncrit import Schema
from dyncrit.codec.message import Codecs
from dyncrit.codec.plan import Style
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import SchemaSource
file = FileDescriptorProto(name="t.proto", syntax="proto2")
message = file.message_type.add(name="M")
message.field.add(name="family", number=5, label=3, type=11, type_name=".M")
message.field.add(name="value", number=11, label=3, type=11, type_name=".M.E")
message.field.add(name="class", number=12, label=2, type=17)
entry = message.nested_type.add(name="E")
entry.options.map_entry = True
entry.field.add(name="key", number=1, label=1, type=4)
entry.field.add(name="value", number=2, label=1, type=7)
codec = Codecs(Schema(build_pool([file], "t"), SchemaSource("t", "t")), Style()).codec("M")
records = [bytes.fromhex("5a07080015000000806000"), bytes.fromhex("2a0a8901620300000000 0000")]
for _ in range(50):
    assert codec.decode_all(records) == [codec.decode(record) for record in records]
"""


def test_a_map_before_a_missing_required_field_does_not_crash_protobuf() -> None:
    done = subprocess.run([sys.executable, "-c", CRASHING], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
