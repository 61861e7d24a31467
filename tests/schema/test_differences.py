from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.errors import SchemaError
from dyncrit.schema.differences import differences, facts_of, named_schema
from dyncrit.schema.repository import schema_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OLD = """
syntax = "proto2";
enum kind { ONE = 1; TWO = 2; THREE = 3; }
message kept { required uint32 a = 1; optional string b = 2; optional uint32 c = 3; optional kind d = 4; optional bool e = 5; }
message old_name { required uint32 x = 1; repeated uint32 y = 2; }
message gone { enum inner { I = 0; } optional inner i = 1; }
message user { optional old_name it = 1; }
"""
_NEW = """
syntax = "proto2";
enum kind { ONE = 1; ZWEI = 2; THREE = 4; FIVE = 5; }
message kept { optional uint32 a = 1; optional bytes b = 2; optional uint32 see = 3; optional kind d = 4 [default = FIVE]; optional bool e = 6; optional bool f = 7; }
message new_name { required uint32 x = 1; repeated uint32 y = 2; }
message user { optional new_name it = 1; }
"""


def _between(before: str, after: str) -> list[str]:
    return [str(item) for item in differences(facts_of(named_schema(before)), facts_of(named_schema(after)))]


def test_releases_differ_by_what_upstream_changed() -> None:
    assert _between("4.1", "4.2") == [
        "field inventory_entry.allow_uprobes added: 14 optional bool",
        "field pagemap_entry.compat_nr_pages renamed: nr_pages -> compat_nr_pages",
        "field pagemap_entry.nr_pages added: 5 optional uint64",
    ]


def test_backwards_what_was_added_is_removed() -> None:
    assert "field inventory_entry.allow_uprobes removed: 14 optional bool" in _between("4.2", "4.1")


def test_options_that_came_are_told() -> None:
    assert "field vma_entry.prot options changed: hex -> flags = mmap.prot" in _between("1.7.2", "1.8")


def test_renamed_messages_are_not_gone() -> None:
    found = _between("3.19", "4.0")
    assert "message kfd_device_entry renamed: device_entry -> kfd_device_entry" in found
    assert not any("removed" in line or "retyped" in line for line in found)


def test_each_kind_of_change_is_told_once(write_tree: Callable[..., Path]) -> None:
    before, after = write_tree({"x.proto": _OLD}, "old"), write_tree({"y.proto": _NEW}, "new")
    assert _between(str(before), str(after)) == [
        "message gone removed: x.proto",
        "message kept moved: x.proto -> y.proto",
        "field kept.a relabelled: required -> optional",
        "field kept.b retyped: string -> bytes",
        "field kept.see renamed: c -> see",
        "field kept.d options changed: none -> default = FIVE",
        "field kept.e renumbered: 5 -> 6",
        "field kept.f added: 7 optional bool",
        "message new_name renamed: old_name -> new_name",
        "message new_name moved: x.proto -> y.proto",
        "message user moved: x.proto -> y.proto",
        "enum gone.inner removed: x.proto",
        "value kind.ZWEI renamed: TWO -> ZWEI",
        "value kind.THREE renumbered: 3 -> 4",
        "value kind.FIVE added: 5",
    ]


def test_a_schema_does_not_differ_from_itself(upstream: Callable[[str], Path]) -> None:
    tree = str(upstream("sid"))
    assert _between(tree, tree) == []
    assert _between("4.2", tree) == []
    assert _between("v4.2", "4.2.1") == []


def test_a_descriptor_set_is_as_good_as_its_files(
    upstream: Callable[[str], Path], descriptor_set: Callable[..., Path]
) -> None:
    made = descriptor_set(upstream("sid") / "images")
    found = _between(str(made), str(upstream("sid")))
    assert all("amdgpu" in line or line.startswith("field ") for line in found)
    assert not any("core_entry" in line for line in found)


def test_magics_are_compared(write_tree: Callable[..., Path]) -> None:
    proto = {"images/x.proto": _OLD}
    header = "criu/include/magic.h"
    old = write_tree({**proto, header: "#define A_MAGIC 0x1\n#define B_MAGIC 0x2\n#define D_MAGIC 4"}, "old")
    new = write_tree(
        {**proto, header: "#define A_MAGIC 0x1\n#define B_MAGIC 0x3\n#define C_MAGIC 0x5"}, "new"
    )
    assert _between(str(old), str(new)) == [
        "magic B renumbered: 0x00000002 -> 0x00000003",
        "magic C added: 0x00000005",
    ]


def test_a_new_magic_is_told_against_a_release(write_tree: Callable[..., Path]) -> None:
    tree = write_tree(
        {
            "images/x.proto": _OLD,
            "criu/include/magic.h": "#define CORE_MAGIC 0x55053847\n#define NEW_MAGIC 0x5",
        }
    )
    magics = [line for line in _between("4.2", str(tree)) if line.startswith("magic")]
    assert magics == ["magic NEW added: 0x00000005"]


@pytest.mark.parametrize("name", ["9.9", "nonsense", "missing/folder"])
def test_what_is_no_schema_is_an_error(name: str) -> None:
    with pytest.raises(SchemaError, match=name):
        named_schema(name)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "images").mkdir(parents=True)
    (folder / "criu/include").mkdir(parents=True)
    for step, (text, magic) in enumerate(((_OLD, 1), (_NEW, 2))):
        (folder / "images/x.proto").write_text(text)
        (folder / "criu/include/magic.h").write_text(f"#define A_MAGIC 0x{magic}\n")
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", f"step {step}"], ["tag", f"t{step}"]):
            names = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
            subprocess.run(["git", "-C", str(folder), *names, *command], check=True, capture_output=True)
    return folder


def test_revisions_of_a_repository_are_compared(repository: Path) -> None:
    found = []
    for name in ("t0", "HEAD"):
        with schema_tree(repository, name) as tree:
            found.append(facts_of(Schema.from_protos(tree)))
    lines = [str(item) for item in differences(*found)]
    assert "value kind.ZWEI renamed: TWO -> ZWEI" in lines
    assert "magic A renumbered: 0x00000001 -> 0x00000002" in lines
    assert not tree.exists()


@pytest.mark.parametrize("revision", ["missing", "--help", "-x", "", "HEAD:images/x.proto"])
def test_a_revision_that_is_not_there_is_an_error(repository: Path, revision: str) -> None:
    with pytest.raises(SchemaError, match="repository"), schema_tree(repository, revision):
        pass


def test_what_is_no_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="not a git repository"), schema_tree(tmp_path, "HEAD"):
        pass
