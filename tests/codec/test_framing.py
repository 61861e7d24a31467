from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit.codec import framing
from dyncrit.codec.framing import Frame, read_frame
from dyncrit.codec.source import Source
from dyncrit.errors import ImageError, RawImageError
from dyncrit.schema import ImageTable
from dyncrit.schema.images import IMG_COMMON, IMG_SERVICE

if TYPE_CHECKING:
    from pathlib import Path

TABLE = ImageTable()
CORE, INVENTORY, STATS, PAGEMAP = 0x55053847, 0x58313116, 0x57093306, 0x56084025


def source(data: bytes) -> Source:
    return Source(io.BytesIO(data), "image")


def words(*values: int, big: bool = False) -> bytes:
    return struct.pack(f"{'>' if big else '<'}{len(values)}I", *values)


def frame_of(data: bytes, file_name: str = "", as_message: str = "") -> Frame:
    return read_frame(source(data), TABLE, file_name, as_message)


def records(data: bytes) -> list[tuple[int, bytes]]:
    return list(framing.records(source(data), frame_of(data)))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("magics", "name", "kind", "default"),
    [
        ([INVENTORY], "INVENTORY", "v1.0", True),
        ([CORE], "CORE", "v1.0", False),
        ([IMG_COMMON, CORE], "CORE", "common", True),
        ([IMG_SERVICE, STATS], "STATS", "service", True),
        ([STATS], "STATS", "v1.0", False),
        ([IMG_SERVICE, CORE], "CORE", "service", False),
        ([IMG_COMMON, INVENTORY], "INVENTORY", "common", False),
        ([IMG_COMMON, 0x1234ABCD], "0x1234ABCD", "common", True),
    ],
)
def test_heads(big: bool, magics: list[int], name: str, kind: str, default: bool) -> None:
    head = words(*magics, big=big)
    frame = frame_of(head + words(1, big=big) + b"\0")
    assert (frame.image_type.name, frame.byte_order, frame.framing, frame.size) == (
        name,
        "big" if big else "little",
        kind,
        len(head),
    )
    assert frame.is_default is default
    assert framing.write_head(frame.image_type, frame.byte_order, frame.framing) == head


@pytest.mark.parametrize("file_name", ["", "core-1.img", "pages-1.img", "pagemap-1.img", "iptables-1.img"])
def test_a_head_tells_more_than_a_file_name(file_name: str) -> None:
    assert frame_of(words(IMG_COMMON, CORE), file_name).image_type.name == "CORE"


@pytest.mark.parametrize("length", [4, 5, 6, 7])
def test_a_file_that_ends_within_its_head_is_an_error(length: int) -> None:
    for data in (words(IMG_COMMON, CORE), words(IMG_SERVICE, STATS, big=True)):
        with pytest.raises(ImageError, match="ends within its head"):
            frame_of(data[:length])


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_plugin_images_are_told_by_name_and_size(byte_order: Any) -> None:
    data = (3).to_bytes(8, byte_order) + b"abc"
    frame = frame_of(data, "amdgpu-kfd-12.img")
    assert (frame.image_type.name, frame.byte_order, frame.size) == ("AMDGPU_KFD", byte_order, 0)
    assert list(framing.records(source(data), frame)) == [(0, b"abc")]
    assert framing.write_head(frame.image_type, byte_order, frame.framing) == b""
    assert frame_of(data, "amdgpu-renderD-128.img").image_type.name == "AMDGPU_RENDER"
    with pytest.raises(RawImageError):
        frame_of(data, "core-1.img")
    with pytest.raises(RawImageError):
        frame_of(data + b"x", "amdgpu-kfd-12.img")
    assert frame_of(data, as_message="criu_kfd").image_type.messages == ("criu_kfd",)


def old_pages(count: int, *, big: bool = False) -> bytes:
    order = "big" if big else "little"
    return words(PAGEMAP, big=big) + b"".join(
        (0x400000 + 4096 * index).to_bytes(8, order) + bytes(4096) for index in range(count)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_old_pages_are_told_from_pagemaps_by_shape_and_by_name(big: bool, count: int) -> None:
    names = (
        "pages-1.img",
        "pages-shmem-7.img",
    )  # no big-endian host wrote any, so shape alone tells nothing there
    for name in names if big else ("", *names):
        with pytest.raises(RawImageError, match="memory pages"):
            frame_of(old_pages(count, big=big), name)


def test_old_pages_without_a_page_are_told_by_name() -> None:
    with pytest.raises(RawImageError, match="memory pages"):
        frame_of(words(PAGEMAP), "pages-1.img")
    for name in ("", "pagemap-1.img", "pagemap-shmem-1.img"):
        assert frame_of(words(PAGEMAP), name).image_type.name == "PAGEMAP"


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("name", ["", "pagemap-1.img"])
def test_pagemaps_are_told_from_old_pages(big: bool, name: str) -> None:
    record = words(2, big=big) + b"\x08\x01"
    assert frame_of(words(PAGEMAP, big=big) + record, name).image_type.name == "PAGEMAP"
    size = 8 + 4096 - len(record)  # as large as pages are
    entry = words(size - 4, big=big) + bytes(size - 4)
    data = words(PAGEMAP, big=big) + record + entry
    assert len(data) == 4 + 8 + 4096
    assert frame_of(data, name).image_type.name == "PAGEMAP"


@pytest.mark.parametrize(
    ("data", "name", "problem"),
    [
        (b"", "", "an empty file (0 bytes)"),
        (b"", "iptables-9.img", "an empty file (0 bytes), for firewall rules"),
        (bytes(64), "pages-1.img", "memory pages, raw"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "x.img", "gzip-compressed tar"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "tmpfs-dev-58.tar.gz.img", "gzip-compressed tar"),
        (b"\x22\x12\x36\x47\0\0\0\0", "", "ip addr save"),
        (b"\x47\x36\x12\x22\0\0\0\0", "", "ip addr save"),
        (b"\x24\x12\x31\x45rest", "", "ip route save"),
        (b"\x86\x69\x70\x71rest", "", "ip rule save"),
        (b"# Generated by iptables-save", "", "iptables-save"),
        (b"table inet filter {", "", "nft list ruleset"),
        (b"\x7fELF\2\1\1\0", "", "an ELF"),
        (b"\x58\x34\x02\x57\0\0\0\0", "", "cache of what the kernel can do"),
        (b"\0\0\0\0", "amdgpu-pages-1-0abc.img", "GPU buffers"),
        (b'{"magic": "CORE"}', "", "JSON, not an image"),
        (b'\n [{"magic": "CORE"}]', "", "JSON, not an image"),
        (b"Hello, world, this is text\n", "", "text, not an image"),
        ("Hällo wörld, ünd sö wéiter".encode(), "", "text, not an image"),
        (b"\xff\xfe\xfd", "", "no image: 3 bytes, and a magic has 4"),
        (b"\xde\xad\xbe\xef\0\0", "", "no image: it begins with de ad be ef"),
    ],
)
def test_files_without_records_are_errors_that_say_what_they_are(
    data: bytes, name: str, problem: str
) -> None:
    with pytest.raises(RawImageError) as error:
        frame_of(data, name)
    assert problem in str(error.value)


def test_records_with_their_offsets() -> None:
    data = words(IMG_COMMON, CORE) + words(3) + b"abc" + words(0) + words(1) + b"d"
    assert records(data) == [(8, b"abc"), (15, b""), (19, b"d")]
    assert b"".join(framing.frame_record(frame_of(data), item) for _, item in records(data)) == data[8:]
    big = words(IMG_COMMON, CORE, 3, big=True) + b"abc"
    assert records(big) == [(8, b"abc")]


def test_an_image_may_have_no_records() -> None:
    for head in (words(CORE), words(IMG_COMMON, CORE)):
        assert records(head) == []


def test_records_larger_than_what_is_read_at_once() -> None:
    sizes = [0, 10, (1 << 20) - 8, 1 << 20, 3 << 20, 5, 0]
    bodies = [bytes([index]) * size for index, size in enumerate(sizes)]
    data = words(IMG_COMMON, CORE) + b"".join(words(len(body)) + body for body in bodies)
    assert [body for _, body in records(data)] == bodies


@pytest.mark.parametrize("length", [4, 2**31, 2**32 - 1])
def test_a_length_beyond_the_file_is_an_error_with_its_place(length: int) -> None:
    data = words(IMG_COMMON, CORE) + words(1) + b"a" + words(length) + b"abc"
    with pytest.raises(ImageError) as error:
        records(data)
    assert str(error.value) == f"entry 1 at byte 13: record of {length} bytes, 3 left in the file"


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_file_that_ends_within_a_length_is_an_error_with_its_place(left: int) -> None:
    data = words(IMG_COMMON, CORE) + words(1) + b"a" + bytes(left)
    with pytest.raises(ImageError) as error:
        records(data)
    assert str(error.value) == f"entry 1 at byte 13: a record's length of 4 bytes, {left} left in the file"


SMALL = (
    "criu-4.2/host/env00/inventory.img",
    "criu-4.2/host/env00/fdinfo-2.img",
    "criu-4.2/host/env00/stats-dump",
    "criu-4.2/host/env00/pagemap-66.img",
    "criu-1.1/host/maps02/creds-66.img",
)


@pytest.mark.parametrize("name", SMALL)
def test_images_cut_at_any_byte_are_errors_or_have_fewer_entries(data: Path, name: str) -> None:
    content = (data / name).read_bytes()
    whole = records(content)
    for length in range(len(content)):
        try:
            found = records(content[:length])
        except ImageError:
            continue
        assert len(found) < len(whole)
        assert found == whole[: len(found)]


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pstree.img"
    image = dyncrit.Image.new("PSTREE")
    for pid in range(100_000):
        image.add(pid=pid, ppid=0, pgid=0, sid=0)
    dyncrit.dump(image, path)
    entries = dyncrit.iter_entries(path)
    next(entries)
    os.truncate(path, path.stat().st_size - 7)
    with pytest.raises(dyncrit.ImageError, match="cut while it was read"):
        list(entries)
