from __future__ import annotations

import copy
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

import dyncrit
from dyncrit import DocumentError, Entry, Image, ImageError, RawImageError, Schema

DATA = Path(__file__).with_name("data")
CORE = DATA / "criu-4.2/host/env00/core-66.img"
IPC = DATA / "criu-4.2/programs/uns-ipc"

NAMES_CRIT_MANGLES = {
    "criu-2.12/programs/seccomp/core-52.img",  # the process's
    "criu-4.2/programs/pytree/files.img",
}
"""Names that aren't UTF-8: CRIT prints Python's b'...' in their place."""
SEGMENTS_CRIT_SWALLOWS = {"criu-4.2/programs/uns-ipc/ipcns-shm-11.img"}
"""Shared memory with its contents elsewhere: CRIT takes the next records for the contents."""


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def without_marks(value: Any) -> Any:
    """A document without the keys that CRIT doesn't have."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if not key.startswith("@")}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def each_image(images: list[Path], **options: Any) -> Any:
    for path in images:
        try:
            image = dyncrit.load(path, **options)
        except RawImageError:
            continue
        yield path, path.read_bytes(), image


def test_unchanged_images_are_written_byte_for_byte(images: list[Path]) -> None:
    count = 0
    for path, content, image in each_image(images):
        assert dyncrit.dumps(image) == content, path
        count += 1
        for entry in image.entries:
            assert entry.message is entry.message
        assert dyncrit.dumps(image) == content, path
    assert count > 250


@pytest.mark.parametrize("pretty", [False, True])
def test_documents_lead_back_to_the_bytes_and_are_left_as_they_are(images: list[Path], pretty: bool) -> None:
    for path, content, image in each_image(images):
        document = through_json(image.to_dict(pretty=pretty))
        before = copy.deepcopy(document)
        again = Image.from_dict(document)
        assert document == before, path
        assert dyncrit.dumps(again) == content, path
        assert again.to_dict(pretty=pretty) == document, path


@pytest.mark.parametrize("release", ["3.11", "1.0", "0.1"])
def test_images_go_through_the_schema_of_an_older_release(images: list[Path], release: str) -> None:
    schema = Schema.release(release)
    for path, content, image in each_image(images, schema=schema):
        for pretty in (False, True):
            document = through_json(image.to_dict(pretty=pretty))
            assert dyncrit.dumps(Image.from_dict(document, schema=schema)) == content, path


def test_documents_are_those_of_crit(data: Path) -> None:
    with gzip.open(data / "crit-4.2.ndjson.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    compared = 0
    for row in rows:
        name = row["image"]
        for style in ("plain", "pretty"):
            if row[style] is None:
                continue
            document = without_marks(dyncrit.load(data / name).to_dict(pretty=style == "pretty"))
            if name in NAMES_CRIT_MANGLES | SEGMENTS_CRIT_SWALLOWS:
                assert document != row[style], f"{name} is no exception any more"
                continue
            assert document == row[style], name
            assert dyncrit.dumps(Image.from_dict(row[style]))  # and CRIT's documents can be encoded
            compared += 1
    assert compared > 400


def test_attributes_can_be_read_and_set() -> None:
    image = dyncrit.load(CORE)
    message = image.entries[0].message
    assert (image.type.name, message.tc.comm) == ("CORE", "env00")
    message.tc.comm = "renamed"
    again = dyncrit.loads(dyncrit.dumps(image))
    assert again.entries[0].message.tc.comm == "renamed"
    assert dyncrit.dumps(again) == dyncrit.dumps(image) != CORE.read_bytes()
    message.tc.comm = "env00"
    assert dyncrit.dumps(image) == CORE.read_bytes()


def framed(*records: bytes) -> bytes:
    return b"".join(len(record).to_bytes(4, "little") + record for record in records)


FDINFO = bytes.fromhex("19435654 32372156")
PLAIN = bytes.fromhex("0801 1002 1801 2003")
ODD = bytes.fromhex("1002 0881 00 1801 2003")  # out of order, and with an over-long varint
STRANGE = bytes.fromhex("a80605 0801 1002 1801 2003 b2060178")


def test_only_changed_entries_change() -> None:
    data = FDINFO + framed(PLAIN, ODD, STRANGE)
    image = dyncrit.loads(data)
    assert [entry.message.id for entry in image.entries] == [1, 1, 1]
    assert dyncrit.dumps(image) == data
    image.entries[0].message.fd = 9
    assert dyncrit.dumps(image) == FDINFO + framed(PLAIN[:-1] + b"\x09", ODD, STRANGE)


def test_entries_that_are_changed_keep_their_unknown_fields() -> None:
    image = dyncrit.loads(FDINFO + framed(STRANGE))
    image.entries[0].message.id = 7
    document = dyncrit.loads(dyncrit.dumps(image)).to_dict()["entries"][0]
    assert document["id"] == 7
    assert document["@unknown"] == [{"field": 101, "varint": 5}, {"field": 102, "text": "x"}]


def test_nested_unknown_fields_are_kept_as_well() -> None:
    image = dyncrit.load(IPC / "mm-1.img", schema=Schema.release("1.0"))
    before = image.to_dict()["entries"][0]["@unknown"]
    image.entries[0].message.mm_brk = 4096
    after = dyncrit.loads(dyncrit.dumps(image), schema=Schema.release("1.0")).to_dict()["entries"][0]
    assert (after["mm_brk"], len(after["@unknown"])) == (4096, len(before))
    newest = dyncrit.loads(dyncrit.dumps(image)).entries[0].message
    assert newest.vmas == dyncrit.load(IPC / "mm-1.img").entries[0].message.vmas


def test_entries_can_be_added_moved_and_taken_out() -> None:
    image = dyncrit.loads(FDINFO + framed(PLAIN, ODD, STRANGE))
    del image.entries[1]
    image.entries.reverse()
    image.add(id=5, flags=0, type="REG", fd=7)
    assert dyncrit.dumps(image) == FDINFO + framed(STRANGE, PLAIN, bytes.fromhex("0805 1000 1801 2007"))


@pytest.mark.parametrize(
    ("name", "options", "head"),
    [
        ("CORE", {}, "19435654 47380555"),
        ("CORE", {"byte_order": "big"}, "54564319 55053847"),
        ("CORE", {"framing": "v1.0"}, "47380555"),
        ("INVENTORY", {}, "16313158"),
        ("STATS", {}, "40591055 06330957"),
        ("0x12345678", {}, "19435654 78563412"),
        ("AMDGPU_KFD", {}, ""),
    ],
)
def test_new_images_have_the_head_that_criu_writes(name: str, options: dict[str, Any], head: str) -> None:
    image = Image.new(name, **options)
    assert dyncrit.dumps(image) == bytes.fromhex(head)
    assert image.entries == []
    assert image.type.name == name


def test_an_image_of_no_type_is_an_error() -> None:
    with pytest.raises(DocumentError, match="did you mean CORE"):
        Image.new("CORRE")


def test_a_new_image_with_payloads() -> None:
    image = Image.new("PIPES_DATA")
    entry = image.add(b"abc", pipe_id=1, bytes=3)
    assert (entry.payload, entry.message.pipe_id) == (b"abc", 1)
    assert dyncrit.loads(dyncrit.dumps(image)).to_dict() == {
        "magic": "PIPES_DATA",
        "entries": [{"pipe_id": 1, "bytes": 3, "extra": "YWJj\n"}],
    }


def test_a_new_pagemap_begins_with_its_head() -> None:
    image = Image.new("PAGEMAP")
    image.add(pages_id=1)
    image.add(vaddr=4096, compat_nr_pages=1)
    assert [entry.message.DESCRIPTOR.name for entry in image.entries] == ["pagemap_head", "pagemap_entry"]
    assert dyncrit.loads(dyncrit.dumps(image)).to_dict()["entries"][0] == {"pages_id": 1}


def test_payloads_by_kind() -> None:
    sem = dyncrit.load(IPC / "ipcns-sem-11.img").entries[0]
    assert isinstance(sem.payload, list)
    assert all(type(item) is int for item in sem.payload)
    tcp = dyncrit.load(next((DATA / "criu-4.2").rglob("tcp-stream-*.img"))).entries[0]
    assert isinstance(tcp.payload, dict)
    assert set(tcp.payload) == {"inq", "outq"}
    queue: Any = dyncrit.load(IPC / "ipcns-msg-11.img").entries[1]
    assert queue.message.qnum == 4
    assert [type(item) for item in queue.payload] == [Entry] * queue.message.qnum
    assert queue.payload[0].message.msize == len(queue.payload[0].payload)


def test_messages_in_a_payload_can_be_changed() -> None:
    image = dyncrit.load(IPC / "ipcns-msg-11.img")
    queue: Any = image.entries[1]
    queue.payload[0].message.mtype = 99
    queue.payload.pop()
    with pytest.raises(DocumentError, match=r"entries\[1\]: qnum says"):
        dyncrit.dumps(image)
    queue.message.qnum -= 1
    again: Any = dyncrit.loads(dyncrit.dumps(image)).entries[1]
    assert again.payload[0].message.mtype == 99
    assert len(again.payload) == again.message.qnum


def test_a_payload_that_contradicts_its_message_is_not_written(tmp_path: Path) -> None:
    image = dyncrit.load(DATA / "criu-4.2/programs/pytree/fifo-data.img")
    image.entries[0].payload = b"too short"
    target = tmp_path / "fifo-data.img"
    target.write_bytes(b"old")
    with pytest.raises(DocumentError, match=r"entries\[0\]: bytes says \d+, the payload has 9 bytes"):
        dyncrit.dump(image, target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_images_are_loaded_from_and_dumped_to_paths_and_files(tmp_path: Path) -> None:
    content = CORE.read_bytes()
    image = dyncrit.load(str(CORE))
    dyncrit.dump(image, str(tmp_path / "core.img"))
    assert (tmp_path / "core.img").read_bytes() == content
    file = io.BytesIO()
    dyncrit.dump(dyncrit.load(io.BytesIO(content)), file)
    assert file.getvalue() == content
    with CORE.open("rb") as opened:
        assert dyncrit.dumps(dyncrit.load(opened)) == content


def test_errors_name_the_file_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "fdinfo-1.img"
    path.write_bytes(FDINFO + framed(PLAIN) + b"\x09\0\0\0")
    with pytest.raises(ImageError) as error:
        dyncrit.load(path)
    assert str(error.value) == f"{path}: entry 1 at byte 20: record of 9 bytes, 0 left in the file"
    with pytest.raises(RawImageError, match=r"pages-1\.img: a raw image without records: memory pages"):
        dyncrit.loads(bytes(4096), file_name="pages-1.img")
    with pytest.raises(FileNotFoundError):
        dyncrit.load(tmp_path / "missing.img")


def test_a_damaged_record_is_an_error_when_its_message_is_wanted() -> None:
    image = dyncrit.loads(FDINFO + framed(b"\x08"))
    assert dyncrit.dumps(image) == FDINFO + framed(b"\x08")
    with pytest.raises(ImageError, match="no fdinfo_entry message"):
        _ = image.entries[0].message
    with pytest.raises(ImageError, match="does not end"):
        image.to_dict()


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, 'no "magic" in it'),
        ({"magic": "FDINFO"}, "entries: expected a list, found null"),
        ({"magic": "FDINFO", "entries": {}}, "entries: expected a list, found an empty object"),
        ({"magic": "FDINFO", "entires": []}, "did you mean entries?"),
        ({"magic": "FDINFO", "entries": [{}, None]}, "entries[1]: expected an object, found null"),
        ({"magic": "FDINFO", "entries": [{}, {"id": None}]}, "entries[1]: id: expected an integer"),
        ({"magic": "PIPES_DATA", "entries": [{"bytes": 1}]}, "entries[0]: bytes says 1, the payload has 0"),
        ({"magic": "PIPES_DATA", "entries": [{"@bytes": "//8="}]}, "entries[0]: "),
        ({"magic": "CORE", "entries": [{"@error": "broken"}]}, "entries[0]: what stands here could not be"),
    ],
)
def test_documents_that_are_no_image_are_errors(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as error:
        Image.from_dict(document)
    assert problem in str(error.value)


def test_unknown_keys_can_be_passed_over() -> None:
    document = {"magic": "FDINFO", "entries": [{"id": 1, "new": 2}]}
    with pytest.raises(DocumentError, match=r"entries\[0\]: fdinfo_entry has no field 'new'"):
        Image.from_dict(document)
    image = Image.from_dict(document, allow_unknown=True)
    assert dyncrit.dumps(image) == FDINFO + framed(b"\x08\x01")


def test_a_document_without_payloads_says_how_large_they_are() -> None:
    image = dyncrit.loads(bytes.fromhex("19435654 09374556") + framed(b"\x08\x01\x10\x03") + b"abc")
    document = image.to_dict(payloads=False)
    assert document["entries"] == [{"pipe_id": 1, "bytes": 3, "extra": "... <3B>"}]
    with pytest.raises(DocumentError, match="without payloads"):
        Image.from_dict(document)


def test_streamed_entries_are_those_of_the_loaded_image(images: list[Path]) -> None:
    for path, _, image in each_image(images):
        streamed = list(dyncrit.iter_entries(path))
        assert [entry.record for entry in streamed] == [entry.record for entry in image.entries], path


def test_large_payloads_are_streamed(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192 + b"end"
    image = Image.new("PIPES_DATA")
    image.add(content, pipe_id=1, bytes=len(content))
    image.add(b"small", pipe_id=2, bytes=5)
    path = tmp_path / "pipes-data.img"
    dyncrit.dump(image, path)
    large: Any
    sizes = []
    for entry in dyncrit.iter_entries(path):
        if entry.message.pipe_id == 1:
            large = entry.payload
            sizes = [len(piece) for piece in large.pieces()]
            assert b"".join(large.pieces()) == content
            assert large.size == len(content)
        else:
            assert entry.payload == b"small"
    assert sizes == [1 << 20, 1 << 20, 3]
    loaded = dyncrit.load(path)
    assert loaded.entries[0].payload == content
    assert dyncrit.dumps(Image.from_dict(loaded.to_dict())) == path.read_bytes()


def test_streaming_ends_with_an_error_where_the_image_does() -> None:
    entries = dyncrit.iter_entries(io.BytesIO(FDINFO + framed(PLAIN) + b"\x09\0\0\0"))
    assert next(entries).record == PLAIN
    with pytest.raises(ImageError, match="entry 1 at byte 20"):
        next(entries)


def test_a_magic_that_nobody_knows() -> None:
    data = bytes.fromhex("19435654 78563412") + framed(b"\x08\x01\x12\x02hi", b"")
    image = dyncrit.loads(data)
    document = image.to_dict()
    assert document == {
        "magic": "0x12345678",
        "entries": [{"@unknown": [{"field": 1, "varint": 1}, {"field": 2, "text": "hi"}]}, {}],
    }
    assert dyncrit.dumps(Image.from_dict(document)) == data
    shown = dyncrit.loads(data, as_message="utsns_entry")
    assert shown.as_message == "utsns_entry"
    document = shown.to_dict()
    assert document["@message"] == "utsns_entry"
    assert document["entries"][0]["domainname"] == "hi"
    assert dyncrit.dumps(Image.from_dict(through_json(document))) == data


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_plugin_images_are_told_by_their_file_name(tmp_path: Path, byte_order: Any) -> None:
    path = tmp_path / "amdgpu-kfd-7.img"
    path.write_bytes((2).to_bytes(8, byte_order) + b"\x08\x05")
    image = dyncrit.load(path)
    assert image.entries[0].message.pid == 5
    document = image.to_dict()
    assert document["magic"] == "AMDGPU_KFD"
    assert dyncrit.dumps(Image.from_dict(document)) == path.read_bytes()
    unnamed = dyncrit.loads(path.read_bytes(), as_message="criu_kfd")
    assert dyncrit.dumps(Image.from_dict(unnamed.to_dict())) == path.read_bytes()
    with pytest.raises(RawImageError):
        dyncrit.load(path, file_name="other.img")


def test_big_endian_images() -> None:
    image = Image.new("INETSK", byte_order="big")
    image.add(family=2, src_addr=[0x7F000001])
    data = dyncrit.dumps(image)
    document = dyncrit.loads(data).to_dict(pretty=True)
    assert document["@byte_order"] == "big"
    assert document["entries"] == [{"family": "INET", "src_addr": ["127.0.0.1"]}]
    assert dyncrit.dumps(Image.from_dict(document)) == data


def test_images_and_entries_say_what_they_are() -> None:
    image = dyncrit.load(CORE)
    assert repr(image) == "<Image CORE, 1 entries>"
    assert repr(image.entries[0]).startswith("<Entry core_entry, ")
