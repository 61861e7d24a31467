from __future__ import annotations

import keyword
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from dyncrit import Schema
from dyncrit.codec.decoders import Decoders, NotPlain, is_direct
from dyncrit.codec.message import Codecs
from dyncrit.codec.plan import MessagePlan, Planner, Style
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import SchemaSource

AWKWARD = [
    *keyword.kwlist,
    *("Clear", "DESCRIPTOR", "WhichOneof", "SerializeToString", "FromString"),
    *(
        "__class__",
        "__dict__",
        "__init__",
        "_x",
        "self",
        "message",
        "has",
        "document",
        "value",
        "read0",
        "NotPlain",
    ),
]


def plan_of(file: FileDescriptorProto, name: str = "M") -> MessagePlan:
    schema = Schema(build_pool([file], "test"), SchemaSource("test", "test"))
    return Planner(Style()).plan(schema.required_message(name))


def awkward(label: int) -> MessagePlan:
    file = FileDescriptorProto(name="t.proto", syntax="proto2")
    message = file.message_type.add(name="M")
    for number, name in enumerate(AWKWARD, 1):
        message.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_UINT32, label=label)
    return plan_of(file)


@pytest.mark.parametrize("make", ["simple", "generated"])
@pytest.mark.parametrize("label", ["OPTIONAL", "REQUIRED", "REPEATED"])
def test_fields_may_have_any_name(make: str, label: str) -> None:
    plan = awkward(getattr(FieldDescriptorProto, f"LABEL_{label}"))
    values: Any = [[number] if label == "REPEATED" else number for number in range(len(AWKWARD))]
    document = dict(zip(AWKWARD, values, strict=True))
    message = plan.message_class(**document)
    assert getattr(Decoders(), make)(plan)(message) == document


@pytest.mark.parametrize("make", ["simple", "generated"])
def test_only_fields_that_are_there_are_shown(make: str) -> None:
    plan = awkward(FieldDescriptorProto.LABEL_OPTIONAL)
    decode = getattr(Decoders(), make)(plan)
    assert decode(plan.message_class()) == {}
    assert decode(plan.message_class(**{"None": 0})) == {"None": 0}


@pytest.mark.parametrize(
    "name",
    [
        *("ListFields", "HasField", "DiscardUnknownFields", "IsInitialized", "SerializeToString"),
        *("SerializePartialToString", "FromString", "MergeFromString", "Clear", "items"),
    ],
)
@pytest.mark.parametrize("label", ["OPTIONAL", "REQUIRED", "REPEATED"])
def test_fields_called_as_methods_that_are_needed_are_coded_all_the_same(name: str, label: str) -> None:
    file = FileDescriptorProto(name="t.proto", syntax="proto2")
    field = file.message_type.add(name="M").field.add(
        name=name, number=1, type=FieldDescriptorProto.TYPE_UINT32
    )
    field.label = getattr(FieldDescriptorProto, f"LABEL_{label}")
    schema = Schema(build_pool([file], "test"), SchemaSource("test", "test"))
    codec = Codecs(schema, Style()).codec("M")
    document = {name: [5] if label == "REPEATED" else 5}
    assert codec.decode(b"\x08\x05") == document
    assert codec.decode_all([b"\x08\x05"] * 2) == [document] * 2
    assert codec.encode(dict(document)) == b"\x08\x05"
    assert codec.encode_all([dict(document), dict(document)]) in (None, [b"\x08\x05"] * 2)


def test_functions_are_made_once() -> None:
    decoders, plan = Decoders(), awkward(FieldDescriptorProto.LABEL_REQUIRED)
    assert decoders.simple(plan) is decoders.simple(plan)
    assert decoders.generated(plan) is decoders.generated(plan)


def test_all_of_criu_is_direct() -> None:
    planner, schema = Planner(Style()), Schema.default()
    names = [
        name for name in schema.message_names if not is_direct(planner.plan(schema.required_message(name)))
    ]
    assert names == []


@pytest.mark.parametrize("kind", ["float", "double", "group", "map", "no presence", "extensions"])
def test_what_protobuf_does_not_show_exactly_is_not_direct(kind: str) -> None:
    file = FileDescriptorProto(name="t.proto", syntax="proto3" if kind == "no presence" else "proto2")
    message = file.message_type.add(name="M")
    field = message.field.add(name="a", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL)
    field.type = FieldDescriptorProto.TYPE_INT32
    if kind in ("float", "double"):
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
    elif kind == "group":
        message.nested_type.add(name="A")
        field.type, field.type_name = FieldDescriptorProto.TYPE_GROUP, ".M.A"
    elif kind == "map":
        entry = message.nested_type.add(name="AEntry")
        entry.options.map_entry = True
        for number, name in enumerate(("key", "value"), 1):
            entry.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_INT32).label = 1
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, ".M.AEntry"
        field.label = FieldDescriptorProto.LABEL_REPEATED
    elif kind == "extensions":
        message.extension_range.add(start=100, end=200)
    plan = plan_of(file)
    if kind == "map":
        plan = plan.by_name["a"].message  # type: ignore[assignment]  # it has one
    assert not is_direct(plan)
    for make in (Decoders().simple, Decoders().generated):
        with pytest.raises(NotPlain):
            make(plan)


def test_text_that_is_not_utf_8_is_not_plain() -> None:
    plan = Planner(Style()).plan(Schema.default().required_message("utsns_entry"))
    message = plan.message_class.FromString(b"\x0a\x01\xff\x12\x00")
    for make in (Decoders().simple, Decoders().generated):
        with pytest.raises(NotPlain):
            make(plan)(message)


def test_a_socket_name_that_does_not_come_back_is_not_plain() -> None:
    plan = Planner(Style()).plan(Schema.default().required_message("unix_sk_entry"))
    decode = Decoders().simple(plan)
    assert decode(plan.message_class(name=b"\0a"))["name"] == "=00a"
    with pytest.raises(NotPlain):
        decode(plan.message_class(name=b"a\r\nb\nc"))
