"""Each rule on images by themselves finds what it says, and nothing else does."""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import Image, dump, dumps, load
from dyncrit.check.context import Context
from dyncrit.check.images import CHECKS
from dyncrit.check.images.survey import survey
from dyncrit.check.images.texts import TextFinder
from dyncrit.check.images.unknown import Unknown, unknown_fields
from dyncrit.checkpoint import open_checkpoint
from dyncrit.codec import wire
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CORE = "core-9834.img"


def _rules(copy: Any, **options: Any) -> list[tuple[str, str, str]]:
    """The rule, severity and file of each finding."""
    return [(finding.rule.id, finding.severity, finding.file) for finding in copy.check(**options)]


def _append(copy: Any, name: str, data: bytes) -> Any:
    """Put bytes behind the record of an image of one entry, within it."""
    path = copy.folder / name
    content = path.read_bytes()
    (size,) = struct.unpack_from("<I", content, 8)
    assert len(content) == 12 + size
    path.write_bytes(content[:8] + struct.pack("<I", size + len(data)) + content[12:] + data)
    return copy


def test_every_rule_has_its_own_id() -> None:
    ids = [item.rule.id for item in CHECKS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "name",
    ["demo/tree", "criu-4.2/host/env00", "criu-4.2/host-32bit/ghost_holes02", "criu-4.2/programs/uns-ipc"],
)
def test_healthy_images_have_no_findings(copy: Callable[[str], Any], name: str) -> None:
    assert copy(name).check(deep=True) == ()


# damage, which the rule image-readable finds once


def test_a_cut_image_is_found_once(tree: Any) -> None:
    path = tree.folder / "seccomp.img"
    path.write_bytes(path.read_bytes()[:-1])
    assert _rules(tree) == [("image-readable", "error", "seccomp.img")]


def test_an_image_of_another_type_than_its_name_says_is_found_once(tree: Any) -> None:
    shutil.copy(tree.folder / "fs-9834.img", tree.folder / "timens-0.img")
    assert _rules(tree) == [("image-readable", "error", "timens-0.img")]


def test_a_payload_shorter_than_its_entry_says_is_found_once(tree: Any) -> None:
    tree.change("pipes-data.img", lambda image: None)
    path = tree.folder / "pipes-data.img"
    path.write_bytes(path.read_bytes()[:-3])
    assert _rules(tree) == [("image-readable", "error", "pipes-data.img")]


# entries


def test_a_missing_required_field_is_found(tree: Any) -> None:
    tree.change("timens-0.img", lambda image: image.entries[0].message.monotonic.ClearField("tv_nsec"))
    found = tree.check()
    assert [(item.rule.id, item.file) for item in found] == [("fields-present", "timens-0.img")]
    assert found[0].message == "missing: monotonic.tv_nsec"
    assert found[0].place == "entry 0 at byte 8"


def test_missing_required_fields_are_counted(tree: Any) -> None:
    tree.change("fs-9834.img", lambda image: image.entries[0].message.ClearField("umask"))
    assert tree.check() == ()  # it is optional

    def clear(image: Image) -> None:
        image.entries[0].message.monotonic.Clear()

    found = tree.change("timens-0.img", clear).check()
    assert [item.message for item in found] == ["missing: monotonic.tv_sec, and 1 more are missing"]


def test_statistics_of_old_releases_may_lack_what_is_required_since(tree: Any) -> None:
    tree.change("stats-dump", lambda image: image.entries[0].message.dump.ClearField("pages_lazy"))
    assert tree.check(rules={"fields-present"}) == ()
    tree.change("stats-dump", lambda image: image.entries[0].message.dump.ClearField("pages_written"))
    assert _rules(tree, rules={"fields-present"}) == [("fields-present", "error", "stats-dump")]


def test_unknown_fields_are_noted_with_their_number(tree: Any) -> None:
    for name in ("fs-9834.img", "fs-9838.img"):
        _append(tree, name, wire.encode_field(99, wire.VARINT, 1) * 2)
    found = tree.check()
    assert [(item.rule.id, item.severity, item.file) for item in found] == [
        ("fields-known", "note", "fs-9834.img")
    ]
    assert found[0].message == "fs_entry has an unknown field 99, 4 times in 2 images"


def test_unknown_values_of_enums_are_noted(tree: Any) -> None:
    _append(tree, _CORE, wire.encode_field(1, wire.VARINT, 77))
    found = tree.check()
    assert [(item.rule.id, item.severity) for item in found] == [("values-known", "note")]
    assert found[0].message == "core_entry.mtype has an unknown value 77, once"


def test_text_that_is_not_utf8_is_noted(tree: Any) -> None:
    _change_bytes(tree, _CORE, b"j\x04tree", b"j\x04tr\xffe")
    found = tree.check()
    assert [(item.rule.id, item.severity, item.file) for item in found] == [("texts-utf8", "note", _CORE)]


def test_text_with_a_zero_byte_is_found(tree: Any) -> None:
    def put(image: Image) -> None:
        image.entries[0].message.reg.name = "/bin/\0sh"

    found = tree.change("files.img", put).check()
    assert [(item.rule.id, item.severity, item.place) for item in found] == [
        ("texts-whole", "error", "entry 0 at byte 8")
    ]
    assert found[0].message == "a zero byte in reg.name"


def test_bytes_may_hold_anything(sockets: Any) -> None:
    def name(image: Image) -> None:
        unix = next(entry.message.usk for entry in image.entries if entry.message.HasField("usk"))
        unix.name = b"\0\xff"

    assert sockets.change("files.img", name).check() == ()


def test_damaged_images_are_not_taken_for_read(tree: Any) -> None:
    path = tree.folder / "fdinfo-2.img"
    path.write_bytes(path.read_bytes()[:-1])
    with open_checkpoint(tree.folder) as checkpoint:
        context = Context(checkpoint)
        frames = survey(context).frames
    assert "fdinfo-2.img" in frames
    assert "fdinfo-2.img" not in context.images.read
    assert _CORE in context.images.read


def test_texts_are_found_in_messages_that_hold_themselves() -> None:
    inner = Schema.default().message_class("cgroup_dir_entry")
    message = inner(dir_name="a", children=[{"dir_name": "b", "children": [{"dir_name": "c"}]}])
    assert list(TextFinder(message.DESCRIPTOR).texts(message)) == [
        ("dir_name", "a"),
        ("children[0].dir_name", "b"),
        ("children[0].children[0].dir_name", "c"),
    ]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (b"", []),
        (wire.encode_field(1, wire.VARINT, 5), [Unknown("inventory_entry", 300)]),
        (wire.encode_field(3, wire.LENGTH, b"\xf8\x07\x01"), [Unknown("task_kobj_ids_entry", 127)]),
        (wire.encode_field(6, wire.VARINT, 9), [Unknown("inventory_entry", 9, "lsmtype")]),
        (wire.encode_field(6, wire.VARINT, -1), [Unknown("inventory_entry", -1, "lsmtype")]),
        (wire.encode_field(1, wire.LENGTH, b"x"), [Unknown("inventory_entry", 1)]),
        (b"\xff", []),
    ],
)
def test_unknown_fields_of_a_record(record: bytes, found: list[Unknown]) -> None:
    descriptor = Schema.default().required_message("inventory_entry")
    if found and found[0].number == 300:
        record += wire.encode_field(300, wire.FIXED32, 1)
    assert list(unknown_fields(record, descriptor)) == found


# heads and names


def test_an_image_of_the_other_byte_order_is_found(tree: Any) -> None:
    image = load(tree.folder / "timens-0.img")
    image.frame = image.frame._replace(byte_order="big")
    dump(image, tree.folder / "timens-0.img")
    found = tree.check()
    assert [(item.rule.id, item.file) for item in found] == [("one-byte-order", "timens-0.img")]
    assert found[0].message == "not little-endian, as the inventory is"


def test_an_image_with_the_head_of_old_releases_is_found(tree: Any) -> None:
    path = tree.folder / "timens-0.img"
    path.write_bytes(path.read_bytes()[4:])
    found = tree.check()
    assert [(item.rule.id, item.file) for item in found] == [("one-framing", "timens-0.img")]
    assert found[0].message == "its head is of the kind v1.0, expected common of images of version 2"


def test_an_inventory_of_the_other_version_is_found_at_the_first_image(copy: Callable[[str], Any]) -> None:
    dump = copy("criu-4.2/host/env00")
    dump.change("inventory.img", lambda image: setattr(image.entries[0].message, "img_version", 1))
    found = {(item.rule.id, item.severity) for item in dump.check()}
    assert found == {("one-framing", "error"), ("one-release", "warning")}


def test_images_of_two_releases_are_found(tree: Any) -> None:
    tree.write("rlimit-9834.img", "RLIMIT", {"cur": 1, "max": 1})  # CRIU up to 1.2
    found = tree.check()
    assert [(item.rule.id, item.severity) for item in found] == [("one-release", "warning")]
    assert "rlimit-9834.img is there" in found[0].message


def test_an_image_under_another_name_is_found(tree: Any) -> None:
    shutil.copy(tree.folder / _CORE, tree.folder / "kern-1.img")
    found = tree.check()
    assert [(item.rule.id, item.severity, item.file) for item in found] == [
        ("image-types", "warning", "kern-1.img")
    ]
    assert found[0].message == "an image of type CORE is called core-%u.img"


def test_an_image_of_an_unknown_magic_is_found(tree: Any) -> None:
    (tree.folder / "new.img").write_bytes(bytes.fromhex("19435654efbeadde"))
    found = tree.check()
    assert [(item.rule.id, item.file) for item in found] == [("image-types", "new.img")]
    assert found[0].message.endswith("none has the magic 0xDEADBEEF")


def test_a_file_that_is_no_image_is_found(tree: Any) -> None:
    (tree.folder / "notes.img").write_text("a text\n")
    assert _rules(tree) == [("image-types", "warning", "notes.img")]


def test_a_name_with_a_number_that_criu_does_not_write_is_found(tree: Any) -> None:
    (tree.folder / "timens-0.img").rename(tree.folder / "timens-00.img")
    found = [item for item in tree.check() if item.rule.id == "image-numbers"]
    assert [(item.severity, item.file, item.message) for item in found] == [
        ("warning", "timens-00.img", "expected timens-0.img")
    ]


def test_stray_files_are_noted_and_logs_are_not(tree: Any) -> None:
    for name in ("dump.log", "criu.pid", "descriptors.json", "leftover~"):
        (tree.folder / name).write_text("x\n")
    assert _rules(tree) == [("stray-files", "note", "leftover~")]


# payloads and the inventory


@pytest.mark.parametrize(
    ("index", "field", "value"), [(2, "off", 1 << 40), (2, "off", 4096), (2, "off", 8191), (0, "size", 5)]
)
def test_chunks_that_do_not_fit_are_found(
    copy: Callable[[str], Any], index: int, field: str, value: int
) -> None:
    dump = copy("criu-4.2/host-32bit/ghost_holes02")
    name = "ghost-file-1.img"
    if value != 5:
        dump.change(name, lambda image: setattr(image.entries[0].message, "size", 16384))
    dump.change(name, lambda image: setattr(image.entries[index].message, field, value))
    assert _rules(dump) == [("ghost-chunks", "error", name)]


def test_messages_that_have_no_room_in_their_queue_are_found(container: Any) -> None:
    container.change("ipcns-msg-11.img", lambda image: setattr(image.entries[2].message, "qbytes", 374))
    found = container.check()
    assert [(item.rule.id, item.file, item.place) for item in found] == [
        ("message-queues", "ipcns-msg-11.img", "entry 2: qbytes")
    ]
    assert found[0].message == "its messages have 375 bytes, it may hold 374"


@pytest.mark.parametrize(("field", "value"), [("root_cg_set", 0), ("fdinfo_per_id", False)])
def test_an_inventory_that_restores_refuse_is_found(tree: Any, field: str, value: object) -> None:
    tree.change("inventory.img", lambda image: setattr(image.entries[0].message, field, value))
    assert ("inventory-plausible", "error", "inventory.img") in _rules(tree)


def test_the_corpus_is_clean(corpus: Path) -> None:
    from dyncrit.check.checking import check

    allowed = {"stale-images", "segment-orphan", "texts-utf8"}
    folders = {path.parent for path in corpus.glob("criu-*/**/inventory.img")}
    assert folders
    found = []
    for folder in sorted(folders):
        with open_checkpoint(folder) as checkpoint:
            findings = check(checkpoint, pages=False, deep=True).findings
            found += [str(item) for item in findings if item.rule.id not in allowed]
    assert found == []


def _change_bytes(copy: Any, name: str, old: bytes, new: bytes) -> None:
    path = copy.folder / name
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    assert dumps(load(path)) == path.read_bytes()
