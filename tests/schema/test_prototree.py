from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema import prototree
from dyncrit.schema.prototree import find_prototree

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTO = 'syntax = "proto2";\nmessage demo_entry { required uint32 id = 1; }\n'
_MAGICS = "#define DEMO_MAGIC 0x12121212\n"


def test_folder_of_protos(write_tree: Callable[..., Path]) -> None:
    tree = find_prototree(folder := write_tree({"demo.proto": _PROTO, "notes.txt": "no"}))
    assert (tree.folder, tree.names) == (folder, ("demo.proto",))
    assert tree.files == {"demo.proto": _PROTO.encode()}
    assert tree.magic_header is None


@pytest.mark.parametrize("protos", ["images", "protobuf"])
@pytest.mark.parametrize("header", ["criu/include/magic.h", "include/magic.h", "include/image.h", "magic.h"])
@pytest.mark.parametrize("given", ["", "protos", "protos/"])
def test_tree_of_any_age_from_its_root_or_its_protos(
    write_tree: Callable[..., Path], protos: str, header: str, given: str
) -> None:
    root = write_tree({f"{protos}/demo.proto": _PROTO, header: _MAGICS})
    tree = find_prototree(Path(f"{root}/{given.replace('protos', protos)}"))
    assert tree.names == ("demo.proto",)
    assert tree.magic_header == root / header


@pytest.mark.parametrize("given", [".", "../images", "../images/."])
def test_magic_header_is_found_from_inside_the_protos_folder(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    root = write_tree({"images/demo.proto": _PROTO, "criu/include/magic.h": _MAGICS})
    monkeypatch.chdir(root / "images")
    header = find_prototree(Path(given)).magic_header
    assert header is not None
    assert header.samefile(root / "criu/include/magic.h")


@pytest.mark.parametrize("given", [".", "images"])
def test_relative_folder(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    root = write_tree({"images/demo.proto": _PROTO, "criu/include/magic.h": _MAGICS})
    monkeypatch.chdir(root)
    tree = find_prototree(Path(given))
    assert list(tree.files) == ["demo.proto"]
    assert tree.magic_header is not None


def test_newer_magic_header_goes_first(write_tree: Callable[..., Path]) -> None:
    headers = ("criu/include/magic.h", "include/magic.h", "include/image.h")
    root = write_tree({"images/demo.proto": _PROTO, **dict.fromkeys(headers, _MAGICS)})
    assert find_prototree(root).magic_header == root / headers[0]


def test_magic_header_beside_the_protos_themselves(write_tree: Callable[..., Path]) -> None:
    root = write_tree({"demo.proto": _PROTO, "magic.h": _MAGICS})
    assert find_prototree(root).magic_header == root / "magic.h"


def test_tree_without_a_magic_header(write_tree: Callable[..., Path]) -> None:
    assert find_prototree(write_tree({"images/demo.proto": _PROTO})).magic_header is None


def test_plugins_schemas_come_along(write_tree: Callable[..., Path]) -> None:
    files = {"images/demo.proto": _PROTO, "plugins/gpu/gpu.proto": _PROTO, "plugins/README": "no"}
    root = write_tree(files)
    for given in (root, root / "images"):
        tree = find_prototree(given)
        assert tree.names == ("demo.proto", "gpu.proto")


def test_descriptor_proto_below_the_folder_is_not_part_of_it(write_tree: Callable[..., Path]) -> None:
    root = write_tree({"images/demo.proto": _PROTO, "images/google/protobuf/descriptor.proto": _PROTO})
    assert find_prototree(root).names == ("demo.proto",)


def test_folders_and_dead_links_called_proto_are_passed_over(write_tree: Callable[..., Path]) -> None:
    root = write_tree({"demo.proto": _PROTO, "folder.proto/inner.txt": ""})
    (root / "dead.proto").symlink_to("nowhere")
    os.mkfifo(root / "pipe.proto")
    assert list(find_prototree(root).files) == ["demo.proto"]


def test_links_to_protos_are_followed(write_tree: Callable[..., Path], tmp_path: Path) -> None:
    root = write_tree({"images/demo.proto": _PROTO})
    (tmp_path / "link").symlink_to(root)
    assert list(find_prototree(tmp_path / "link").files) == ["demo.proto"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [("absent", "no such folder"), ("demo.txt", "not a folder"), ("", "no .proto files")],
)
def test_folder_that_holds_no_schema_is_named(
    write_tree: Callable[..., Path], given: str, problem: str
) -> None:
    folder = write_tree({"demo.txt": ""}) / given
    with pytest.raises(SchemaError, match=problem) as caught:
        find_prototree(folder)
    assert caught.value.place == (str(folder),)


def test_file_that_is_too_large_for_a_schema_is_named(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prototree, "_MAX_FILE_SIZE", len(_PROTO))
    root = write_tree({"a.proto": _PROTO, "big.proto": _PROTO + " "})
    with pytest.raises(SchemaError, match="more than a schema has") as caught:
        find_prototree(root)
    assert caught.value.place == (str(root / "big.proto"),)


def test_more_files_than_a_schema_has(
    write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prototree, "_MAX_FILES", 2)
    root = write_tree({f"{name}.proto": _PROTO for name in "abc"})
    with pytest.raises(SchemaError, match="more than a schema has"):
        find_prototree(root)
