from __future__ import annotations

import io
from typing import Any

import pytest

from dyncrit import Schema
from dyncrit.codec.framing import Frame, read_frame
from dyncrit.codec.message import Codecs
from dyncrit.codec.payload import Payload
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.codec.writer import ImageWriter
from dyncrit.errors import DocumentError

FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
DESC = {"key": 1, "uid": 0, "gid": 0, "cuid": 0, "cgid": 0, "mode": 0, "id": 0}


def writer(name: str, byte_order: Any = "little", as_message: str = "", **options: bool) -> ImageWriter:
    image_type = Schema.default().table.by_name(name)
    assert image_type is not None
    framing: Any = "v1.0" if image_type.head == "none" else image_type.head
    codecs = Codecs(Schema.default(), Style(byte_order=byte_order))
    return ImageWriter(Frame(image_type, byte_order, framing), codecs, as_message, **options)


def written(name: str, documents: list[Any], byte_order: Any = "little", **options: Any) -> bytes:
    made = writer(name, byte_order, **options)
    return made.head() + b"".join(made.encode(0, documents))


def read(data: bytes, file_name: str = "") -> list[Any]:
    source = Source(io.BytesIO(data), "image")
    frame = read_frame(source, Schema.default().table, file_name)
    codecs = Codecs(Schema.default(), Style(byte_order=frame.byte_order))
    return [item for items in ImageReader(source, frame).documents(codecs) for item in items]


@pytest.mark.parametrize(
    ("byte_order", "data"),
    [
        ("little", "19435654 32372156 04000000 08011002 02000000 0805"),
        ("big", "54564319 56213732 00000004 08011002 00000002 0805"),
    ],
)
def test_head_lengths_and_records(byte_order: str, data: str) -> None:
    assert written("FDINFO", [{"id": 1, "flags": 2}, {"id": 5}], byte_order) == bytes.fromhex(data)


def test_plugin_images_have_lengths_of_64_bits_and_no_head() -> None:
    assert written("AMDGPU_KFD", [{"pid": 1}]) == bytes.fromhex("0200000000000000 0801")
    data = written("AMDGPU_KFD", [{"pid": 1}], "big")
    assert data == bytes.fromhex("0000000000000002 0801")
    assert read(data, "amdgpu-kfd-1.img") == [{"pid": 1}]


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("PIPES_DATA", [{"bytes": 2, "extra": "YWI=\n"}, {"bytes": 0, "extra": ""}]),
        ("BPFMAP_DATA", [{"keys_bytes": 1, "values_bytes": 2, "extra": "YWJj\n"}]),
        ("TCP_STREAM", [{"inq_len": 1, "outq_len": 0, "extra": {"inq": "YQ==\n", "outq": ""}}]),
        ("IPCNS_SEM", [{"desc": DESC, "nsems": 3, "extra": [1, 2, 65535]}]),
        ("IPCNS_SEM", [{"desc": DESC, "nsems": 1, "extra": [7], "@padding": "AAAAAAAB\n"}]),
        ("IPCNS_SHM", [{"desc": DESC, "size": 3, "extra": "YWJj\n", "@padding": "AQ==\n"}]),
        (
            "IPCNS_SHM",
            [
                {"size": 4096, "in_pagemaps": True, "extra": ""},
                {"size": 8192, "in_pagemaps": True, "extra": ""},
            ],
        ),
        ("GHOST_FILE", [{"uid": 1, "extra": "YWJj\n"}]),
        ("GHOST_FILE", [{"chunks": True}, {"len": 2, "off": 0, "extra": "YWI=\n"}]),
        (
            "IPCNS_MSG",
            [
                {
                    "qnum": 2,
                    "extra": [{"mtype": 1, "msize": 2}, "YWI=\n", {"mtype": 2, "msize": 0}, ""],
                    "@padding": ["AAAAAAAB\n", ""],
                },
                {"qnum": 0, "extra": []},
            ],
        ),
        ("PAGEMAP", [{"pages_id": 1}, {"vaddr": 4096, "compat_nr_pages": 1, "flags": 4}]),
        ("INETSK", [{"src_addr": [1], "dst_addr": [1, 2, 3, 4]}]),
    ],
)
def test_every_kind_of_payload_in_both_byte_orders(byte_order: str, name: str, documents: list[Any]) -> None:
    data = written(name, [dict(document) for document in documents], byte_order)
    found = read(data)
    assert found == documents
    assert written(name, found, byte_order) == data


def test_big_endian_numbers_are_big_endian() -> None:
    data = written("IPCNS_SEM", [{"nsems": 1, "extra": [258]}], "big")
    assert data == bytes.fromhex("54564319 59573019 00000002 1001 0102 000000000000")
    data = written("IPCNS_MSG", [{"qnum": 1, "extra": [{"msize": 1}, "YQ=="]}], "big")
    assert data == bytes.fromhex("54564319 55453737 00000002 1801 00000002 1001 61 00000000000000")


def test_addresses_are_read_in_the_images_byte_order() -> None:
    for byte_order, number in (("little", 0x0100007F), ("big", 0x7F000001)):
        data = written("INETSK", [{"src_addr": ["127.0.0.1"]}], byte_order)
        assert read(data) == [{"src_addr": [number]}]


@pytest.mark.parametrize(
    ("name", "document", "problem"),
    [
        ("FDINFO", {"idd": 1}, "entries[2]: fdinfo_entry has no field 'idd'; did you mean id?"),
        ("REG_FILES", {"fown": {**FOWN, "uid": "x"}}, "entries[2]: fown.uid: expected an integer from 0"),
        ("FDINFO", {"id": 1, "extra": "YQ=="}, "entries[2]: fdinfo_entry has no field 'extra'"),
        ("FDINFO", None, "entries[2]: expected an object, found null"),
        ("FDINFO", [], "entries[2]: expected an object, found an empty list"),
        ("FDINFO", 5, "entries[2]: expected an object, found the integer 5"),
        ("FDINFO", {"@error": "it broke"}, "entries[2]: what stands here could not be decoded"),
        ("PIPES_DATA", {"bytes": 3, "extra": "YQ=="}, "entries[2]: bytes says 3, the payload has 1 bytes"),
        ("PIPES_DATA", {"bytes": 3}, "entries[2]: bytes says 3, the payload has 0 bytes"),
        ("PIPES_DATA", {"bytes": 3, "extra": "... <3B>"}, "entries[2]: extra: the document was made without"),
        ("PIPES_DATA", {"bytes": 1, "extra": "a"}, "entries[2]: extra: bad base64"),
        ("PIPES_DATA", {"extra": "", "@bytes": "//8="}, "entries[2]: "),
        (
            "IPCNS_SHM",
            {"size": 1, "in_pagemaps": True, "extra": "YQ=="},
            "entries[2]: there is a payload, and",
        ),
        ("IPCNS_SEM", {"nsems": 1, "extra": [70000]}, "entries[2]: [0]: expected an integer from 0 to 65535"),
        ("IPCNS_SEM", {"nsems": 2, "extra": [7]}, "entries[2]: nsems says 2, the payload has 1 items"),
        (
            "IPCNS_MSG",
            {"qnum": 1, "extra": [{"msize": 2}, "YQ=="]},
            "entries[2]: msize says 2, the payload has 1",
        ),
        ("TCP_STREAM", {"inq_len": 1}, "entries[2]: inq_len says 1, the payload has 0 bytes of inq"),
    ],
)
def test_errors_tell_the_entry_and_the_path(name: str, document: Any, problem: str) -> None:
    with pytest.raises(DocumentError) as error:
        written(name, [{}, {}, document])
    assert str(error.value).startswith(problem)


def test_the_first_index_counts_from_where_the_caller_is() -> None:
    with pytest.raises(DocumentError, match=r"entries\[1001\]: fdinfo_entry has no field"):
        b"".join(writer("FDINFO").encode(1000, [{}, {"x": 1}, {}]))


def test_a_ghost_file_without_extra_is_refused() -> None:
    with pytest.raises(DocumentError, match='there is no "extra"'):
        written("GHOST_FILE", [{"uid": 1}])


def test_a_payload_for_a_type_that_has_none_is_refused() -> None:
    with pytest.raises(DocumentError, match="FDINFO entries have no payload"):
        b"".join(writer("FDINFO").entry(0, b"", Payload(b"a")))


def test_kept_bytes_of_a_damaged_entry_are_written() -> None:
    documents = [{"@error": "it broke", "@bytes": "CA=="}, {"id": 1}]
    assert written("FDINFO", documents)[8:] == bytes.fromhex("01000000 08 02000000 0801")


def test_unknown_keys_can_be_passed_over_in_all_entries() -> None:
    documents = [{"id": 1, "new": 1}, {"id": 2}]
    assert written("FDINFO", documents, allow_unknown=True)[8:] == bytes.fromhex(
        "02000000 0801 02000000 0802"
    )


def test_another_message_than_the_tables() -> None:
    assert written("FDINFO", [{"cwd_id": 5}], as_message="fs_entry")[8:] == bytes.fromhex("02000000 0805")
