from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from dyncrit import Schema
from dyncrit.errors import SchemaError
from dyncrit.schema import ImageTable, SchemaSource
from dyncrit.schema.bundled import NEWEST_SET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SYNTAX = 'syntax = "proto2";\n'
_DEMO = _SYNTAX + "message demo_entry { required uint32 id = 1; optional string name = 2; }\n"
_USER = _SYNTAX + 'import "demo.proto";\nmessage user_entry { repeated demo_entry demos = 1; }\n'
_MAGICS = "#define CORE_MAGIC 0x55053847\n#define DEMO_MAGIC 0x12121212 /* a town */\n#define ALSO_MAGIC DEMO_MAGIC\n"

# As CRIU 0.7 to 1.3.1 have it: two files that define TUN and never meet.
_TUN_CLASH = {
    "fdinfo.proto": "enum fd_kinds { UNDEFINED = 0; TUN = 15; }\nmessage fdinfo_entry { required fd_kinds type = 3; }\n",
    "netdev.proto": "enum device_kinds { LOOP = 1; TUN = 3; }\nmessage device_entry { required device_kinds type = 1; }\n",
}
# As CRIU 1.7 to 2.6 have it: one of two files that define NONE is imported by a third.
_NONE_CLASH = {
    "rpc.proto": "enum groups { IGNORE = 0; NONE = 1; }\nmessage request { optional groups mode = 1; }\n",
    "sk-opts.proto": "enum shutdowns { NONE = 0; READ = 1; }\nmessage opts_entry { required uint32 mark = 1; }\n",
    "sk-inet.proto": (
        'import "sk-opts.proto";\n'
        "message inet_entry { required opts_entry opts = 1; optional shutdowns shutdown = 2; }\n"
    ),
}


def _enum_names(schema: Schema, message: str, field: str) -> dict[int, str]:
    enum = schema.required_message(message).fields_by_name[field].enum_type
    assert enum is not None
    return {value.number: value.name for value in enum.values}


def test_default_is_the_newest_release_made_once() -> None:
    assert Schema.default() is Schema.default()
    assert Schema.default().source == SchemaSource("release", "CRIU 4.2")


@pytest.mark.parametrize("version", ["4.2", "v4.2", "4.2.1"])
def test_newest_release_is_the_same_by_any_name(
    version: str, shapes: Callable[[Schema], dict[str, Any]]
) -> None:
    schema = Schema.release(version)
    assert schema.source == Schema.release().source
    assert shapes(schema) == shapes(Schema.release())


def test_older_release_is_named_by_its_source() -> None:
    assert Schema.release("v0.5").source == SchemaSource("release", "CRIU 0.5")


def test_unknown_release_is_an_error() -> None:
    with pytest.raises(SchemaError, match=r"'9\.9'"):
        Schema.release("9.9")


def test_schemas_of_several_releases_live_side_by_side() -> None:
    old, new = (Schema.release(version).message_class("pagemap_entry") for version in ("4.1", "4.2"))
    data = b"\x08\x01\x10\x02"
    assert "nr_pages: 2" in str(old.FromString(data)).splitlines()
    assert "compat_nr_pages: 2" in str(new.FromString(data)).splitlines()


def test_unknown_message_is_none_or_an_error_with_the_nearest_name() -> None:
    schema = Schema.default()
    assert schema.message("core_entri") is None
    with pytest.raises(SchemaError, match="did you mean core_entry") as caught:
        schema.required_message("core_entri")
    assert caught.value.place == ("CRIU 4.2",)


def test_class_of_an_unknown_message_keeps_all_bytes() -> None:
    message = Schema.default().message_class("never_heard_of_entry").FromString(b"\x08\x07\x12\x01x")
    assert message.SerializePartialToString() == b"\x08\x07\x12\x01x"
    assert message.ListFields() == []


def test_class_of_a_message_is_always_the_same() -> None:
    schema = Schema.default()
    assert schema.message_class("core_entry") is schema.message_class("core_entry")
    assert schema.message_class("core_entry").DESCRIPTOR is schema.message("core_entry")


def test_message_names_are_sorted_and_found() -> None:
    schema = Schema.default()
    assert schema.message_names == sorted(set(schema.message_names))
    assert all(schema.message(name) is not None for name in schema.message_names)


def test_pool_holds_the_messages() -> None:
    schema = Schema.default()
    assert schema.pool.FindMessageTypeByName("core_entry") is schema.message("core_entry")


def test_another_table_leaves_the_rest_as_it_is() -> None:
    schema, table = Schema.default(), ImageTable(())
    other = schema.with_table(table)
    assert other.table is table
    assert (other.pool, other.source) == (schema.pool, schema.source)
    assert schema.table.by_name("CORE") is not None


@pytest.mark.parametrize("given", ["", "images"])
@pytest.mark.parametrize("header", ["criu/include/magic.h", "include/magic.h"])
def test_tree_of_protos_with_its_magics(write_tree: Callable[..., Path], given: str, header: str) -> None:
    root = write_tree({"images/demo.proto": _DEMO, "images/user.proto": _USER, header: _MAGICS})
    schema = Schema.from_protos(root / given)
    assert schema.source == SchemaSource("protos", str(root / given), root / header, cached=False)
    assert schema.message_names == ["demo_entry", "user_entry"]
    demo, core = schema.table.by_name("DEMO"), schema.table.by_name("CORE")
    assert demo is not None
    assert (demo.magic, demo.messages) == (0x12121212, ("demo_entry",))
    assert core is not None
    assert core.files == ("core-%u.img",)
    assert schema.table.by_name("ALSO") is None


def test_old_tree_with_its_protobuf_folder_and_image_header(write_tree: Callable[..., Path]) -> None:
    files = {"protobuf/demo.proto": _DEMO.removeprefix(_SYNTAX), "include/image.h": _MAGICS}
    root = write_tree(files)
    for given in (root, root / "protobuf", str(root)):
        schema = Schema.from_protos(given)
        assert schema.message_names == ["demo_entry"]
        assert schema.table.by_name("DEMO") is not None


def test_tree_given_as_the_current_folder(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree({"images/demo.proto": _DEMO, "criu/include/magic.h": _MAGICS})
    for folder in (root, root / "images"):
        monkeypatch.chdir(folder)
        schema = Schema.from_protos(".")
        assert schema.message_names == ["demo_entry"]
        assert schema.table.by_name("DEMO") is not None


def test_folder_of_protos_has_the_usual_table(write_tree: Callable[..., Path]) -> None:
    schema = Schema.from_protos(write_tree({"demo.proto": _DEMO}))
    assert schema.table.types == ImageTable().types
    assert schema.source.magic_header is None


def test_messages_of_loaded_protos_work(write_tree: Callable[..., Path]) -> None:
    schema = Schema.from_protos(write_tree({"demo.proto": _DEMO, "user.proto": _USER}))
    message = schema.message_class("user_entry").FromString(b"\x0a\x05\x08\x07\x12\x01x")
    assert str(message).split() == ["demos", "{", "id:", "7", "name:", '"x"', "}"]


@pytest.mark.parametrize("syntax", ["", _SYNTAX], ids=["no syntax line", "syntax line"])
def test_enum_values_that_clash_between_files_that_never_meet(
    write_tree: Callable[..., Path], syntax: str
) -> None:
    root = write_tree({f"protobuf/{name}": syntax + text for name, text in _TUN_CLASH.items()})
    schema = Schema.from_protos(root)
    assert _enum_names(schema, "fdinfo_entry", "type") == {0: "UNDEFINED", 15: "TUN"}
    assert _enum_names(schema, "device_entry", "type") == {1: "LOOP", 3: "TUN"}
    assert schema.message_names == ["device_entry", "fdinfo_entry"]


@pytest.mark.parametrize("syntax", ["", _SYNTAX], ids=["no syntax line", "syntax line"])
def test_enum_values_that_clash_where_a_third_file_imports_one(
    write_tree: Callable[..., Path], syntax: str
) -> None:
    root = write_tree({f"images/{name}": syntax + text for name, text in _NONE_CLASH.items()})
    for schema in (Schema.from_protos(root), Schema.from_protos(root)):
        assert _enum_names(schema, "request", "mode") == {0: "IGNORE", 1: "NONE"}
        assert _enum_names(schema, "inet_entry", "shutdown") == {0: "NONE", 1: "READ"}
        fields = schema.required_message("inet_entry").fields_by_name
        assert fields["opts"].message_type is schema.message("opts_entry")
        parsed = schema.message_class("inet_entry").FromString(b"\x0a\x02\x08\x07\x10\x01")
        assert str(parsed).split() == ["opts", "{", "mark:", "7", "}", "shutdown:", "READ"]


def test_protocs_error_reaches_the_user(write_tree: Callable[..., Path]) -> None:
    bad = _SYNTAX + "message bad_entry {\n  optional nope x = 1;\n}\n"
    root = write_tree({"images/bad.proto": bad, "images/demo.proto": _DEMO})
    with pytest.raises(SchemaError) as caught:
        Schema.from_protos(root)
    assert "bad.proto:3:" in str(caught.value)
    assert '"nope" is not defined' in str(caught.value)


def test_files_that_compile_alone_but_not_together_are_an_error(write_tree: Callable[..., Path]) -> None:
    root = write_tree({"a.proto": _DEMO, "b.proto": _DEMO})
    with pytest.raises(SchemaError, match="demo_entry") as caught:
        Schema.from_protos(root)
    assert caught.value.place[0] == str(root)


@pytest.mark.parametrize("given", ["absent", "file.txt", "empty"])
def test_folder_without_protos_is_an_error(write_tree: Callable[..., Path], given: str) -> None:
    folder = write_tree({"file.txt": "", "empty/notes.txt": ""}) / given
    with pytest.raises(SchemaError) as caught:
        Schema.from_protos(folder)
    assert str(caught.value).startswith(f"{folder}: ")


def test_protos_without_a_message_are_an_error(write_tree: Callable[..., Path]) -> None:
    root = write_tree({"empty.proto": _SYNTAX})
    with pytest.raises(SchemaError, match="no messages"):
        Schema.from_protos(root)


def test_descriptor_set_with_its_imports(
    write_tree: Callable[..., Path], descriptor_set: Callable[..., Path]
) -> None:
    file = descriptor_set(write_tree({"demo.proto": _DEMO, "user.proto": _USER}), "user.proto")
    for given in (file, str(file)):
        schema = Schema.from_descriptor_set(given)
        assert schema.message_names == ["demo_entry", "user_entry"]
        assert schema.source == SchemaSource("descriptor-set", str(file))


def test_descriptor_set_without_an_import_names_it(
    write_tree: Callable[..., Path], descriptor_set: Callable[..., Path]
) -> None:
    file = descriptor_set(write_tree({"demo.proto": _DEMO, "user.proto": _USER}), "user.proto", imports=False)
    with pytest.raises(SchemaError, match=r"demo\.proto") as caught:
        Schema.from_descriptor_set(file)
    assert caught.value.place == (str(file),)


def test_descriptor_set_may_lack_protobufs_own_descriptor_proto(
    write_tree: Callable[..., Path], descriptor_set: Callable[..., Path]
) -> None:
    text = _SYNTAX + (
        'import "google/protobuf/descriptor.proto";\n'
        "message opts { optional bool hex = 1; }\n"
        "extend google.protobuf.FieldOptions { optional opts criu = 1018; }\n"
    )
    file = descriptor_set(write_tree({"opts.proto": text}), imports=False)
    assert Schema.from_descriptor_set(file).message_names == ["opts"]


def test_descriptor_set_in_any_order(tmp_path: Path) -> None:
    first = FileDescriptorProto(name="a.proto", dependency=["b.proto"])
    first.message_type.add(name="a_entry")
    second = FileDescriptorProto(name="b.proto")
    second.message_type.add(name="b_entry")
    file = tmp_path / "made.binpb"
    file.write_bytes(FileDescriptorSet(file=[first, second]).SerializeToString())
    assert Schema.from_descriptor_set(file).message_names == ["a_entry", "b_entry"]


def test_bundled_set_can_be_given_as_a_descriptor_set(
    tmp_path: Path, shapes: Callable[[Schema], dict[str, Any]]
) -> None:
    copy = tmp_path / "copy.binpb"
    shutil.copyfile(NEWEST_SET, copy)
    assert shapes(Schema.from_descriptor_set(copy)) == shapes(Schema.default())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"not a descriptor set at all",
        b"\x19\x31\x31\x58",
        b'syntax = "proto2";',
        b"\x0a\xff",
        b"\x7fELF" * 9,
    ],
)
def test_file_that_is_no_descriptor_set_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "made.binpb"
    file.write_bytes(content)
    with pytest.raises(SchemaError, match="FileDescriptorSet") as caught:
        Schema.from_descriptor_set(file)
    assert caught.value.place == (str(file),)


@pytest.mark.parametrize("length", [1, 100, 1000, 20_000])
def test_descriptor_set_cut_short_is_an_error(tmp_path: Path, length: int) -> None:
    file = tmp_path / "made.binpb"
    file.write_bytes(NEWEST_SET.read_bytes()[:length])
    with pytest.raises(SchemaError) as caught:
        Schema.from_descriptor_set(file)
    assert caught.value.place == (str(file),)


@pytest.mark.parametrize("name", ["absent.binpb", ""])
def test_descriptor_set_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Schema.from_descriptor_set(tmp_path / name)
    assert caught.value.place == (str(tmp_path / name),)


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_upstreams_tree_loads_with_its_magics_and_plugins(
    suite: str, upstream: Callable[[str], Path]
) -> None:
    schema = Schema.from_protos(upstream(suite) / "images")
    assert schema.source.magic_header == upstream(suite) / "criu" / "include" / "magic.h"
    assert {"core_entry", "criu_kfd", "kfd_bo_entry"} <= set(schema.message_names)
    assert schema.table.types == ImageTable().types
