from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit import Schema
from dyncrit.codec.framing import read_frame
from dyncrit.codec.message import Codecs
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.codec.writer import ImageWriter
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

FDINFO = bytes.fromhex("19435654 32372156")
PIPES_DATA = bytes.fromhex("19435654 09374556")
SEM = bytes.fromhex("19435654 19305759")
PLAIN = bytes.fromhex("0801 1002 1801 2003")


def codecs() -> Codecs:
    return Codecs(Schema.default(), Style())


def reader(data: bytes, as_message: str = "") -> ImageReader:
    source = Source(io.BytesIO(data), "image")
    return ImageReader(source, read_frame(source, Schema.default().table, as_message=as_message), as_message)


def documents(data: bytes, as_message: str = "", **options: bool) -> list[Any]:
    lists = reader(data, as_message).documents(codecs(), **options)
    return [document for items in lists for document in items]


def framed(*records: bytes) -> bytes:
    return b"".join(len(record).to_bytes(4, "little") + record for record in records)


def again(data: bytes, found: list[Any]) -> bytes:
    writer = ImageWriter(reader(data).frame, codecs())
    return writer.head() + b"".join(writer.encode(0, found))


def test_records_of_a_head_and_of_its_entries_have_their_own_messages() -> None:
    pagemap = bytes.fromhex("19435654 25400856") + framed(
        b"\x08\x05", b"\x08\x80\x20\x10\x01", b"\x08\x00\x10\x02"
    )
    assert [list(item) for item in documents(pagemap)] == [
        ["pages_id"],
        ["vaddr", "compat_nr_pages"],
        ["vaddr", "compat_nr_pages"],
    ]
    layouts = [entry.layout.message for entry in reader(pagemap).entries()]
    assert layouts == ["pagemap_head", "pagemap_entry", "pagemap_entry"]


def test_an_image_of_another_message() -> None:
    found = documents(FDINFO + framed(b"\x08\x05"), as_message="fs_entry")
    assert found == [{"cwd_id": 5}]


def test_entries_tell_where_they_stand() -> None:
    data = PIPES_DATA + framed(b"\x08\x01\x10\x03") + b"abc" + framed(b"\x08\x02\x10\x00")
    entries = list(reader(data).entries())
    assert [entry.offset for entry in entries] == [8, 19]
    assert [entry.record for entry in entries] == [b"\x08\x01\x10\x03", b"\x08\x02\x10\x00"]
    assert documents(data) == [
        {"pipe_id": 1, "bytes": 3, "extra": "YWJj\n"},
        {"pipe_id": 2, "bytes": 0, "extra": ""},
    ]
    assert documents(data, payloads=False)[0]["extra"] == "... <3B>"


def test_very_many_entries_come_in_lists() -> None:
    data = FDINFO + framed(*[PLAIN] * 20000)
    lists = list(reader(data).documents(codecs()))
    assert len(lists) > 2
    assert sum(map(len, lists)) == 20000
    assert all(item == lists[0][0] for items in lists for item in items)


def test_an_image_without_records_has_no_documents() -> None:
    assert documents(FDINFO) == []


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (FDINFO + framed(PLAIN, b"\x08"), "entry 1 at byte 20: byte 1: a varint that does not end"),
        (
            FDINFO + framed(PLAIN) + b"\x09\0\0\0ab",
            "entry 1 at byte 20: record of 9 bytes, 2 left in the file",
        ),
        (FDINFO + framed(PLAIN) + b"\x09\0", "entry 1 at byte 20: a record's length of 4 bytes, 2 left"),
        (
            PIPES_DATA + framed(b"\x10\x05") + b"abc",
            "entry 0 at byte 8: payload of 5 bytes, 3 left in the file",
        ),
        (PIPES_DATA + framed(b"\x10\x01") + b"a" + framed(b"\x08"), "entry 1 at byte 15: "),
        (SEM + framed(b"\x0a\x01\x08\x10\x01") + bytes(8), "entry 0 at byte 8: desc: byte 1: a varint"),
    ],
)
def test_damage_is_an_error_that_says_where(data: bytes, place: str) -> None:
    with pytest.raises(ImageError) as error:
        documents(data)
    assert str(error.value).startswith(place)


def test_with_keep_going_damaged_entries_stand_among_the_others() -> None:
    data = FDINFO + framed(PLAIN, b"\x08", PLAIN)
    found = documents(data, keep_going=True)
    assert [("@error" in item) for item in found] == [False, True, False]
    assert found[1] == {
        "@error": "entry 1 at byte 20: byte 1: a varint that does not end",
        "@bytes": "CA==\n",
    }
    assert again(data, found) == data


def test_with_keep_going_all_is_given_up_to_where_the_image_ends() -> None:
    data = FDINFO + framed(PLAIN, PLAIN) + b"\xff\xff\xff\xffab"
    found = documents(data, keep_going=True)
    assert len(found) == 3
    assert found[2] == {"@error": "entry 2 at byte 32: record of 4294967295 bytes, 2 left in the file"}
    found = documents(PIPES_DATA + framed(b"\x10\x01") + b"a" + framed(b"\x10\x05") + b"a", keep_going=True)
    assert found[0] == {"bytes": 1, "extra": "YQ==\n"}
    assert found[1] == {"@error": "entry 1 at byte 15: payload of 5 bytes, 1 left in the file"}


def test_with_keep_going_a_damaged_entry_keeps_its_payload() -> None:
    data = SEM + framed(b"\x0a\x01\x08\x10\x01") + b"\5" + bytes(7) + framed(b"\x10\x00")
    found = documents(data, keep_going=True)
    assert len(found) == 2
    assert "@error" in found[0]
    assert again(data, found) == data


CUT = (
    "criu-4.2/programs/uns-ipc/ipcns-msg-11.img",
    "criu-4.2/programs/uns-ipc/ipcns-sem-11.img",
    "criu-4.2/programs/pytree/fifo-data.img",
    "criu-4.2/programs/pytree/sk-queues.img",
    "criu-4.2/host/bpf_hash/bpfmap-data.img",
    "criu-4.2/host-32bit/socket-tcp-ipt-nfconntrack/tcp-stream-3cb320.img",
    "criu-4.2/programs/ext-pidns/pidns-9.img",
    "criu-4.2/host/env00/ids-66.img",
    "criu-1.1/host/maps02/creds-66.img",
)


@pytest.mark.parametrize("name", CUT)
def test_images_cut_at_any_byte_are_errors_or_have_fewer_entries(data: Path, name: str) -> None:
    content = (data / name).read_bytes()[:1500]
    try:
        whole = documents(content)
    except ImageError:
        whole = documents(content, keep_going=True)[:-1]
    for length in range(len(content)):
        cut = content[:length]
        try:
            found = documents(cut)
        except ImageError:
            pass
        else:
            assert found == whole[: len(found)]
            assert again(cut, found) == cut
        try:
            image = dyncrit.loads(cut)
        except ImageError:
            continue
        assert len(image.entries) <= len(whole)
