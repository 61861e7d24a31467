from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, ImageError, RawImageError, dumps, loads
from dyncrit.fuzz.anatomy import MAX_ENTRIES, Anatomy, RawEntry
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema.default()


def test_every_image_is_put_together_again_as_it_was(images: list[Path]) -> None:
    whole = 0
    for path in images:
        data = path.read_bytes()
        try:
            anatomy = Anatomy.of(data, SCHEMA, path.name)
        except ImageError:
            continue
        whole += 1
        assert anatomy.assemble() == data
        assert anatomy.copy() == anatomy
    assert whole > 100


def test_payloads_stand_behind_their_records() -> None:
    image = Image.new("PIPES_DATA")
    image.add(payload=b"one", pipe_id=1, bytes=3)
    image.add(payload=b"second", pipe_id=2, bytes=6)
    anatomy = Anatomy.of(dumps(image), SCHEMA)
    assert [entry.payload for entry in anatomy.entries] == [b"one", b"second"]
    assert [entry.record for entry in anatomy.entries] == [entry.record for entry in image.entries]


def test_padding_is_part_of_the_payload(data: Path) -> None:
    content = (data / "criu-4.2/programs/uns-ipc/ipcns-sem-11.img").read_bytes()
    anatomy = Anatomy.of(content, SCHEMA)
    assert all(len(entry.payload) % 8 == 0 for entry in anatomy.entries)


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_a_new_one_is_an_image_without_entries(byte_order) -> None:
    image = Image.new("CORE", byte_order=byte_order)
    anatomy = Anatomy.new(image.frame)
    assert anatomy.assemble() == dumps(image)
    anatomy.entries.append(RawEntry(b"\x08\x01"))
    assert loads(anatomy.assemble()).entries[0].record == b"\x08\x01"


def test_a_copy_is_changed_alone() -> None:
    image = Image.new("PSTREE")
    image.add(pid=1, ppid=0, pgid=1, sid=1)
    anatomy = Anatomy.of(dumps(image), SCHEMA)
    copy = anatomy.copy()
    copy.entries[0].record = b""
    copy.entries.append(RawEntry(b"x", b"y", 77))
    copy.tail = b"tail"
    assert anatomy.assemble() == dumps(image)
    assert copy.assemble() == dumps(image)[:8] + bytes(4) + b"M\0\0\0xytail"


@pytest.mark.parametrize("length", [0, 1, 0xFFFFFFFF])
def test_a_length_stands_there_whatever_the_record_has(length: int) -> None:
    anatomy = Anatomy.new(Image.new("CORE").frame)
    anatomy.entries.append(RawEntry(b"abc", length=length))
    assert anatomy.assemble()[8:] == length.to_bytes(4, "little") + b"abc"


def test_a_length_beyond_its_bytes_is_cut() -> None:
    anatomy = Anatomy.new(Image.new("CORE").frame)
    anatomy.entries.append(RawEntry(b"", length=(1 << 40) + 5))
    assert anatomy.assemble()[8:] == b"\5\0\0\0"


def test_messages_go_by_the_image_table(data: Path) -> None:
    anatomy = Anatomy.of((data / "criu-4.2/host/env00/pagemap-66.img").read_bytes(), SCHEMA)
    assert [anatomy.message_name(index) for index in (0, 1, 2)] == ["pagemap_head", *["pagemap_entry"] * 2]


def test_what_is_no_whole_image_is_refused() -> None:
    image = Image.new("PSTREE")
    image.add(pid=1, ppid=0, pgid=1, sid=1)
    with pytest.raises(ImageError):
        Anatomy.of(dumps(image)[:-1], SCHEMA)
    with pytest.raises(RawImageError):
        Anatomy.of(b"text", SCHEMA)


def test_an_image_of_more_entries_than_memory_is_meant_to_hold_is_refused() -> None:
    head = dumps(Image.new("PSTREE"))
    assert len(Anatomy.of(head + bytes(4 * MAX_ENTRIES), SCHEMA).entries) == MAX_ENTRIES
    with pytest.raises(ImageError, match="more than 1048576 entries"):
        Anatomy.of(head + bytes(4 * MAX_ENTRIES + 4), SCHEMA)
