from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from dyncrit import Schema
from dyncrit.codec import walk, wire
from dyncrit.codec.plan import Planner, Style
from dyncrit.errors import DocumentError, ImageError
from dyncrit.schema.catalogue import _criu_options
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import SchemaSource

if TYPE_CHECKING:
    from dyncrit.codec.plan import MessagePlan

OPTIONAL, REPEATED = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED


def _file() -> FileDescriptorProto:
    """What CRIU's schemas don't have: floats, groups, maps, packed fields, enums with holes."""
    file = FileDescriptorProto(name="t.proto", syntax="proto2")
    enum = file.enum_type.add(name="Colour")
    for name, number in (("RED", 0), ("BLUE", 7), ("LOW", -1)):
        enum.value.add(name=name, number=number)
    message = file.message_type.add(name="Thing")

    def add(
        number: int, name: str, kind: str, label: int = OPTIONAL, type_name: str = ""
    ) -> FieldDescriptorProto:
        field = message.field.add(name=name, number=number)
        if type_name:
            field.type_name = type_name
        field.label, field.type = label, getattr(FieldDescriptorProto, f"TYPE_{kind}")
        return field

    add(1, "number", "INT32")
    add(2, "text", "STRING")
    add(3, "data", "BYTES")
    add(4, "single", "FLOAT")
    add(5, "double", "DOUBLE")
    add(6, "yes", "BOOL")
    add(7, "colour", "ENUM", type_name=".Colour")
    add(8, "thing", "MESSAGE", type_name=".Thing")
    add(9, "things", "MESSAGE", REPEATED, ".Thing")
    add(10, "plain", "UINT32", REPEATED)
    add(11, "packed", "UINT32", REPEATED).options.packed = True
    add(12, "fixed", "FIXED64", REPEATED).options.packed = True
    add(13, "group", "GROUP", type_name=".Thing.Group")
    add(14, "pairs", "MESSAGE", REPEATED, ".Thing.PairsEntry")
    add(15, "colours", "ENUM", REPEATED, ".Colour")
    add(16, "address", "UINT32", REPEATED).options.ParseFromString(_criu_options([("ipadd", True)]))
    add(17, "name", "BYTES").options.ParseFromString(_criu_options([("conv", "unix_name")]))
    add(18, "groups", "GROUP", REPEATED, ".Thing.Group")
    group = message.nested_type.add(name="Group")
    group.field.add(name="inner", number=1, label=OPTIONAL, type=FieldDescriptorProto.TYPE_INT32)
    pair = message.nested_type.add(name="PairsEntry")
    pair.options.map_entry = True
    pair.field.add(name="key", number=1, label=OPTIONAL, type=FieldDescriptorProto.TYPE_STRING)
    pair.field.add(name="value", number=2, label=OPTIONAL, type=FieldDescriptorProto.TYPE_INT32)
    return file


SCHEMA = Schema(build_pool([_file()], "test"), SchemaSource("test", "test"))


def plan(*, pretty: bool = False, byte_order: str = "little") -> MessagePlan:
    return Planner(Style(pretty, byte_order)).plan(SCHEMA.required_message("Thing"))  # type: ignore[arg-type]


PLAIN, PRETTY = plan(), plan(pretty=True)


def decoded(hexadecimal: str, made: MessagePlan = PLAIN) -> dict[str, Any]:
    """The document, after a check that it leads back to the record."""
    record = bytes.fromhex(hexadecimal)
    document = walk.decode_record(made, record)
    through_json = json.loads(json.dumps(document, allow_nan=False))
    assert walk.encode_record(made, through_json) == record
    return document


@pytest.mark.parametrize(
    ("record", "document"),
    [
        ("", {}),
        ("0805", {"number": 5}),
        ("08ffffffffffffffffff01", {"number": -1}),
        ("1202c3a9", {"text": "é"}),
        ("1202ff41", {"text": "\udcffA"}),
        ("1a0161", {"data": "YQ==\n"}),
        ("250000c03f", {"single": 1.5}),
        ("250000807f", {"single": "Infinity"}),
        ("29000000000000f0ff", {"double": "-Infinity"}),
        ("29000000000000f87f", {"double": "NaN"}),
        ("290000000000000080", {"double": -0.0}),
        ("3001", {"yes": True}),
        ("3000", {"yes": False}),
        ("3807", {"colour": "BLUE"}),
        ("3802", {"colour": 2}),
        ("38ffffffffffffffffff01", {"colour": "LOW"}),
        ("42020805", {"thing": {"number": 5}}),
        ("4200", {"thing": {}}),
        ("4a020801 4a00", {"things": [{"number": 1}, {}]}),
        ("5001 5002", {"plain": [1, 2]}),
        ("5a020102", {"packed": [1, 2]}),
        ("6208 0100000000000000", {"fixed": [1]}),
        ("6b08056c", {"group": {"inner": 5}}),
        ("6b6c", {"group": {}}),
        ("72050a01611005", {"pairs": [{"key": "a", "value": 5}]}),
        ("7807 7805", {"colours": ["BLUE", 5]}),
        ("93010801 9401 93019401", {"groups": [{"inner": 1}, {}]}),
        ("8a01033d0061", {"name": "=3D=00a"}),
    ],
)
def test_what_the_schema_knows(record: str, document: dict[str, Any]) -> None:
    assert decoded(record) == document


@pytest.mark.parametrize(
    ("record", "document"),
    [
        ("a80605", {"@unknown": [{"field": 101, "varint": 5}]}),
        ("a80605 0801", {"number": 1, "@unknown": [{"field": 101, "varint": 5, "at": 0}]}),
        ("0801 a80605", {"number": 1, "@unknown": [{"field": 101, "varint": 5}]}),
        (
            "5001 a80605 5002 a80606",
            {
                "plain": [1, 2],
                "@unknown": [{"field": 101, "varint": 5, "at": 1}, {"field": 101, "varint": 6}],
            },
        ),
        ("4203a80605", {"thing": {"@unknown": [{"field": 101, "varint": 5}]}}),
        ("4205a806050801", {"thing": {"number": 1, "@unknown": [{"field": 101, "varint": 5, "at": 0}]}}),
        ("6b a80605 6c", {"group": {"@unknown": [{"field": 101, "varint": 5}]}}),
        ("ab060801ac06", {"@unknown": [{"field": 101, "group": [{"field": 1, "varint": 1}]}]}),
        ("0a0161", {"@unknown": [{"field": 1, "text": "a"}]}),  # a string where a number should be
        ("1001", {"@unknown": [{"field": 2, "varint": 1}]}),
        ("5201ff", {"@unknown": [{"field": 10, "bytes": "/w=="}]}),  # a packed run that is none
        ("620700000000000000", {"@unknown": [{"field": 12, "bytes": "AAAAAAAAAA=="}]}),
    ],
)
def test_what_the_schema_does_not_know_stands_where_it_stood(record: str, document: dict[str, Any]) -> None:
    assert decoded(record) == document


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ("0885808000", {"number": 5}),  # an over-long varint
        ("880005", {"number": 5}),  # an over-long tag
        ("120161 0805", {"number": 5, "text": "a"}),  # out of order
        ("0804 0805", {"number": 5}),  # twice; the last one counts
        ("42020801 4203120161", {"thing": {"number": 1, "text": "a"}}),  # twice; they are merged
        ("52020102", {"plain": [1, 2]}),  # packed, and the schema says it isn't
        ("5801 5802", {"packed": [1, 2]}),  # the reverse
        ("5a0101 5a0102", {"packed": [1, 2]}),  # in two runs
        ("5a00", {"packed": []}),  # an empty run
        ("08ffffffff0f", {"number": -1}),  # a negative number of 32 bits
        ("3002", {"yes": True}),
        ("2901000000 0000f87f", {"double": "NaN"}),  # not the usual one
        ("8a0106610d0a620a63", {"name": "a\r\nb\nc"}),
        ("4203088500", {"thing": {"number": 5}}),
        ("ab06088100ac06", {"@unknown": [{"field": 101, "group": [{"field": 1, "varint": 1}]}]}),
    ],
)
def test_the_bytes_are_kept_where_the_fields_do_not_give_them_back(
    record: str, fields: dict[str, Any]
) -> None:
    document = decoded(record)
    kept = document.pop("@bytes")
    assert base64.b64decode(kept) == bytes.fromhex(record)
    assert document == fields or "name" in fields


def test_kept_bytes_are_dropped_when_a_field_is_changed() -> None:
    document = decoded("0885808000 120161")
    document["number"] = 6
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0806 120161")
    del document["text"]
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0806")


def test_kept_bytes_are_dropped_when_a_field_is_added() -> None:
    document = {**decoded("0885808000"), "yes": True}
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0805 3001")


def test_kept_bytes_alone_are_a_record() -> None:
    assert walk.encode_record(PLAIN, {"@bytes": "CAU="}) == b""  # they say a field that isn't there
    assert (
        walk.encode_record(PLAIN, {"@bytes": "//8="}) == b"\xff\xff"
    )  # no message, so nothing is contradicted


@pytest.mark.parametrize("kept", [5, None, ["CAU="], "CA", "é"])
def test_kept_bytes_that_are_no_base64_are_an_error(kept: object) -> None:
    with pytest.raises(DocumentError, match="@bytes: "):
        walk.encode_record(PLAIN, {"number": 5, "@bytes": kept})


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("08", "does not end"),
        ("1205", "field 2 of 5 bytes, 0 left"),
        ("420108", "thing: byte 1: a varint that does not end"),
        ("4a00 4a0108", "things[1]: byte 1: a varint"),
        ("42044a020a05", "thing.things[0]: byte 0: field 1 of 5 bytes"),
        ("6b08056d", "byte"),
        ("08056c", "byte 2: field 13 has wire type 4"),
    ],
)
def test_what_is_no_message_is_an_error_with_path_and_byte(record: str, problem: str) -> None:
    with pytest.raises(ImageError) as error:
        walk.decode_record(PLAIN, bytes.fromhex(record))
    assert problem in str(error.value)


def nested(depth: int, *, group: bool = False) -> bytes:
    record = b""
    for _ in range(depth):
        record = b"\xab\x06" + record + b"\xac\x06" if group else b"\x42" + wire.varint(len(record)) + record
    return record


def test_messages_nest_as_deep_as_protobuf_lets_them() -> None:
    for depth in (99, 100):
        record = nested(depth)
        assert walk.encode_record(PLAIN, walk.decode_record(PLAIN, record)) == record


@pytest.mark.parametrize("depth", [101, 150, 5000])
def test_messages_that_nest_deeper_are_an_error(depth: int) -> None:
    with pytest.raises(ImageError, match="nested deeper than 100"):
        walk.decode_record(PLAIN, nested(depth))
    with pytest.raises(ImageError, match="nested deeper than 100"):
        walk.decode_record(PLAIN, nested(depth, group=True))


def test_documents_that_nest_deeper_are_an_error() -> None:
    document: dict[str, Any] = {}
    for _ in range(300):
        document = {"thing": document}
    with pytest.raises(DocumentError, match="nested deeper than 100"):
        walk.encode_record(PLAIN, document)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"nmber": 1}, "Thing has no field 'nmber'; did you mean number?"),
        ({"zzzzzz": 1}, "Thing has no field 'zzzzzz'"),
        ({"thing": {"txt": "a"}}, "thing: Thing has no field 'txt'; did you mean text?"),
        ({"things": [{}, {"thing": {"x": 1}}]}, "things[1].thing: Thing has no field 'x'"),
        ({"colour": "BLU"}, "colour: no value 'BLU'; did you mean BLUE? (there are RED, BLUE, LOW)"),
        ({"colours": ["RED", "GREEN"]}, "colours[1]: no value 'GREEN'"),
        (
            {"colour": 2**31},
            "colour: 2147483648 is out of range: expected one of RED, BLUE, LOW, or its number",
        ),
        ({"colour": None}, "colour: expected one of RED, BLUE, LOW, or its number, found null"),
        ({"number": 2**31}, "2147483648 is out of range: expected an integer from -2147483648 to 2147483647"),
        ({"number": "0x80000000"}, "number: 2147483648 is out of range"),
        ({"number": None}, "number: expected an integer from -2147483648 to 2147483647, found null"),
        ({"number": True}, "found true"),
        ({"number": 1.0}, "found the number 1.0"),
        ({"number": "x"}, "number: expected an integer from -2147483648 to 2147483647: not a number: 'x'"),
        ({"number": [1]}, "found a list of 1"),
        ({"number": {}}, "found an empty object"),
        ({"plain": 1}, "plain: expected a list, found the integer 1"),
        ({"plain": "1"}, "plain: expected a list, found the string '1'"),
        ({"plain": None}, "plain: expected a list, found null"),
        ({"plain": [1, -1]}, "plain[1]: -1 is out of range: expected an integer from 0 to 4294967295"),
        ({"packed": [1, None]}, "packed[1]: expected an integer from 0 to 4294967295, found null"),
        ({"packed": [[1]]}, "packed[0]: expected an integer"),
        ({"fixed": [2**64]}, "fixed[0]: 18446744073709551616 is out of range"),
        ({"yes": 1}, "yes: expected true or false, found the integer 1"),
        ({"yes": 5}, "yes: expected true or false, found the integer 5"),
        ({"yes": "true"}, "yes: expected true or false, found the string 'true'"),
        ({"yes": None}, "yes: expected true or false, found null"),
        ({"text": 1}, "text: expected a string, found the integer 1"),
        ({"text": None}, "text: expected a string, found null"),
        ({"text": "\ud800"}, "text: not text"),
        ({"data": "a"}, "data: bad base64"),
        ({"data": "é"}, "data: bad base64"),
        ({"data": 1}, "data: expected a string in base64, found the integer 1"),
        ({"single": "x"}, "single: expected a number"),
        ({"single": True}, "single: expected a number, found true"),
        ({"single": 1e300}, "single: 1e+300 is out of range for a float of 32 bits"),
        ({"single": 10**400}, "single: "),
        ({"double": 10**400}, "double: "),
        ({"thing": 5}, "thing: expected an object for Thing, found the integer 5"),
        ({"thing": [{}]}, "thing: expected an object for Thing, found a list of 1"),
        ({"thing": None}, "thing: expected an object for Thing, found null"),
        ({"things": {}}, "things: expected a list, found an empty object"),
        ({"things": [{}, []]}, "things[1]: expected an object for Thing, found an empty list"),
        ({"group": {"inner": "x"}}, "group.inner: expected an integer"),
        ({"pairs": [{"key": 1}]}, "pairs[0].key: expected a string"),
        ({"address": ["1.2.3"]}, "address[0]: expected an IPv4 or IPv6 address, found '1.2.3'"),
        ({"address": ["1.2.3.4", "1.2.3.4"]}, "address[0]: expected an integer"),
        ({"@unknown": {}}, "@unknown: expected a list of fields, found an empty object"),
        ({"@unknown": [5]}, "@unknown[0]: expected an object"),
        ({"thing": {"@unknown": [{"field": 0, "varint": 1}]}}, "thing.@unknown[0]: field is a number"),
        ({"thing": {"@bytes": "CAU="}}, "thing: Thing has no field '@bytes'"),
        ([], "expected an object for Thing, found an empty list"),
        (None, "expected an object for Thing, found null"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_where(document: Any, problem: str) -> None:
    with pytest.raises(DocumentError) as error:
        walk.encode_message(PLAIN, document)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("document", "record"),
    [
        ({"number": "123"}, "087b"),
        ({"number": "0x7f"}, "087f"),
        ({"number": "-0x1"}, "08ffffffffffffffffff01"),
        ({"fixed": ["1"]}, "62080100000000000000"),
        ({"double": 1}, "29000000000000f03f"),
        ({"double": "1.0"}, "29000000000000f03f"),
        ({"single": "-Infinity"}, "25000080ff"),
        ({"colour": 7}, "3807"),
        ({"colour": 99}, "3863"),
        ({"data": "YQ=="}, "1a0161"),
        ({"data": "Y\nQ =\t="}, "1a0161"),
        ({"data": ""}, "1a00"),
        ({"plain": []}, ""),
        ({"packed": []}, ""),
        ({"address": []}, ""),
        ({"address": ["127.0.0.1"]}, "8001ff808008"),
        ({"address": [5]}, "800105"),
        ({"address": ["5"]}, "800105"),
        ({"text": "b", "number": 1}, "08011201 62"),
    ],
)
def test_other_ways_to_write_a_value(document: dict[str, Any], record: str) -> None:
    assert walk.encode_message(PLAIN, document) == bytes.fromhex(record)
    assert walk.encode_message(PRETTY, document) == bytes.fromhex(record)


def test_keys_that_no_field_has_can_be_passed_over() -> None:
    document = {"number": 1, "more": 2, "things": [{"x": 1, "yes": True}], "thing": {"y": {}}}
    with pytest.raises(DocumentError, match="'more'"):
        walk.encode_record(PLAIN, document)
    assert walk.encode_record(PLAIN, document, allow_unknown=True) == bytes.fromhex("0801 4200 4a023001")


def test_unknown_fields_stand_behind_the_known_ones_where_at_says_more_than_there_are() -> None:
    document = {"number": 1, "@unknown": [{"field": 101, "varint": 5, "at": 9}]}
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0801 a80605")


def test_unknown_fields_can_be_added_and_taken_out() -> None:
    document = decoded("0801 a80605 120161")
    document["@unknown"].append({"field": 102, "text": "x"})
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0801 a80605 120161 b2060178")
    del document["@unknown"]
    assert walk.encode_record(PLAIN, document) == bytes.fromhex("0801 120161")


@pytest.mark.parametrize("count", range(6))
def test_addresses_are_pretty_only_where_their_number_is_that_of_one(count: int) -> None:
    for byte_order in ("little", "big"):
        made = plan(pretty=True, byte_order=byte_order)
        record = b"".join(b"\x80\x01" + wire.varint(index + 1) for index in range(count))
        document = decoded(record.hex(), made)
        if count in (1, 4):
            assert isinstance(document["address"][0], str)
        else:
            assert document == ({"address": list(range(1, count + 1))} if count else {})


def test_encoding_leaves_the_meaning_of_a_document_as_it_is() -> None:
    document = {"number": "0x7f", "data": "YQ==", "thing": {"address": ["::1"]}}
    before = copy.deepcopy(document)
    first = walk.encode_record(PLAIN, document)
    assert walk.encode_record(PLAIN, document) == first
    assert document == before
