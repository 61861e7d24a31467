from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.schema.cache import SchemaCache, content_key

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTO = 'syntax = "proto2";\nmessage demo_entry { required uint32 id = 1; }\n'
_OTHER = 'syntax = "proto2";\nmessage demo_entry { required uint32 id = 1; optional uint32 size = 2; }\n'


@pytest.fixture
def cache(tmp_path: Path) -> SchemaCache:
    return SchemaCache(tmp_path / "deep" / "folder")


@pytest.fixture
def user_cache(tmp_path: Path) -> Path:
    """Where the user's cache is while a test runs."""
    folder = SchemaCache().folder
    assert tmp_path in folder.parents
    return folder


def test_what_is_put_is_got(cache: SchemaCache) -> None:
    assert cache.get("key") is None
    cache.put("key", b"content")
    assert cache.get("key") == b"content"
    assert cache.get("other") is None


def test_later_content_replaces_earlier(cache: SchemaCache) -> None:
    cache.put("key", b"one")
    cache.put("key", b"two")
    assert cache.get("key") == b"two"


def test_empty_content_is_content(cache: SchemaCache) -> None:
    cache.put("key", b"")
    assert cache.get("key") == b""


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 38])
def test_entry_cut_short_is_none(cache: SchemaCache, length: int) -> None:
    cache.put("key", b"content")
    path = cache.path("key")
    path.write_bytes(path.read_bytes()[:length])
    assert cache.get("key") is None


@pytest.mark.parametrize("position", range(39))
def test_entry_with_a_flipped_bit_is_none(cache: SchemaCache, position: int) -> None:
    cache.put("key", b"content")
    stored = bytearray(cache.path("key").read_bytes())
    stored[position] ^= 1
    cache.path("key").write_bytes(stored)
    assert cache.get("key") is None


def test_entry_that_is_a_folder_is_none_and_stays(cache: SchemaCache) -> None:
    cache.path("key").mkdir(parents=True)
    assert cache.get("key") is None
    cache.put("key", b"content")
    assert cache.get("key") is None
    assert list(cache.folder.iterdir()) == [cache.path("key")]


def test_folder_holds_whole_entries_only(cache: SchemaCache) -> None:
    cache.put("key", b"content")
    assert list(cache.folder.iterdir()) == [cache.path("key")]


def test_write_that_fails_leaves_the_entry_as_it_was(
    cache: SchemaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("key", b"before")

    def fail(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fail)
    cache.put("key", b"after")
    assert cache.get("key") == b"before"
    assert list(cache.folder.iterdir()) == [cache.path("key")]


def test_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        SchemaCache(folder).put("key", b"content")
        assert SchemaCache(folder).get("key") is None


def test_key_depends_on_names_contents_and_compiler_only(monkeypatch: pytest.MonkeyPatch) -> None:
    key = content_key({"a.proto": b"1", "b.proto": b"2"})
    assert content_key({"b.proto": b"2", "a.proto": b"1"}) == key
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "0.0.1")
    assert content_key({"a.proto": b"1", "b.proto": b"2"}) != key


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.proto": b"1"},
        {"a.proto": b"1", "b.proto": b"3"},
        {"a.proto": b"2", "b.proto": b"1"},
        {"a.proto": b"1", "c.proto": b"2"},
        {"a.proto": b"1", "b.proto": b"2", "c.proto": b""},
        {"a.proto": b"1b.proto\x001\x002"},
    ],
)
def test_any_change_gives_another_key(files: dict[str, bytes]) -> None:
    assert content_key(files) != content_key({"a.proto": b"1", "b.proto": b"2"})


def test_second_load_compiles_nothing(
    write_tree: Callable[..., Path], protoc_runs: list[tuple[str, ...]]
) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    first, second = Schema.from_protos(folder), Schema.from_protos(folder)
    assert len(protoc_runs) == 1
    assert (first.source.cached, second.source.cached) == (False, True)
    assert first.message_names == second.message_names == ["demo_entry"]


def test_equal_trees_share_an_entry(
    write_tree: Callable[..., Path], protoc_runs: list[tuple[str, ...]], user_cache: Path
) -> None:
    Schema.from_protos(write_tree({"images/demo.proto": _PROTO}, "one"))
    schema = Schema.from_protos(write_tree({"demo.proto": _PROTO}, "two"))
    assert schema.source.cached
    assert len(protoc_runs) == len(list(user_cache.iterdir())) == 1


def test_changed_file_is_compiled_anew(
    write_tree: Callable[..., Path], protoc_runs: list[tuple[str, ...]]
) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    Schema.from_protos(folder)
    (folder / "demo.proto").write_text(_OTHER)
    assert 2 in Schema.from_protos(folder).required_message("demo_entry").fields_by_number
    (folder / "demo.proto").write_text(_PROTO)
    assert Schema.from_protos(folder).source.cached
    assert len(protoc_runs) == 2


def test_changed_file_in_a_subfolder_is_compiled_anew(write_tree: Callable[..., Path]) -> None:
    user = (
        'syntax = "proto2";\nimport "sub/demo.proto";\nmessage user_entry { optional demo_entry demo = 1; }\n'
    )
    folder = write_tree({"user.proto": user, "sub/demo.proto": _PROTO})
    assert 2 not in Schema.from_protos(folder).required_message("demo_entry").fields_by_number
    (folder / "sub" / "demo.proto").write_text(_OTHER)
    assert 2 in Schema.from_protos(folder).required_message("demo_entry").fields_by_number


def test_added_file_is_compiled(write_tree: Callable[..., Path]) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    Schema.from_protos(folder)
    (folder / "more.proto").write_text('syntax = "proto2";\nmessage more_entry {}\n')
    assert Schema.from_protos(folder).message_names == ["demo_entry", "more_entry"]


def test_magics_are_read_anew_beside_a_cached_schema(write_tree: Callable[..., Path]) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    Schema.from_protos(folder)
    (folder / "magic.h").write_text("#define DEMO_MAGIC 0x12121212\n")
    schema = Schema.from_protos(folder)
    assert schema.source.cached
    assert schema.table.by_name("DEMO") is not None


@pytest.mark.parametrize("broken", ["empty", "truncated", "flipped", "replaced", "folder"])
def test_broken_entry_is_compiled_again(
    write_tree: Callable[..., Path], protoc_runs: list[tuple[str, ...]], user_cache: Path, broken: str
) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    Schema.from_protos(folder)
    (entry,) = user_cache.iterdir()
    whole = entry.read_bytes()
    if broken == "folder":
        entry.unlink()
        entry.mkdir()
    else:
        flipped = whole[:-1] + bytes((whole[-1] ^ 0x40,))
        contents = {"empty": b"", "truncated": whole[:-1], "flipped": flipped, "replaced": b"junk" * 100}
        entry.write_bytes(contents[broken])
    schema = Schema.from_protos(folder)
    assert schema.source.cached is False
    assert schema.message_names == ["demo_entry"]
    assert len(protoc_runs) == 2
    assert entry.is_dir() if broken == "folder" else entry.read_bytes() == whole


def test_without_the_cache_nothing_is_written(write_tree: Callable[..., Path], user_cache: Path) -> None:
    schema = Schema.from_protos(write_tree({"demo.proto": _PROTO}), use_cache=False)
    assert schema.source.cached is False
    assert not user_cache.exists()


def test_without_the_cache_nothing_is_read(
    write_tree: Callable[..., Path], protoc_runs: list[tuple[str, ...]]
) -> None:
    folder = write_tree({"demo.proto": _PROTO})
    Schema.from_protos(folder)
    assert Schema.from_protos(folder, use_cache=False).source.cached is False
    assert len(protoc_runs) == 2


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_home_that_cannot_be_written_to_is_no_error(
    write_tree: Callable[..., Path],
    protoc_runs: list[tuple[str, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    folder = write_tree({"demo.proto": _PROTO})
    for _ in range(2):
        assert Schema.from_protos(folder).message_names == ["demo_entry"]
    assert len(protoc_runs) == 2


def test_error_is_not_kept(write_tree: Callable[..., Path], user_cache: Path) -> None:
    folder = write_tree({"demo.proto": "junk"})
    with pytest.raises(Exception, match=r"demo\.proto:1:1"):
        Schema.from_protos(folder)
    assert not user_cache.exists()
