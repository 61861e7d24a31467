"""Trees of .proto files for the tests of dyncrit.schema, made here or fetched from Debian's sources."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto

from dyncrit.schema import protoc
from dyncrit.schema.options import criu_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor

    from dyncrit import Schema

_SHARED = Path(__file__).parents[3] / "shared"
_FETCH_TIMEOUT = 180


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


@pytest.fixture(scope="session")
def facts() -> Path:
    """The tables of facts beside the checkout."""
    folder = _SHARED / "facts"
    if not folder.is_dir():
        pytest.skip(f"no tables of facts at {folder}")
    return folder


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Fetches CRIU's schema as a suite of Debian has it, once for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    tool = _SHARED / "tools" / "get-criu-protos"

    def fetch(suite: str) -> Path:
        if not tool.is_file():
            pytest.skip(f"no {tool}")
        tree, failure = shared / f"criu-{suite}", shared / f"criu-{suite}.failed"
        with (shared / f"criu-{suite}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (tree / "criu" / "include" / "magic.h").exists() and not failure.exists():
                try:
                    command = [tool, suite, tree]
                    subprocess.run(command, check=True, capture_output=True, timeout=_FETCH_TIMEOUT)
                except (OSError, subprocess.SubprocessError) as error:
                    failure.write_text(str(error))
        if failure.exists():
            pytest.skip(f"CRIU's schema can't be had: {failure.read_text()}")
        return tree

    return fetch
