from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from dyncrit.errors import SchemaError
from dyncrit.schema import protoc
from dyncrit.schema.protoc import compile_protos
from dyncrit.schema.prototree import find_prototree

if TYPE_CHECKING:
    from collections.abc import Callable

_SYNTAX = 'syntax = "proto2";\n'
_GOOD = _SYNTAX + "message good_entry { required uint32 id = 1; }\n"


def _compile(folder: Path) -> dict[str, list[str]]:
    """The messages of each compiled file."""
    files = FileDescriptorSet.FromString(compile_protos(find_prototree(folder))).file
    assert len({file.name for file in files}) == len(files)
    return {file.name: [message.name for message in file.message_type] for file in files}


def _problem(folder: Path) -> str:
    with pytest.raises(SchemaError) as caught:
        compile_protos(find_prototree(folder))
    assert caught.value.place == (str(folder),)
    assert "\n" not in str(caught.value)
    return caught.value.problem


def test_one_file(write_tree: Callable[..., Path]) -> None:
    assert _compile(write_tree({"good.proto": _GOOD})) == {"good.proto": ["good_entry"]}


def test_files_that_import_each_other(write_tree: Callable[..., Path]) -> None:
    user = _SYNTAX + 'import "good.proto";\nmessage user_entry { optional good_entry good = 1; }\n'
    compiled = _compile(write_tree({"a-user.proto": user, "good.proto": _GOOD}))
    assert compiled == {"good.proto": ["good_entry"], "a-user.proto": ["user_entry"]}


def test_plugin_imports_from_the_main_folder(write_tree: Callable[..., Path]) -> None:
    plugin = _SYNTAX + 'import "good.proto";\nmessage gpu_entry { optional good_entry good = 1; }\n'
    compiled = _compile(write_tree({"images/good.proto": _GOOD, "plugins/gpu/gpu.proto": plugin}))
    assert compiled["gpu.proto"] == ["gpu_entry"]


def test_files_without_a_syntax_line(write_tree: Callable[..., Path]) -> None:
    files = {f"{name}.proto": f"message {name}_entry {{ optional bool on = 1; }}" for name in ("a", "b")}
    assert _compile(write_tree(files)) == {"a.proto": ["a_entry"], "b.proto": ["b_entry"]}


def test_unused_import_is_no_error(write_tree: Callable[..., Path]) -> None:
    user = _SYNTAX + 'import "good.proto";\nmessage user_entry {}\n'
    assert "user.proto" in _compile(write_tree({"user.proto": user, "good.proto": _GOOD}))


def test_enum_values_that_clash_between_unrelated_files(write_tree: Callable[..., Path]) -> None:
    files = {
        f"{name}.proto": f"{_SYNTAX}enum {name}_type {{ NONE = 0; }} message {name}_entry {{}}"
        for name in "abc"
    }
    assert _compile(write_tree(files)) == {f"{name}.proto": [f"{name}_entry"] for name in "abc"}


@pytest.mark.parametrize("dangling", [False, True])
def test_imports_of_descriptor_proto_are_protocs_own(
    write_tree: Callable[..., Path], *, dangling: bool
) -> None:
    options = _SYNTAX + (
        'import "google/protobuf/descriptor.proto";\n'
        "message opts { optional bool hex = 1; }\n"
        "extend google.protobuf.FieldOptions { optional opts criu = 1018; }\n"
    )
    root = write_tree({"opts.proto": options, "google/protobuf/README": ""})
    target = "nowhere.proto"
    if not dangling:
        target = str(root / "other.txt")
        Path(target).write_text("this is not protobuf's descriptor.proto")
    (root / "google/protobuf/descriptor.proto").symlink_to(target)
    compiled = _compile(root)
    assert compiled["opts.proto"] == ["opts"]
    assert "FieldDescriptorProto" in compiled["google/protobuf/descriptor.proto"]


@pytest.mark.parametrize("folder", ["with space", "a'b", "a=b", "a,b", "-I", "$HOME", "é", "a:b"])
def test_folder_may_have_any_name(write_tree: Callable[..., Path], folder: str) -> None:
    assert _compile(write_tree({"good.proto": _GOOD}, folder)) == {"good.proto": ["good_entry"]}


@pytest.mark.parametrize("name", ["a b.proto", "é.proto", "a=b.proto", "-a.proto", "@a.proto"])
def test_file_may_have_any_name(write_tree: Callable[..., Path], name: str) -> None:
    assert _compile(write_tree({name: _GOOD})) == {name: ["good_entry"]}


def test_file_called_like_an_option_is_not_one(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tree of someone else's could write files with --python_out, or run a program with --plugin.
    root = write_tree({"good.proto": _GOOD, "--python_out=out.proto": _GOOD.replace("good", "more")})
    (root / "out.proto").mkdir()
    monkeypatch.chdir(root)
    assert len(_compile(root)) == 2
    assert list((root / "out.proto").iterdir()) == []


def test_relative_folder(write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_tree({"good.proto": _GOOD}))
    assert _compile(Path()) == {"good.proto": ["good_entry"]}


def test_code_in_the_current_folder_is_not_run(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The current folder may be a checkpoint or a tree of someone else's.
    root = write_tree({"good.proto": _GOOD, "grpc_tools.py": "open('ran', 'w')\n"})
    monkeypatch.chdir(root)
    assert _compile(root) == {"good.proto": ["good_entry"]}
    assert not (root / "ran").exists()


def test_error_has_file_and_line(write_tree: Callable[..., Path]) -> None:
    bad = _SYNTAX + "message bad_entry {\n  optional uint33 id = 1;\n}\n"
    problem = _problem(write_tree({"bad.proto": bad, "good.proto": _GOOD}))
    assert "bad.proto:3:12: " in problem
    assert "uint33" in problem
    assert "good.proto" not in problem


def test_errors_of_several_files(write_tree: Callable[..., Path]) -> None:
    files = {"a.proto": _SYNTAX + "junk\n", "b.proto": _SYNTAX + "\nmessage b { optional nope x = 1; }\n"}
    problem = _problem(write_tree({**files, "good.proto": _GOOD}))
    assert "a.proto:2:1: " in problem
    assert "b.proto:3:" in problem


def test_missing_import_is_named_with_the_file_that_wants_it(write_tree: Callable[..., Path]) -> None:
    user = _SYNTAX + 'import "absent.proto";\nmessage user_entry {}\n'
    problem = _problem(write_tree({"good.proto": _GOOD, "user.proto": user}))
    assert "user.proto:2:1: " in problem
    assert "absent.proto" in problem


def test_imports_in_a_circle(write_tree: Callable[..., Path]) -> None:
    files = {"a.proto": _SYNTAX + 'import "b.proto";', "b.proto": _SYNTAX + 'import "a.proto";'}
    problem = _problem(write_tree(files))
    assert "a.proto -> b.proto -> a.proto" in problem


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"message {", b"}", b"\x00" * 100])
def test_file_that_is_no_proto_is_named(write_tree: Callable[..., Path], content: bytes) -> None:
    assert "junk.proto:1:" in _problem(write_tree({"junk.proto": content}))


def test_warnings_are_not_among_the_errors(write_tree: Callable[..., Path]) -> None:
    # Every old tree lacks syntax lines, which protoc warns of; only its error helps.
    files = {"a.proto": "message a_entry {}", "b.proto": "message b_entry {\n  optional nope x = 1;\n}"}
    problem = _problem(write_tree(files))
    assert "b.proto:2:" in problem
    assert "WARNING" not in problem
    assert "No edition or syntax" not in problem


def test_same_error_is_not_repeated(write_tree: Callable[..., Path]) -> None:
    bad = _SYNTAX + "message bad_entry { optional nope x = 1; }\n"
    users = {f"{name}.proto": _SYNTAX + 'import "bad.proto";\n' for name in "cd"}
    assert _problem(write_tree({"bad.proto": bad, **users})).count('"nope" is not defined') == 1


def test_very_many_errors_are_counted(write_tree: Callable[..., Path]) -> None:
    fields = "\n".join(f"optional nope x{number} = {number};" for number in range(1, 13))
    problem = _problem(write_tree({"bad.proto": f"{_SYNTAX}message bad_entry {{\n{fields}\n}}\n"}))
    assert "bad.proto:3:" in problem
    assert problem.endswith("; and 7 more errors")


def test_protoc_that_fails_without_a_word(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protoc.sys, "executable", shutil.which("false"))
    assert "did not say why" in _problem(write_tree({"good.proto": _GOOD}))


def test_protoc_that_never_ends(write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protoc, "_TIMEOUT", -1)
    assert "took over" in _problem(write_tree({"good.proto": _GOOD}))
