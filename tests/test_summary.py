from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.errors import ImageError
from dyncrit.schema import Schema
from dyncrit.summary import Summary, summarise

if TYPE_CHECKING:
    from pathlib import Path


def describe(data: bytes, name: str = "image") -> Summary:
    return summarise(io.BytesIO(data), name, Schema.default())


def of_file(path: Path) -> Summary:
    with path.open("rb") as file:
        return summarise(file, str(path), Schema.default())


def pipes(*payloads: bytes) -> bytes:
    image = dyncrit.Image.new("PIPES_DATA")
    for index, payload in enumerate(payloads):
        image.add(payload, pipe_id=index, bytes=len(payload), size=65536)
    return dyncrit.dumps(image)


def test_the_head_of_a_pagemap_is_not_counted() -> None:
    image = dyncrit.Image.new("PAGEMAP")
    image.add(pages_id=1)
    for index in range(3):
        image.add(vaddr=index << 12, compat_nr_pages=1)
    summary = describe(dyncrit.dumps(image))
    assert summary.count == 3
    assert summary.messages == ("pagemap_head", "pagemap_entry")


def test_only_records_that_are_there_are_counted() -> None:
    image = dyncrit.Image.new("PAGEMAP")
    assert describe(dyncrit.dumps(image)).count == 0
    image.add(pages_id=1)
    assert describe(dyncrit.dumps(image)).count == 0


def test_crits_keys_come_first() -> None:
    shown = describe(pipes(b"abc")).to_dict()
    assert list(shown)[:2] == ["magic", "count"]
    assert (shown["magic"], shown["count"]) == ("PIPES_DATA", 1)


def test_payload_bytes_are_the_sum_of_all_payloads() -> None:
    summary = describe(pipes(b"abc", b"", bytes(100_000)))
    assert summary.payload_bytes == 100_003
    assert summary.count == 3


def test_heads_lengths_records_and_payloads_make_up_the_file() -> None:
    data = pipes(b"abc", b"defg")
    summary = describe(data)
    assert summary.size == len(data)
    assert 8 + 4 * 2 + summary.record_bytes + summary.payload_bytes == len(data)


def test_padding_counts_as_payload() -> None:
    image = dyncrit.Image.new("IPCNS_SEM")
    desc = dict.fromkeys(("key", "uid", "gid", "cuid", "cgid", "mode", "id"), 1)
    image.add([1, 2, 3], desc=desc, nsems=3)
    assert describe(dyncrit.dumps(image)).payload_bytes == 8


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("framing", ["v1.0", "common"])
def test_byte_order_and_framing_are_the_files(order: str, framing: str) -> None:
    image = dyncrit.Image.new("PSTREE", byte_order=order, framing=framing)
    image.add(pid=1, ppid=0, pgid=1, sid=1, threads=[1])
    summary = describe(dyncrit.dumps(image))
    assert (summary.byte_order, summary.framing) == (order, framing)


def test_an_image_without_entries_has_a_count_of_zero() -> None:
    assert describe(dyncrit.dumps(dyncrit.Image.new("PSTREE", framing="v1.0"))).to_dict()["count"] == 0


def test_an_unknown_magic_is_named_by_its_number() -> None:
    summary = describe(bytes.fromhex("19435654 78563412 01000000 00"))
    assert (summary.magic, summary.count, summary.record_bytes) == ("0x12345678", 1, 1)


def test_every_image_and_raw_file_is_described(images: list[Path]) -> None:
    for path in images:
        summary = of_file(path)
        assert summary.size == path.stat().st_size
        assert bool(summary.magic) != bool(summary.raw)
        if summary.magic:
            assert summary.count >= 0
            assert summary.messages


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"", "x.img", "empty file"),
        (b"", "pages-1.img", "memory pages"),
        (bytes(4096), "pages-1.img", "memory pages"),
        (b"\x1f\x8b\x08\0", "some.img", "tar archive"),
        (b"{}", "x.json", "dyncrit encode"),
        (b"\0\0", "x.img", "2 bytes"),
        (b"hello, world, this is text\n", "x.img", "text"),
        (b"\x7fELF\2\1\1", "x", "ELF"),
        (b"\1\2\3\4\5\6\7\x08", "x", "01 02 03 04"),
    ],
)
def test_a_raw_file_is_told_by_its_name_or_content(data: bytes, name: str, says: str) -> None:
    summary = describe(data, name)
    assert says in summary.raw
    assert summary.to_dict() == {"raw": summary.raw, "size": len(data)}


def test_a_damaged_image_is_an_error_with_its_place() -> None:
    data = pipes(b"abc", b"defg")
    with pytest.raises(
        ImageError, match=r"^pipes-data\.img: entry 1 at byte \d+: payload of 4 bytes, 2 left"
    ):
        describe(data[:-2], "pipes-data.img")


def test_a_payload_is_not_read_for_its_size(tmp_path: Path) -> None:
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(b"", uid=0, gid=0, mode=0o100644, dev=1, ino=2)
    path = tmp_path / "ghost-file-1.img"
    path.write_bytes(dyncrit.dumps(image))
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    head = 8 + 4 + len(image.entries[0].record)
    assert of_file(path).payload_bytes == (1 << 40) - head
