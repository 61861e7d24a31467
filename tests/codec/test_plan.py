from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from dyncrit import Schema
from dyncrit.codec.plan import Planner, Style
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import SchemaSource

if TYPE_CHECKING:
    from dyncrit.codec.plan import FieldPlan


def field(message: str, name: str, *, pretty: bool = True) -> FieldPlan:
    planner = Planner(Style(pretty))
    return planner.plan(Schema.default().required_message(message)).by_name[name]


def test_fields_stand_in_number_order() -> None:
    plan = Planner(Style()).plan(Schema.default().required_message("core_entry"))
    numbers = [item.number for item in plan.fields]
    assert numbers == sorted(numbers)
    assert set(plan.by_number) == set(numbers)
    assert plan.name == "core_entry"


def test_a_plan_is_made_once_and_again_where_hex_is_inherited() -> None:
    planner = Planner(Style(pretty=True))
    descriptor = Schema.default().required_message("fown_entry")
    assert planner.plan(descriptor) is planner.plan(descriptor)
    assert planner.plan(descriptor, hexadecimal=True) is not planner.plan(descriptor)


def test_hex_on_a_message_field_is_inherited_by_the_integers_below() -> None:
    registers = field("thread_info_x86", "gpregs").message
    assert registers is not None
    show = registers.by_name["r15"].show
    assert show is not None
    assert show(255) == "0xff"
    plain = field("thread_info_x86", "gpregs", pretty=False).message
    assert plain is not None
    assert plain.by_name["r15"].show is None


def test_only_pretty_plans_render_but_all_read_renderings() -> None:
    pretty, plain = field("vma_entry", "prot"), field("vma_entry", "prot", pretty=False)
    assert pretty.show is not None
    assert pretty.show(1) == "PROT_READ"
    assert plain.show is None
    assert plain.parse is not None
    assert plain.parse("PROT_READ") == 1


def test_recursive_types_can_be_planned() -> None:
    assert field("cgroup_dir_entry", "children").message is not None


def test_names_of_enums_go_both_ways() -> None:
    kind = field("fdinfo_entry", "type")
    assert kind.names is not None
    assert kind.names[1] == "REG"
    assert kind.numbers["REG"] == 1


def _scalars(syntax: str) -> Schema:
    file = FileDescriptorProto(name="t.proto", syntax=syntax)
    enum = file.enum_type.add(name="E")
    enum.options.allow_alias = True
    enum.value.add(name="FIRST", number=0)
    enum.value.add(name="SECOND", number=0)
    message = file.message_type.add(name="M")
    for number, (name, packed) in enumerate((("no", False), ("yes", True), ("default", None)), 1):
        item = message.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_FIXED32)
        item.label = FieldDescriptorProto.LABEL_REPEATED
        if packed is not None:
            item.options.packed = packed
    single = message.field.add(name="single", number=9, type=FieldDescriptorProto.TYPE_ENUM, type_name=".E")
    single.label = FieldDescriptorProto.LABEL_OPTIONAL
    text = message.field.add(name="text", number=10, type=FieldDescriptorProto.TYPE_STRING)
    text.label = FieldDescriptorProto.LABEL_REPEATED
    return Schema(build_pool([file], "test"), SchemaSource("test", "test"))


@pytest.mark.parametrize(("syntax", "default"), [("proto2", False), ("proto3", True)])
def test_packed_is_what_protobuf_writes(syntax: str, default: bool) -> None:
    plan = Planner(Style()).plan(_scalars(syntax).required_message("M"))
    assert {item.name: item.packed for item in plan.fields} == {
        "no": False,
        "yes": True,
        "default": default,
        "single": False,
        "text": False,
    }


def test_the_first_of_several_names_for_a_value_is_shown_and_all_are_read() -> None:
    single = Planner(Style()).plan(_scalars("proto2").required_message("M")).by_name["single"]
    assert single.names == {0: "FIRST"}
    assert single.numbers == {"FIRST": 0, "SECOND": 0}


def test_presence_follows_the_syntax() -> None:
    for syntax, presence in (("proto2", True), ("proto3", False)):
        plan = Planner(Style()).plan(_scalars(syntax).required_message("M"))
        assert plan.by_name["single"].presence is presence
    assert field("fdinfo_entry", "id").required
    assert not field("fdinfo_entry", "xattr_security_selinux").required


def test_socket_names_are_known_to_lose_some_bytes() -> None:
    name = field("unix_sk_entry", "name", pretty=False)
    assert name.show_loses is not None
    assert name.show_loses(b"a\r\nb\nc")
    assert field("tty_data_entry", "data").show_loses is None
