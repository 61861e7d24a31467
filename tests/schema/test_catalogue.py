from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from dyncrit import Schema
from dyncrit.errors import SchemaError
from dyncrit.schema.catalogue import build_release, history, resolve_release
from dyncrit.schema.images import IMAGE_TYPES
from dyncrit.schema.options import CriuOptions, criu_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

_RELEASES = history().releases
_EACH_RELEASE = pytest.mark.parametrize("release", _RELEASES)
_TO_NEW_NAMES = {"device_entry": "kfd_device_entry", "bo_entry": "kfd_bo_entry"}

_schema = cache(Schema.release)


def _messages(files: list[FileDescriptorProto]) -> dict[str, DescriptorProto]:
    return {
        _TO_NEW_NAMES.get(message.name, message.name): message
        for file in files
        for message in file.message_type
    }


def _enums(files: list[FileDescriptorProto]) -> dict[str, EnumDescriptorProto]:
    found = {enum.name: enum for file in files for enum in file.enum_type}
    for name, message in _messages(files).items():
        found.update({f"{name}.{enum.name}": enum for enum in message.enum_type})
    return found


def _fields(message: DescriptorProto) -> dict[int, tuple[Any, ...]]:
    return {
        field.number: (
            field.label,
            field.type,
            _TO_NEW_NAMES.get(field.type_name[1:], field.type_name[1:]),
            field.default_value,
        )
        for field in message.field
    }


def test_all_releases_are_there() -> None:
    assert len(set(_RELEASES)) == len(_RELEASES) == 66
    assert (_RELEASES[0], _RELEASES[-1]) == ("0.1", "4.2")
    assert list(_RELEASES) == sorted(_RELEASES, key=lambda name: [int(part) for part in name.split(".")])


def test_history_is_that_of_the_facts(facts: Path) -> None:
    known = json.loads((facts / "schema-history.json").read_text())
    assert list(_RELEASES) == known["releases"]
    for name, message in history().messages.items():
        fields = [
            [row.number, row.name, row.label, row.type, row.options, row.first] for row in message.fields
        ]
        assert fields == [row[:6] for row in known["messages"][name]["fields"]], name
        last = [row.last for row in message.fields]
        assert last == [row[6] if len(row) > 6 else None for row in known["messages"][name]["fields"]], name
    assert set(history().messages) == set(known["messages"])
    values = {
        name: [[row.number, row.name, row.first, *filter(None, [row.last])] for row in enum.values]
        for name, enum in history().enums.items()
    }
    assert values == known["enums"]


@_EACH_RELEASE
def test_release_loads_with_the_messages_it_had(release: str) -> None:
    order = _RELEASES.index
    names = {_TO_NEW_NAMES.get(name, name) for name in _schema(release).message_names}
    messages = history().messages.values()
    assert names - {"CRIU_Opts"} == {row.name for row in messages if order(row.first) <= order(release)}


@_EACH_RELEASE
def test_release_is_a_subset_of_the_newest_on_the_wire(release: str) -> None:
    newest = {name: _fields(message) for name, message in _messages(build_release("4.2").file).items()}
    messages = _messages(build_release(release).file)
    assert len(messages) > 40
    for name, message in messages.items():
        assert _fields(message).items() <= newest[name].items(), name


@_EACH_RELEASE
def test_enum_numbers_are_a_subset_of_the_newests(release: str) -> None:
    newest = _enums(build_release("4.2").file)
    for name, enum in _enums(build_release(release).file).items():
        assert enum.value, name
        assert {value.number for value in enum.value} <= {value.number for value in newest[name].value}, name


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(_RELEASES)))
def test_nothing_is_ever_removed(earlier: str, later: str) -> None:
    after = _messages(build_release(later).file)
    for name, message in _messages(build_release(earlier).file).items():
        assert _fields(message).items() <= _fields(after[name]).items(), name


@_EACH_RELEASE
def test_file_imports_what_it_uses_and_nothing_else(release: str) -> None:
    files = build_release(release).file
    homes = {f".{item.name}": file.name for file in files for item in (*file.message_type, *file.enum_type)}
    for file in files:
        used = {
            homes[field.type_name]
            for message in file.message_type
            for field in message.field
            if field.type_name in homes
        }
        ours = {name for name in file.dependency if not name.startswith("google/")}
        assert ours - {"opts.proto"} == used - {file.name}, file.name


def test_first_release_had_the_messages_that_are_known_of_it() -> None:
    names = _schema("0.1").message_names
    assert len(names) == 41
    assert "core_entry" in names
    assert "pagemap_entry" not in names


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("thread_core_entry", "0.2"),
        ("pagemap_entry", "0.5"),
        ("dump_stats_entry", "0.6"),
        ("tunfile_entry", "0.7"),
        ("ext_file_entry", "1.1"),
        ("irmap_cache_entry", "1.2"),
        ("CRIU_Opts", "1.5"),
        ("tcp_opts_entry", "4.0"),
        ("pidfd_entry", "4.1"),
    ],
)
def test_message_comes_with_its_first_release(message: str, first: str) -> None:
    assert _schema(_RELEASES[_RELEASES.index(first) - 1]).message(message) is None
    assert message in {
        name for file in build_release(first).file for name in [m.name for m in file.message_type]
    }


@pytest.mark.parametrize(
    ("message", "number", "first"),
    [
        ("core_entry", 6, "0.4"),
        ("mm_entry", 14, "1.2"),
        ("dump_stats_entry", 9, "3.5"),
        ("inet_sk_entry", 20, "4.0"),
        ("inventory_entry", 13, "4.1"),
        ("inventory_entry", 14, "4.2"),
        ("pagemap_entry", 5, "4.2"),
    ],
)
def test_field_comes_with_its_first_release(message: str, number: int, first: str) -> None:
    before = _RELEASES[_RELEASES.index(first) - 1]
    assert number not in _schema(before).required_message(message).fields_by_number
    assert number in _schema(first).required_message(message).fields_by_number


@pytest.mark.parametrize(
    ("message", "number", "old", "new", "since"),
    [
        ("pagemap_entry", 2, "nr_pages", "compat_nr_pages", "4.2"),
        ("task_core_entry", 11, "seccomp_mode", "old_seccomp_mode", "3.10"),
        ("task_core_entry", 12, "seccomp_filter", "old_seccomp_filter", "3.10"),
        ("user_desc_t", 10, "useable", "usable", "3.17"),
    ],
)
def test_renamed_field_has_the_name_of_its_release(
    message: str, number: int, old: str, new: str, since: str
) -> None:
    for release in _RELEASES:
        descriptor = _schema(release).message(message)
        if descriptor is None or number not in descriptor.fields_by_number:
            continue
        name = old if _RELEASES.index(release) < _RELEASES.index(since) else new
        assert descriptor.fields_by_number[number].name == name, release


def test_number_of_pages_moved_in_the_newest_release() -> None:
    fields = _schema("4.2").required_message("pagemap_entry").fields_by_name
    assert (fields["compat_nr_pages"].number, fields["nr_pages"].number) == (2, 5)


@pytest.mark.parametrize(
    ("release", "name"), [("0.7", "TUN"), ("1.3.1", "TUN"), ("1.4", "TUNF"), ("4.2", "TUNF")]
)
def test_renamed_file_type_has_the_name_of_its_release(release: str, name: str) -> None:
    values = _schema(release).required_message("fdinfo_entry").fields_by_name["type"].enum_type
    assert values.values_by_number[15].name == name


@pytest.mark.parametrize("release", ["0.7", "1.3.1", "1.4", "4.2"])
def test_network_device_type_kept_its_name(release: str) -> None:
    values = _schema(release).required_message("net_device_entry").fields_by_name["type"].enum_type
    assert values.values_by_number[3].name == "TUN"


@pytest.mark.parametrize(
    ("release", "device", "buffer"),
    [("3.17", "device_entry", "bo_entry"), ("3.19", "device_entry", "bo_entry")]
    + [(release, "kfd_device_entry", "kfd_bo_entry") for release in ("4.0", "4.1", "4.2")],
)
def test_plugins_messages_have_the_names_of_their_release(release: str, device: str, buffer: str) -> None:
    schema = _schema(release)
    assert {name for name in schema.message_names if name.endswith(("device_entry", "bo_entry"))} >= {
        device,
        buffer,
    }
    fields = schema.required_message("criu_kfd").fields
    assert {field.message_type.name for field in fields if field.message_type} == {device, buffer}


@pytest.mark.parametrize(
    ("release", "field", "expected"),
    [
        ("1.4", "vma_entry.start", {}),
        ("1.5", "vma_entry.start", {"hex": True}),
        ("1.5", "vma_entry.prot", {"hex": True}),
        ("1.7.2", "vma_entry.prot", {"hex": True}),
        ("1.8", "vma_entry.prot", {"flags": "mmap.prot"}),
        ("1.8", "vma_entry.flags", {"flags": "mmap.flags"}),
        ("1.8", "vma_entry.status", {}),
        ("2.0", "vma_entry.status", {"flags": "mmap.status"}),
        ("1.7.2", "reg_file_entry.flags", {"hex": True}),
        ("1.8", "reg_file_entry.flags", {"flags": "rfile.flags"}),
        ("1.4", "inet_sk_entry.src_addr", {}),
        ("1.5", "inet_sk_entry.src_addr", {"ipadd": True}),
        ("1.8", "mnt_entry.root_dev", {}),
        ("2.0", "mnt_entry.root_dev", {"dev": True}),
        ("2.0", "ghost_file_entry.rdev", {"dev": True, "odev": True}),
        ("2.0", "irmap_cache_entry.dev", {"dev": True, "odev": True}),
        ("2.12.1", "task_core_entry.task_state", {}),
        ("3.0", "task_core_entry.task_state", {"dict": "gen"}),
        ("3.0", "inet_sk_entry.state", {"dict": "sk"}),
        ("2.12.1", "unix_sk_entry.name", {}),
        ("3.0", "unix_sk_entry.name", {"conv": "unix_name"}),
        ("3.5", "pagemap_entry.flags", {"flags": "pmap.flags"}),
        ("3.6", "sit_entry.local", {"ipadd": True}),
        ("3.14", "memfd_inode_entry.seals", {"flags": "seals.flags"}),
        ("2.7", "thread_info_aarch64.gpregs", {}),
        ("2.8", "thread_info_aarch64.gpregs", {"hex": True}),
    ],
)
def test_field_options_are_those_of_the_release(release: str, field: str, expected: dict[str, Any]) -> None:
    message, name = field.split(".")
    descriptor = _schema(release).required_message(message).fields_by_name[name]
    assert criu_options(descriptor) == CriuOptions(**expected)


def test_newest_release_has_as_many_options_as_upstream() -> None:
    schema = _schema("4.2")
    names = schema.message_names
    options = [criu_options(field) for name in names for field in schema.required_message(name).fields]
    counts = {name: sum(bool(getattr(item, name)) for item in options) for name in CriuOptions._fields}
    assert counts == {"hex": 75, "ipadd": 6, "flags": 8, "dev": 6, "odev": 2, "dict": 7, "conv": 1}


def test_releases_before_the_options_have_none() -> None:
    schema = _schema("1.4")
    fields = [field for name in schema.message_names for field in schema.required_message(name).fields]
    assert not any(any(criu_options(field)) for field in fields)
    assert "opts.proto" not in {file.name for file in build_release("1.4").file}


def test_default_value_is_kept() -> None:
    field = _schema("0.2").required_message("packet_sock_entry").fields_by_name["fanout"]
    assert field.default_value == 0xFFFFFFFF


@_EACH_RELEASE
def test_statistics_alone_got_a_required_field_later(release: str) -> None:
    then, now = _messages(build_release(release).file), _messages(build_release("4.2").file)
    missing = {
        (name, field.name)
        for name, message in then.items()
        for field in now[name].field
        if field.label == FieldDescriptorProto.LABEL_REQUIRED and field.number not in _fields(message)
    }
    had_statistics = _RELEASES[_RELEASES.index("0.6") : _RELEASES.index("3.5")]
    assert missing == ({("dump_stats_entry", "pages_lazy")} if release in had_statistics else set())


@pytest.mark.parametrize(
    ("version", "release"),
    [(name, name) for name in ("0.1", "1.3.1", "4.2")]
    + [("v4.2", "4.2"), (" v3.17\n", "3.17"), ("4.2.1", "4.2"), ("v3.17.1", "3.17.1"), ("1.0.0", "1.0")]
    + [("4.1.2", "4.1.1"), ("3.17.9", "3.17.1")],
)
def test_release_is_found_by_its_version(version: str, release: str) -> None:
    assert resolve_release(version) == release


@pytest.mark.parametrize(
    "version",
    ["", "v", "4", "9.9", "0.0", "2.13", "newest", "4.2.banana", "4.2.", "4..2", "-4.2", "4.2-rc1", "4,2"],
)
def test_other_versions_are_an_error_that_names_the_catalogues_range(version: str) -> None:
    with pytest.raises(SchemaError, match=r"0\.1 to 4\.2") as caught:
        resolve_release(version)
    assert repr(version) in str(caught.value)


def test_unknown_version_brings_the_nearest_to_mind() -> None:
    with pytest.raises(SchemaError, match=r"did you mean 3\.1"):
        resolve_release("3.1x")


def test_every_image_type_has_its_messages_in_the_newest_release() -> None:
    messages = {message for row in IMAGE_TYPES for message in row.messages if row.magic is not None}
    assert messages <= set(_schema("4.2").message_names)


@pytest.mark.parametrize(("suite", "release"), [("trixie", "4.1.1"), ("sid", "4.2")])
def test_release_equals_upstreams_own_files(
    suite: str, release: str, upstream: Callable[[str], Path], shapes: Callable[[Schema], dict[str, Any]]
) -> None:
    schema = Schema.from_protos(upstream(suite))
    theirs, ours = shapes(schema), shapes(_schema(release))
    assert len(ours) > 150
    for name, fields in ours.items():
        assert fields == theirs[name], name
    others = theirs.keys() - ours.keys()
    files = {schema.required_message(name).file.name for name in others}
    assert files <= {"rpc.proto", "img-streamer.proto"}
