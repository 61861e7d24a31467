from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from dyncrit.errors import SchemaError
from dyncrit.schema.engine import message_class
from dyncrit.schema.pool import (
    DESCRIPTOR_PROTO,
    build_pool,
    in_dependency_order,
    parse_descriptor_set,
    split_descriptor_set,
    unknown_file,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto


def _file(name: str, *imports: str, package: str = "") -> FileDescriptorProto:
    """A file with a message of its own name."""
    file = FileDescriptorProto(name=f"{name}.proto", package=package)
    file.dependency.extend(f"{wanted}.proto" for wanted in imports)
    file.message_type.add(name=f"{name}_entry")
    return file


def _with_enum(file: FileDescriptorProto, enum: str, *values: str) -> FileDescriptorProto:
    """The file with an enum, and a field of its type in the message."""
    added = file.enum_type.add(name=enum)
    for number, value in enumerate(values):
        added.value.add(name=value, number=number)
    _add_field(file.message_type[0], "kind", f".{file.package}.{enum}".replace("..", "."), enum=True)
    return file


def _add_field(message: DescriptorProto, name: str, type_name: str, *, enum: bool = False) -> None:
    field = message.field.add(name=name, number=len(message.field) + 1, type_name=type_name)
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    field.type = FieldDescriptorProto.TYPE_ENUM if enum else FieldDescriptorProto.TYPE_MESSAGE


def _order(*files: FileDescriptorProto) -> list[str]:
    return [file.name.removesuffix(".proto") for file in in_dependency_order(list(files), "here")]


def test_files_stand_behind_those_they_import() -> None:
    files = [_file("a", "b", "c"), _file("b", "d"), _file("c", "b", "d"), _file("d"), _file("e", "a")]
    for turn in range(len(files)):
        for shuffled in (files[turn:] + files[:turn], (files[turn:] + files[:turn])[::-1]):
            order = _order(*shuffled)
            assert sorted(order) == list("abcde")
            for file in files:
                for wanted in file.dependency:
                    assert order.index(wanted[0]) < order.index(file.name[0])


def test_long_chain_of_imports_is_no_problem() -> None:
    length = 5000
    files = [_file(f"f{number}", f"f{number + 1}") for number in range(length)]
    assert _order(*files, _file(f"f{length}")) == [f"f{number}" for number in range(length, -1, -1)]


def test_import_that_is_not_there_is_named() -> None:
    with pytest.raises(SchemaError, match=r"^here: .*absent\.proto"):
        _order(_file("a", "absent"))


@pytest.mark.parametrize(
    "files", [[_file("a", "a")], [_file("a", "b"), _file("b", "c"), _file("c", "a")]], ids=["self", "three"]
)
def test_imports_in_a_circle_are_named(files: list[FileDescriptorProto]) -> None:
    with pytest.raises(SchemaError, match=r"^here: a\.proto imports itself"):
        _order(*files)


def test_descriptor_proto_is_added_where_it_is_imported_and_missing() -> None:
    file = _file("a")
    file.dependency.append(DESCRIPTOR_PROTO)
    assert [added.name for added in in_dependency_order([file], "here")] == [DESCRIPTOR_PROTO, "a.proto"]
    assert _order(_file("b")) == ["b"]


def test_messages_are_found_with_and_without_their_package() -> None:
    pool = build_pool([_file("a", package="some.where"), _file("b")], "here")
    message = pool.find("a_entry")
    assert message is not None
    assert message.full_name == "some.where.a_entry"
    assert pool.find("some.where.a_entry") is message
    assert pool.names == ["a_entry", "b_entry"]


@pytest.mark.parametrize("name", ["nowhere_entry", "a", "a.proto", ".a_entry", "a_entry.", " ", "\x00"])
def test_other_names_are_not_found(name: str) -> None:
    assert build_pool([_file("a")], "here").find(name) is None


def test_name_that_is_not_unicode_is_not_found() -> None:
    try:
        found: object = build_pool([_file("a")], "here").find("\udcff")
    except TypeError:  # caught here, as pytest-xdist can't pass on a report with such a text
        found = TypeError
    assert found is None


def test_nested_message_is_found_by_its_full_name_only() -> None:
    file = _file("a")
    file.message_type[0].nested_type.add(name="inner")
    pool = build_pool([file], "here")
    assert pool.find("a_entry.inner") is not None
    assert pool.find("inner") is None
    assert pool.names == ["a_entry"]


def test_enum_is_no_message() -> None:
    assert build_pool([_with_enum(_file("a"), "kinds", "ONE")], "here").find("kinds") is None


def test_empty_name_is_a_message_that_keeps_everything_as_unknown() -> None:
    message = build_pool([_file("a")], "here").find("")
    assert message is not None
    assert list(message.fields) == []
    assert message_class(message).FromString(b"\x08\x07").SerializeToString() == b"\x08\x07"


def test_enum_values_that_clash_between_unrelated_files_are_kept_apart() -> None:
    files = [_with_enum(_file(name), f"{name}_kinds", "NONE", name.upper()) for name in ("a", "b", "c")]
    pool = build_pool(files, "here")
    for name in ("a", "b", "c"):
        message = pool.find(f"{name}_entry")
        assert message is not None
        values = message.fields_by_name["kind"].enum_type.values
        assert [value.name for value in values] == ["NONE", name.upper()]
    assert pool.names == ["a_entry", "b_entry", "c_entry"]


def test_references_to_a_file_kept_apart_still_hold() -> None:
    moved = _with_enum(_file("moved"), "moved_kinds", "NONE")
    moved.message_type[0].nested_type.add(name="inner")
    user = _file("user", "moved")
    _add_field(user.message_type[0], "whole", ".moved_entry")
    _add_field(user.message_type[0], "part", ".moved_entry.inner")
    _add_field(user.message_type[0], "kind", ".moved_kinds", enum=True)
    _add_field(user.message_type[0].nested_type.add(name="nested"), "deep", ".moved_entry")
    _add_field(user.message_type[0], "own", ".user_entry.nested")
    pool = build_pool([_with_enum(_file("first"), "first_kinds", "NONE"), user, moved], "here")
    message, target = pool.find("user_entry"), pool.find("moved_entry")
    assert message is not None
    assert target is not None
    fields = message.fields_by_name
    assert fields["whole"].message_type is target
    assert fields["part"].message_type is target.nested_types_by_name["inner"]
    assert fields["kind"].enum_type is target.fields_by_name["kind"].enum_type
    assert fields["own"].message_type.fields_by_name["deep"].message_type is target


def test_extension_in_a_file_kept_apart_still_holds() -> None:
    moved = _with_enum(_file("moved"), "moved_kinds", "NONE")
    moved.dependency.append(DESCRIPTOR_PROTO)
    extension = moved.extension.add(name="demo", number=1018, type_name=".moved_entry")
    extension.type, extension.label = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.LABEL_OPTIONAL
    extension.extendee = ".google.protobuf.FieldOptions"
    pool = build_pool([_with_enum(_file("first"), "first_kinds", "NONE"), moved], "here")
    assert pool.find("moved_entry") is not None


@pytest.mark.parametrize("name", ["sk-opts", "sub/dir/x", "2d", "a.b", "with space", "a+b"])
def test_file_kept_apart_may_have_any_name(name: str) -> None:
    moved = _with_enum(_file("moved"), "moved_kinds", "NONE")
    moved.name = f"{name}.proto"
    assert build_pool([_with_enum(_file("first"), "kinds", "NONE"), moved], "here").find("moved_entry")


def test_files_without_a_clash_keep_their_names() -> None:
    pool = build_pool(
        [_with_enum(_file("a"), "kinds", "ONE"), _with_enum(_file("b"), "sorts", "TWO")], "here"
    )
    found = [pool.find(f"{name}_entry") for name in "ab"]
    assert [message.full_name for message in found if message] == ["a_entry", "b_entry"]


def test_messages_that_clash_are_an_error_with_a_place() -> None:
    twin = _file("a")
    twin.name = "twin.proto"
    with pytest.raises(SchemaError, match=r"^here: .*a_entry"):
        build_pool([_file("a"), twin], "here")


def test_field_of_a_type_that_is_not_there_is_an_error_with_a_place() -> None:
    file = _file("a")
    _add_field(file.message_type[0], "b", ".absent_entry")
    with pytest.raises(SchemaError, match=r"^here: .*absent_entry"):
        build_pool([file], "here")


def test_descriptor_set_is_split_into_its_files() -> None:
    files = [_file("a"), _file("b" * 300, "a"), unknown_file()]
    data = FileDescriptorSet(file=files).SerializeToString()
    assert list(split_descriptor_set(data)) == [file.SerializeToString() for file in files]
    assert list(split_descriptor_set(b"")) == []


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\xff" * 10, b"\x0a\x02\x0a\xff"])
def test_bytes_that_are_no_descriptor_set(data: bytes) -> None:
    with pytest.raises(SchemaError, match=r"^here: not a FileDescriptorSet"):
        parse_descriptor_set(data, "here")


@pytest.mark.parametrize(
    "data", [b"", FileDescriptorSet(file=[FileDescriptorProto(name="a")]).SerializeToString()]
)
def test_descriptor_set_without_messages_is_an_error(data: bytes) -> None:
    with pytest.raises(SchemaError, match=r"^here: .*no messages"):
        parse_descriptor_set(data, "here")
