"""Trees of .proto files for the tests of dyncrit.schema, and what they are compared by."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto

from dyncrit.schema import protoc
from dyncrit.schema.options import criu_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor

    from dyncrit import Schema


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[..., Path]:
    """Writes files, given by relative path, below a new folder and gives the folder."""

    def write(files: Mapping[str, str | bytes], name: str = "tree") -> Path:
        root = tmp_path / name
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write


@pytest.fixture
def descriptor_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a descriptor set of a folder's .proto files as a user does, with protoc from the command line."""

    def make(folder: Path, *names: str, imports: bool = True) -> Path:
        output = tmp_path / "made.binpb"
        options = ["--include_imports"] if imports else []
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", *options]
        names = names or tuple(sorted(path.name for path in folder.glob("*.proto")))
        subprocess.run([*command, f"--descriptor_set_out={output}", *names], check=True)
        return output

    return make


@pytest.fixture
def protoc_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The trees that were compiled while the test ran, each as its file names."""
    runs: list[tuple[str, ...]] = []
    compile_protos = protoc.compile_protos

    def counted(tree: Any) -> bytes:
        runs.append(tuple(tree.files))
        return compile_protos(tree)

    monkeypatch.setattr(protoc, "compile_protos", counted)
    return runs


@pytest.fixture(scope="session")
def shape() -> Callable[[Descriptor], dict[int, tuple[Any, ...]]]:
    """A message's fields by number, as far as documents and the wire show them, with enum values."""
    return _shape


def _shape(message: Descriptor) -> dict[int, tuple[Any, ...]]:
    proto = DescriptorProto()
    message.CopyToProto(proto)
    shapes: dict[int, tuple[Any, ...]] = {}
    for field in proto.field:
        descriptor = message.fields_by_number[field.number]
        values = EnumDescriptorProto()
        if descriptor.enum_type is not None:
            descriptor.enum_type.CopyToProto(values)
        shapes[field.number] = (
            field.name,
            field.label,
            field.type,
            field.type_name,
            field.default_value,
            {value.number: value.name for value in values.value},
            criu_options(descriptor),
        )
    return shapes


@pytest.fixture(scope="session")
def shapes(shape: Callable[..., Any]) -> Callable[[Schema], dict[str, dict[int, tuple[Any, ...]]]]:
    """The shapes of all messages of a schema but CRIU_Opts, which no image holds."""

    def all_of(schema: Schema) -> dict[str, dict[int, tuple[Any, ...]]]:
        names = [name for name in schema.message_names if name != "CRIU_Opts"]
        return {name: shape(schema.required_message(name)) for name in names}

    return all_of
