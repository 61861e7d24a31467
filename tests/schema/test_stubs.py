from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.errors import DyncritError
from dyncrit.schema.catalogue import history
from dyncrit.schema.schema import SchemaSource
from dyncrit.schema.stubs import stub_files, write_stubs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PROGRAM = """
from __future__ import annotations
from typing import TYPE_CHECKING, cast
from dyncrit import Entry
if TYPE_CHECKING:
    from criu_stubs.core import core_entry
    from criu_stubs.mm import mm_entry
    from criu_stubs.pipe_data import pipe_data_entry

def name(entry: Entry) -> str:
    core = cast("core_entry", entry.message)
    core.tc.comm = "x"
    core.tc.timers.real.ClearField("isec")
    if core.HasField("tc") and core.mtype == core.X86_64:
        return core.tc.comm
    return str(core.thread_info.gpregs.ip + 1)

def sizes(mm: mm_entry, pipe: pipe_data_entry) -> list[int]:
    mm.mm_saved_auxv.append(1)
    mm.vmas.add(start=1)
    return [vma.end - vma.start for vma in mm.vmas] + list(mm.mm_saved_auxv) + [pipe.bytes]
"""
_WRONG = {
    "core.tc.comm": ("core.tc.com", '"task_core_entry" has no attribute "com"'),
    'HasField("tc")': ('HasField("ct")', "HasField"),
    'comm = "x"': ("comm = 1", "Incompatible types in assignment"),
    "mm_saved_auxv.append(1)": ('mm_saved_auxv.append("1")', "append"),
    "vma.end - vma.start": ("vma.end - vma.begin", '"vma_entry" has no attribute "begin"'),
    "core.X86_64": ("core.X86_46", "X86_46"),
    "core.thread_info.gpregs.ip": ("core.thread_info.gpregs.rip", '"rip"'),
}
_ODD = """
syntax = "proto2";
package a.b;
message int { optional int int = 1; optional bytes bytes = 2; repeated str str = 3; map<string, int> self = 4; }
message str { optional str property = 1; optional bool bool = 2; optional uint32 class = 3; map<uint32, uint64> dict = 4;
  enum list { None = 0; L = 1; } optional list list_ = 5; message inner { optional float float = 1; } optional inner in_ = 6; }
enum Message { M = 0; }
message typing { optional Message builtins = 1 [default = M]; }
message empty { }
"""


def _mypy(folder: Path, *arguments: str) -> tuple[int, str]:
    pytest.importorskip("mypy")
    try:
        distribution("types-protobuf")
    except PackageNotFoundError:
        pytest.skip("no types-protobuf")
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={folder.parent / 'mypy'}", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def _stubs(tmp_path: Path, release: str = "4.2") -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    write_stubs(SchemaSource("release", f"CRIU {release}"), folder / "criu_stubs")
    return folder


def test_mypy_takes_a_right_program_and_sees_each_fault_of_a_wrong_one(tmp_path: Path) -> None:
    folder = _stubs(tmp_path)
    (folder / "right.py").write_text(_PROGRAM)
    code, said = _mypy(folder, "right.py")
    assert (code, said.strip()) == (0, "Success: no issues found in 1 source file")
    for number, (right, (wrong, _)) in enumerate(_WRONG.items()):
        assert right in _PROGRAM
        (folder / f"wrong{number}.py").write_text(_PROGRAM.replace(right, wrong))
    code, said = _mypy(folder, *(f"wrong{number}.py" for number in range(len(_WRONG))))
    assert code == 1
    for number, (_, says) in enumerate(_WRONG.values()):
        errors = [line for line in said.splitlines() if line.startswith(f"wrong{number}.py")]
        assert any(says in line for line in errors), (says, said)


def test_stubs_are_right_themselves(tmp_path: Path) -> None:
    code, said = _mypy(_stubs(tmp_path), "-p", "criu_stubs")
    assert code == 0, said


def test_names_of_pythons_own_are_no_trouble(write_tree: Callable[..., Path], tmp_path: Path) -> None:
    tree = write_tree({"class.proto": _ODD, "x-1.proto": 'syntax = "proto2"; message m {}'})
    folder = tmp_path / "program"
    folder.mkdir()
    names = write_stubs(Schema.from_protos(tree).source, folder / "odd")
    assert names == ["__init__.pyi", "class_.pyi", "x_1.pyi"]
    code, said = _mypy(folder, "-p", "odd")
    assert code == 0, said


@pytest.mark.parametrize("release", history().releases[::11])
def test_every_message_and_field_of_a_release_has_its_line(release: str, tmp_path: Path) -> None:
    folder = _stubs(tmp_path, release) / "criu_stubs"
    text = "\n".join(path.read_text() for path in sorted(folder.iterdir()))
    for path in folder.iterdir():
        compile(path.read_text(), path, "exec")
    schema = Schema.release(release)
    for name in set(schema.message_names) - {"CRIU_Opts"}:
        assert f"class {name}(" in text
        _, _, rest = text.partition(f"class {name}(")
        body = rest.partition("\nclass ")[0]
        for field in schema.required_message(name).fields:
            assert f"    {field.name}: " in body or f"def {field.name}(self)" in body, (name, field.name)


def test_constants_are_there_at_run_time_where_stubs_promise_them() -> None:
    message = Schema.default().message_class("core_entry")()
    assert message.X86_64 == 1  # type: ignore[attr-defined]
    text = stub_files(_files(), "x")["core.pyi"].decode()
    assert "    X86_64: _t.Final = 1\n" in text


def test_a_hostile_name_adds_no_line() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name="x\nimport os.proto")
    file.message_type.add(name="m").field.add(name="a: int\nimport os", number=1, label=1, type=13)
    texts = stub_files([file], "place\nimport os")
    assert not any(
        line.startswith("import os") for text in texts.values() for line in text.decode().splitlines()
    )


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DyncritError, match="not empty"):
        write_stubs(SchemaSource("release", "CRIU 4.2"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def _files() -> list[object]:
    from dyncrit.schema.catalogue import build_release

    return list(build_release("4.2").file)
