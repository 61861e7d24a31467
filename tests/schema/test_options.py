from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from dyncrit import Schema
from dyncrit.schema.engine import new_pool
from dyncrit.schema.options import CriuOptions, criu_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor import FieldDescriptor

_SYNTAX = 'syntax = "proto2";\n'
_OPTS = (
    _SYNTAX
    + """import "google/protobuf/descriptor.proto";
message CRIU_Opts {
  optional bool hex = 1;
  optional bool ipadd = 2;
  optional string flags = 3;
  optional bool dev = 4;
  optional bool odev = 5;
  optional string dict = 6;
  optional string conv = 7;
  optional uint32 newer = 8;
}
extend google.protobuf.FieldOptions { optional CRIU_Opts criu = 1018; }
"""
)
_CASES: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("[deprecated = true]", {}),
    ("[(criu).hex = true]", {"hex": True}),
    ("[(criu).hex = false]", {}),
    ("[(criu).ipadd = true]", {"ipadd": True}),
    ('[(criu).flags = "mmap.prot"]', {"flags": "mmap.prot"}),
    ("[(criu).dev = true, (criu).odev = true]", {"dev": True, "odev": True}),
    ("[(criu) = { dev: true odev: true }]", {"dev": True, "odev": True}),
    ('[(criu).dict = "sk"]', {"dict": "sk"}),
    ('[(criu).conv = "unix_name"]', {"conv": "unix_name"}),
    ("[deprecated = true, (criu).hex = true, (criu).newer = 5]", {"hex": True}),
]


def _field(options: bytes) -> FieldDescriptor:
    """A field whose options have these bytes."""
    file = FileDescriptorProto(name="demo.proto")
    field = file.message_type.add(name="demo_entry").field.add(name="id", number=1)
    field.type, field.label = FieldDescriptorProto.TYPE_UINT32, FieldDescriptorProto.LABEL_OPTIONAL
    field.options.ParseFromString(options)
    pool = new_pool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName("demo_entry").fields_by_number[1]


def test_options_of_compiled_files(write_tree: Callable[..., Path]) -> None:
    lines = [f"optional uint32 f{number} = {number} {text};" for number, (text, _) in enumerate(_CASES, 1)]
    demo = _SYNTAX + 'import "opts.proto";\nmessage demo_entry {\n' + "\n".join(lines) + "\n}\n"
    schema = Schema.from_protos(write_tree({"opts.proto": _OPTS, "demo.proto": demo}))
    fields = schema.required_message("demo_entry").fields_by_number
    found = [criu_options(fields[number]) for number in range(1, len(_CASES) + 1)]
    assert found == [CriuOptions(**expected) for _, expected in _CASES]


def test_options_need_no_file_that_defines_them() -> None:
    assert criu_options(_field(b"\xd2\x3f\x02\x08\x01")) == CriuOptions(hex=True)


@pytest.mark.parametrize(
    "options",
    [
        b"",
        b"\xd2\x3f\x00",  # no option set
        b"\xd0\x3f\x05",  # a number under 1018
        b"\xd2\x3f\x02\x0a\x05",  # a string under 1018 that is no message
        b"\xda\x3f\x02\x08\x01",  # a message under 1019
        b"\x18\x01",  # deprecated
    ],
)
def test_anything_else_counts_as_no_options(options: bytes) -> None:
    assert criu_options(_field(options)) == CriuOptions()


def test_without_options_all_are_off() -> None:
    assert not any(CriuOptions())
