from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from dyncrit.schema import engine
from dyncrit.schema.engine import message_class, new_pool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["C module", "public modules"])
def _implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test on protobuf's C module, and on what stands in where it can't be had."""
    if request.param == "public modules":
        monkeypatch.setattr(engine, "_c_module", None)
    elif engine._c_module is None:
        pytest.skip("protobuf without its C module")


def _file(name: str) -> bytes:
    file = FileDescriptorProto(name=f"{name}.proto")
    field = file.message_type.add(name="demo_entry").field.add(name=name, number=1)
    field.type, field.label = FieldDescriptorProto.TYPE_UINT32, FieldDescriptorProto.LABEL_OPTIONAL
    return file.SerializeToString()


@pytest.mark.usefixtures("_implementation")
def test_messages_of_one_name_live_in_pools_of_their_own() -> None:
    for name in ("id", "size"):
        pool = new_pool()
        pool.AddSerializedFile(_file(name))
        made = message_class(pool.FindMessageTypeByName("demo_entry"))
        assert str(made.FromString(b"\x08\x07")).strip() == f"{name}: 7"


@pytest.mark.usefixtures("_implementation")
def test_a_new_pool_is_empty() -> None:
    with pytest.raises(KeyError):
        new_pool().FindMessageTypeByName("google.protobuf.FileDescriptorProto")


@pytest.mark.usefixtures("_implementation")
def test_a_descriptor_always_has_the_same_class() -> None:
    pool = new_pool()
    pool.AddSerializedFile(_file("id"))
    made = message_class(pool.FindMessageTypeByName("demo_entry"))
    assert message_class(pool.FindMessageTypeByName("demo_entry")) is made
    assert made.DESCRIPTOR is pool.FindMessageTypeByName("demo_entry")


@pytest.mark.usefixtures("_implementation")
def test_a_message_keeps_bytes_that_it_does_not_know() -> None:
    pool = new_pool()
    pool.AddSerializedFile(_file("id"))
    made = message_class(pool.FindMessageTypeByName("demo_entry"))
    assert made.FromString(b"\x12\x01x").SerializePartialToString() == b"\x12\x01x"


@pytest.mark.parametrize("implementation", ["python", "upb"])
def test_the_implementation_that_the_environment_asks_for_is_taken(data: Path, implementation: str) -> None:
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    image = data / "demo/tree/pstree.img"
    decode = [sys.executable, "-m", "dyncrit", "decode", "--pretty", str(image)]
    document = subprocess.run(decode, env=environment, capture_output=True, check=True).stdout
    encode = [sys.executable, "-m", "dyncrit", "encode"]
    again = subprocess.run(encode, env=environment, input=document, capture_output=True, check=True).stdout
    assert again == image.read_bytes()
    program = "from dyncrit.schema.engine import new_pool; print(type(new_pool()).__module__)"
    asked = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert (b"_upb" in asked.stdout) == (implementation == "upb")
