from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dyncrit import Schema
from dyncrit.errors import DyncritError, SchemaError
from dyncrit.schema.catalogue import build_release, history
from dyncrit.schema.export import export_protos, proto_files
from dyncrit.schema.files import OptionReader, all_messages, normalised, schema_files
from dyncrit.schema.schema import SchemaSource
from dyncrit.schema.stubs import stub_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    from dyncrit.schema.files import OptionReader as Reader

_RICH = """
syntax = "proto2";
package a.b;
import public "google/protobuf/descriptor.proto";
option java_package = "x\\"y";
message marks { optional bool on = 1; repeated string names = 2; optional marks inner = 3; }
extend google.protobuf.FieldOptions { optional marks mark = 50001; repeated int32 many = 50002; }
extend google.protobuf.MessageOptions { optional string title = 50003; }
extend google.protobuf.EnumValueOptions { optional bytes raw = 50004; }
enum colour { option allow_alias = true; RED = 0; ROT = 0 [deprecated = true]; BLUE = -1 [(raw) = "\\377\\"x"]; reserved 5 to 7; reserved "GREEN"; }
message message {
    option (title) = "t\\303\\244st\\n";
    message inner { optional inner inner = 1; enum colour { BLACK = 3; } optional colour tint = 2 [default = BLACK]; }
    optional inner inner_field = 1;
    optional a.b.colour string = 2 [default = BLUE, (mark) = { on: true names: "x" names: "y" }];
    repeated uint32 option = 3 [packed = true, (many) = 1, (many) = -2];
    map<string, inner> by_name = 4 [(mark).on = false];
    oneof choice { string text = 5 [default = "a\\"\\\\b\\001"]; bytes data = 6 [default = "\\377\\"q"]; }
    optional double ratio = 7 [default = -inf, json_name = "other"];
    optional float small = 8 [default = 1.5];
    extensions 100 to 199, 1000 to max;
    reserved 20, 30 to 40;
    reserved "gone";
    extend message { optional int32 extra = 150; }
    enum state { NONE = 0; }
}
"""


def _fields(file: FileDescriptorProto) -> dict[str, FieldDescriptorProto]:
    return {
        f"{name}.{field.name}": field for name, row in all_messages(file.message_type) for field in row.field
    }


def _same(written: list[FileDescriptorProto], files: list[FileDescriptorProto], options: Reader) -> None:
    compiled = {file.name: normalised(file, options) for file in written}
    assert set(compiled) == {file.name for file in files}
    for file in (normalised(file, options) for file in files):
        theirs = _fields(compiled[file.name])
        for name, field in _fields(file).items():
            assert theirs[name] == field
        assert compiled[file.name] == file


@pytest.mark.parametrize("release", history().releases)
def test_protoc_compiles_each_release_to_the_same_descriptors(release: str, tmp_path: Path) -> None:
    names = export_protos(SchemaSource("release", f"CRIU {release}"), tmp_path / "out")
    files = sorted(build_release(release).file, key=lambda file: file.name)
    assert names == [file.name for file in files]
    written = schema_files(Schema.from_protos(tmp_path / "out", use_cache=False).source, use_cache=False)
    _same(written, files, OptionReader(files, release))


def test_a_tree_is_written_as_it_was_read(upstream: Callable[[str], Path], tmp_path: Path) -> None:
    source = Schema.from_protos(upstream("sid")).source
    assert "rpc.proto" in export_protos(source, tmp_path / "out")
    files = schema_files(source)
    _same(schema_files(Schema.from_protos(tmp_path / "out").source), files, OptionReader(files, "x"))


def test_a_descriptor_set_is_written_as_protos(
    write_tree: Callable[..., Path], descriptor_set: Callable[..., Path], tmp_path: Path
) -> None:
    made = descriptor_set(write_tree({"rich.proto": _RICH}))
    source = Schema.from_descriptor_set(made).source
    assert export_protos(source, tmp_path / "out") == ["rich.proto"]
    files = schema_files(source)
    _same(schema_files(Schema.from_protos(tmp_path / "out").source), files, OptionReader(files, "x"))


def test_criu_options_are_written_as_criu_does(tmp_path: Path) -> None:
    export_protos(SchemaSource("release", "CRIU 4.2"), tmp_path)
    text = (tmp_path / "ghost-file.proto").read_text()
    assert "optional uint32 rdev = 6 [(criu).dev = true, (criu).odev = true];" in text
    assert 'import "opts.proto";' in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"syntax": "proto3"}, "only proto2"),
        ({"package": "a b"}, "invalid name"),
        ({"name": "../x.proto"}, "expected a path below a folder"),
        ({"name": "/tmp/x.proto"}, "expected a path below a folder"),
        ({"dependency": ['y.proto"; message evil {} //']}, "imported but not there"),
    ],
)
def test_what_can_not_be_told_as_proto2_is_an_error(changes: dict[str, object], says: str) -> None:
    file = FileDescriptorProto(**{"name": "x.proto", **changes})
    file.message_type.add(name="some")
    with pytest.raises(SchemaError, match=says):
        proto_files([file], "set")


@pytest.mark.parametrize("name", ["a b", "a{}message b", "1", "a; } message c {"])
def test_a_name_that_is_none_never_becomes_another_schema(name: str) -> None:
    file = FileDescriptorProto(name="x.proto")
    file.message_type.add(name=name)
    with pytest.raises(SchemaError):
        proto_files([file], "set")


def test_a_default_can_not_smuggle_in_an_option() -> None:
    file = FileDescriptorProto(name="x.proto")
    message = file.message_type.add(name="some")
    message.field.add(name="f", number=1, label=1, type=13, default_value="1, deprecated = true")
    with pytest.raises(SchemaError):
        proto_files([file], "set")


def test_services_and_groups_are_errors() -> None:
    file = FileDescriptorProto(name="x.proto")
    message = file.message_type.add(name="some")
    message.nested_type.add(name="G")
    message.field.add(name="g", number=1, label=1, type=10, type_name=".some.G")
    with pytest.raises(SchemaError, match="group"):
        proto_files([file], "set")
    del message.field[:]
    file.service.add(name="s")
    with pytest.raises(SchemaError, match="services"):
        proto_files([file], "set")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DyncritError, match="not empty"):
        export_protos(SchemaSource("release", "CRIU 4.2"), tmp_path)
    with pytest.raises(DyncritError, match="no folder"):
        export_protos(SchemaSource("release", "CRIU 4.2"), tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_stays_of_a_folder_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as AnyPath

    written: list[str] = []
    write_bytes = AnyPath.write_bytes

    def fails(path: Path, content: bytes) -> int:
        if path.is_relative_to(tmp_path):
            written.append(path.name)
            if len(written) > 3:
                raise OSError(28, "No space left on device", str(path))
        return write_bytes(path, content)

    source = SchemaSource("release", "CRIU 4.2")
    monkeypatch.setattr(AnyPath, "write_bytes", fails)
    for name in ("new", "."):
        written.clear()
        with pytest.raises(OSError, match="No space"):
            export_protos(source, tmp_path / name)
        assert len(written) == 4
        assert list(tmp_path.iterdir()) == []


def test_a_map_without_a_value_is_an_error() -> None:
    file = FileDescriptorProto(name="x.proto")
    message = file.message_type.add(name="some")
    entry = message.nested_type.add(name="FEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=13)
    message.field.add(name="f", number=1, label=3, type=11, type_name=".some.FEntry")
    with pytest.raises(SchemaError):
        proto_files([file], "set")
    assert set(stub_files([file], "set")) == {"__init__.pyi", "x.pyi"}


def test_a_descriptor_set_whose_names_are_no_text_is_an_error(
    write_tree: Callable[..., Path], descriptor_set: Callable[..., Path], tmp_path: Path
) -> None:
    made = descriptor_set(
        write_tree({"x.proto": 'syntax = "proto2"; option java_package = "plain"; message m {}'})
    )
    made.write_bytes(made.read_bytes().replace(b"plain", b"pl\xffin"))
    with pytest.raises(SchemaError, match="not UTF-8"):
        export_protos(SchemaSource("descriptor-set", str(made)), tmp_path / "out")
