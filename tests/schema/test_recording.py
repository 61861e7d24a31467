from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema.catalogue import build_release, history, parse_history
from dyncrit.schema.export import export_protos
from dyncrit.schema.files import NOT_OF_IMAGES, OptionReader, normalised, schema_files
from dyncrit.schema.recording import CATALOGUE, catalogue_text, record_release
from dyncrit.schema.schema import Schema, SchemaSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorProto


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return shutil.copy(CATALOGUE, tmp_path / "history.json")


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """The newest release's .proto files, to be edited."""
    folder = tmp_path / "protos"
    export_protos(SchemaSource("release", f"CRIU {history().releases[-1]}"), folder)
    return folder


def _edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def _shapes(files: list[FileDescriptorProto]) -> dict[str, Any]:
    """All files, with what has no order sorted: fields by number, values and messages by name."""
    options = OptionReader(files, "test")
    shapes = {}
    for file in files:
        plain = normalised(file, options)
        del plain.dependency[:]
        for message in plain.message_type:
            message.field.sort(key=lambda row: row.number)
            for enum in message.enum_type:
                enum.value.sort(key=lambda row: (row.number, row.name))
        for enum in plain.enum_type:
            enum.value.sort(key=lambda row: (row.number, row.name))
        plain.message_type.sort(key=lambda row: row.name)
        plain.enum_type.sort(key=lambda row: row.name)
        shapes[file.name] = plain
    return shapes


def _of_tree(folder: Path) -> list[FileDescriptorProto]:
    files = schema_files(Schema.from_protos(folder).source)
    return [file for file in files if file.name not in NOT_OF_IMAGES]


def test_the_catalogue_is_written_as_it_is() -> None:
    assert catalogue_text(json.loads(CATALOGUE.read_bytes())) == CATALOGUE.read_bytes()


@pytest.mark.parametrize("release", history().releases[::13])
def test_a_release_is_built_from_a_catalogue_as_from_the_bundled_one(release: str) -> None:
    assert build_release(release, parse_history(json.loads(CATALOGUE.read_bytes()))) == build_release(release)


def test_upstreams_newest_is_recorded_and_gives_the_same_descriptors(
    upstream: Callable[[str], Path], catalogue: Path
) -> None:
    found = record_release("4.2.1", upstream("sid"), "2025-12-01", catalogue)
    assert (found.previous, found.differences, found.new_magics) == ("4.2", (), {})
    data = json.loads(catalogue.read_bytes())
    assert data["releases"][-1] == "4.2.1"
    assert data["dates"]["4.2.1"] == "2025-12-01"
    assert "v0.1 to v4.2.1" in data["about"]
    assert _shapes(list(build_release("4.2.1", parse_history(data)).file)) == _shapes(
        _of_tree(upstream("sid"))
    )
    for release in ("0.1", "2.6", "4.2"):
        assert build_release(release, parse_history(data)) == build_release(release)


def test_changes_are_recorded_and_told(catalogue: Path, protos: Path) -> None:
    _edit(
        protos,
        "pagemap.proto",
        "optional bool in_parent = 3;",
        "optional bool parent = 3; optional pm_extra extra = 9;",
    )
    _edit(
        protos,
        "pagemap.proto",
        "message pagemap_head",
        "message pm_extra { repeated bytes x = 1; }\nmessage pagemap_head",
    )
    _edit(protos, "tty.proto", "SERIAL = 6;", "SERIAL = 6; USB = 7;")
    _edit(protos, "vma.proto", '(criu).flags = "mmap.prot"', "(criu).hex = true")
    _edit(protos, "fs.proto", "optional uint32 umask = 3;", "")
    (protos / "magic.h").write_text("#define CORE_MAGIC 0x55053847\n#define NEW_MAGIC 0x77777777\n")
    found = record_release("4.3", protos, None, catalogue)
    assert {str(item) for item in found.differences} == {
        "field fs_entry.umask removed: 3 optional uint32",
        "field pagemap_entry.parent renamed: in_parent -> parent",
        "field pagemap_entry.extra added: 9 optional pm_extra",
        "message pm_extra added: pagemap.proto",
        "field pm_extra.x added: 1 repeated bytes",
        "value TtyType.USB added: 7",
        "field vma_entry.prot options changed: flags = mmap.prot -> hex",
    }
    assert found.new_magics == {"NEW": 0x77777777}
    data = json.loads(catalogue.read_bytes())
    assert data["messages"]["fs_entry"]["fields"][-1][-1] == "4.2"
    assert _shapes(list(build_release("4.3", parse_history(data)).file)) == _shapes(_of_tree(protos))
    assert build_release("4.2", parse_history(data)) == build_release("4.2")


def test_releases_are_recorded_one_after_another(catalogue: Path, protos: Path) -> None:
    _edit(protos, "fs.proto", "umask = 3", "mask = 3")
    record_release("4.3", protos, None, catalogue)
    _edit(protos, "fs.proto", "mask = 3", "mask_of_files = 3")
    record_release("4.4", protos, None, catalogue)
    rows = json.loads(catalogue.read_bytes())["messages"]["fs_entry"]["fields"]
    assert [row[1:2] + row[6:] for row in rows if row[0] == 3] == [
        ["umask", "4.2"],
        ["mask", "4.3"],
        ["mask_of_files"],
    ]


@pytest.mark.parametrize(
    ("release", "date", "says"),
    [
        ("4.2", None, "not newer than 4.2"),
        ("4.1.9", None, "not newer"),
        ("v4.3", None, "expected a number"),
        ("4", None, "expected a number"),
        ("4.3-rc1", None, "expected a number"),
        ("4.3", "yesterday", "expected one like"),
        ("4.3", "2025-13-01", "expected one like"),
    ],
)
def test_a_wrong_release_or_date_changes_nothing(
    catalogue: Path, protos: Path, release: str, date: str | None, says: str
) -> None:
    with pytest.raises(SchemaError, match=says):
        record_release(release, protos, date, catalogue)
    assert catalogue.read_bytes() == CATALOGUE.read_bytes()


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("fs.proto", "message fs_entry {", "message fs_entry { message inner {}", "fs_entry has a nested type"),
        ("fs.proto", "message fs_entry {", "message fs_entry { oneof o { bool x = 9; }", "oneof"),
        ("fs.proto", "message fs_entry {", "message fs_entry { optional double d = 9;", "fs_entry.d"),
        ("fs.proto", "umask = 3;", "umask = 3 [deprecated = true];", "fs_entry.umask"),
        ("fs.proto", "message fs_entry", "message fs_other", "fs_entry of 4.2 isn't there"),
        ("fs.proto", 'syntax = "proto2";', 'syntax = "proto2"; package p;', "package"),
        ("opts.proto", "optional string conv = 7;", "optional string conv = 7; optional bool octal = 8;", "options.py"),
    ],
)  # fmt: skip
def test_what_the_catalogue_can_not_tell_of_is_an_error(
    catalogue: Path, protos: Path, name: str, old: str, new: str, says: str
) -> None:
    _edit(protos, name, old, new)
    with pytest.raises(SchemaError, match=says):
        record_release("4.3", protos, None, catalogue)
    assert catalogue.read_bytes() == CATALOGUE.read_bytes()


def test_a_message_that_moved_is_an_error(catalogue: Path, protos: Path) -> None:
    (protos / "fs.proto").rename(protos / "fs-new.proto")
    with pytest.raises(SchemaError, match="fs_entry"):
        record_release("4.3", protos, None, catalogue)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"about": 1}', '{"about": "", "releases": ["1"]}', "\0"]
)
def test_what_is_no_catalogue_is_an_error(tmp_path: Path, protos: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(SchemaError, match="not a catalogue"):
        record_release("4.3", protos, None, file)
    assert file.read_text() == content


def test_a_catalogue_that_is_not_there_is_an_error(tmp_path: Path, protos: Path) -> None:
    with pytest.raises(SchemaError, match="No such file"):
        record_release("4.3", protos, None, tmp_path / "missing.json")
