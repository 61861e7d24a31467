"""An edit of a checkpoint: entries in, entries out."""

from __future__ import annotations

import itertools
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, dumps, load, loads
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.fields import set_text
from dyncrit.edit.opening import edit_image
from dyncrit.entry import Entry
from dyncrit.errors import DocumentError, ImageError, RawImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit

MIB = 1 << 20


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


@pytest.fixture
def checkpoint(folder: Path) -> Iterator[Checkpoint]:
    with open_checkpoint(folder) as checkpoint:
        yield checkpoint


@pytest.fixture
def edit(checkpoint: Checkpoint) -> Iterator[Edit]:
    with checkpoint.edit(dry_run=True) as edit:
        yield edit


def staged(edit: Edit, name: str) -> Image:
    return loads(bytes(edit.images.view(name)), file_name=name)


def same(entries: Iterator[Entry]) -> Iterator[Entry]:
    return entries


def renamed(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.message.HasField("tc"):
            entry.message.tc.comm = "renamed"
        yield entry


@pytest.mark.parametrize(
    "name",
    [
        "demo/tree",
        "demo/sockets",
        "criu-1.1/programs/ns-ipc",
        "criu-2.12/programs/seccomp",
        "criu-4.2/programs/uns-ipc",
        "archives/podman-5.8-loop.tar.zst",
    ],
)
def test_every_image_that_is_put_through_unchanged_is_no_change(data: Path, name: str) -> None:
    with open_checkpoint(data / name) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        rewritten = 0
        for image in edit.images.names():
            try:
                assert not edit.rewrite(image, same)
            except RawImageError:
                continue
            rewritten += 1
        assert rewritten > 10
        assert edit.changes == []


def test_entries_that_are_not_changed_keep_bytes_that_protobuf_would_write_otherwise(folder: Path) -> None:
    overlong = b"\x08\x81\x00\x10\x00"  # id 1 as a varint of two bytes
    odd = b"\x32\x01\xff" + overlong  # and a name that isn't UTF-8, before it
    image = Image.new("REG_FILES")
    for record in (overlong, odd, overlong):
        image.entries.append(Entry(type(image.add().message), record=record))
        del image.entries[-2]
    dump(image, folder / "reg-files.img")
    assert (folder / "reg-files.img").read_bytes()[8:] == b"".join(
        len(record).to_bytes(4, "little") + record for record in (overlong, odd, overlong)
    )

    def change_last(entries: Iterator[Entry]) -> Iterator[Entry]:
        for index, entry in enumerate(entries):
            if index == 2:
                entry.message.id = 3
            yield entry

    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert edit.rewrite("reg-files.img", change_last)
        records = [entry.record for entry in staged(edit, "reg-files.img").entries]
    assert records == [overlong, odd, b"\x08\x03\x10\x00"]


def test_entries_may_be_changed_dropped_and_added_in_one_go(edit: Edit) -> None:
    before = staged(edit, "files.img")

    def transform(entries: Iterator[Entry]) -> Iterator[Entry]:
        for index, entry in enumerate(entries):
            if index == 1:
                continue
            if index == 2:
                entry.message.id = 777
                yield Entry(type(entry.message)(type="REG", id=888))
            yield entry
        yield Entry(type(entry.message)(type="REG", id=999))

    assert edit.rewrite("files.img", transform)
    after = staged(edit, "files.img")
    ids = [entry.message.id for entry in before.entries]
    assert [entry.message.id for entry in after.entries] == [ids[0], 888, 777, *ids[3:], 999]
    assert after.entries[3].record == before.entries[3].record


def test_all_entries_may_be_dropped_and_put_back(folder: Path, edit: Edit) -> None:
    before = staged(edit, "files.img")
    assert edit.rewrite("files.img", lambda entries: iter([]))
    assert staged(edit, "files.img").entries == []
    assert list(edit.entries("files.img")) == []
    assert edit.rewrite("files.img", lambda entries: itertools.chain(entries, before.entries))
    assert edit.changes == []


def test_changes_on_top_of_changes_add_up_and_can_be_taken_back(edit: Edit) -> None:
    def grown(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.tc.comm += "+"
            yield entry

    def shrunk(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.tc.comm = entry.message.tc.comm[:-1]
            yield entry

    assert [edit.rewrite("core-9834.img", grown) for _ in range(3)] == [True] * 3
    assert staged(edit, "core-9834.img").entries[0].message.tc.comm == "tree+++"
    assert not edit.rewrite("core-9834.img", same)
    assert len(edit.changes) == 1
    assert [edit.rewrite("core-9834.img", shrunk) for _ in range(3)] == [True] * 3
    assert edit.changes == []


def test_an_image_that_is_not_there_has_no_entries_and_is_left_alone(edit: Edit) -> None:
    assert list(edit.entries("inetsk.img")) == []
    assert not edit.rewrite("inetsk.img", lambda entries: itertools.repeat(None, 1))
    assert edit.changes == []


def test_an_image_that_was_removed_is_there_no_more_until_it_is_written(folder: Path, edit: Edit) -> None:
    edit.images.remove("files.img")
    assert list(edit.entries("files.img")) == []
    assert not edit.rewrite("files.img", same)
    assert len(edit.preview().files) == 0
    with edit.images.write("files.img") as file:
        dump(Image.new("FILES"), file)
    assert list(edit.entries("files.img")) == []
    with edit.images.write("files.img") as file:
        file.write((folder / "files.img").read_bytes())
    assert edit.changes == []
    assert len(list(edit.entries("files.img"))) > 5


def test_an_image_of_a_magic_alone_may_get_entries(data: Path) -> None:
    with (
        open_checkpoint(data / "criu-1.1/programs/ns-ipc") as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
    ):
        name = next(name for name in edit.images.names() if edit.images.size(name) == 4)
        image = staged(edit, name)
        image.add()
        assert edit.rewrite(name, lambda entries: itertools.chain(entries, image.entries))
        assert bytes(edit.images.view(name)) == dumps(image)
        assert len(list(edit.entries(name))) == 1


@pytest.mark.parametrize("name", ["ipcns-msg-11.img", "ipcns-sem-11.img", "ipcns-shm-11.img", "tcp-stream"])
def test_payloads_of_all_kinds_come_through_a_change_of_their_message(data: Path, name: str) -> None:
    paths = {
        "ipcns-msg-11.img": "criu-2.12/namespaces/msgque/ipcns-msg-10.img",
        "ipcns-sem-11.img": "criu-2.12/namespaces/sem/ipcns-sem-10.img",
        "ipcns-shm-11.img": "criu-2.12/namespaces/shm-mp/ipcns-shm-10.img",
        "tcp-stream": "criu-2.12/host/socket-tcp4v6/tcp-stream-50d9f5.img",
    }
    path = data / paths[name]

    def changed(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            holder = entry.message.desc if "desc" in entry.message.DESCRIPTOR.fields_by_name else None
            if holder is not None:
                holder.mode ^= 0o777
            else:
                entry.message.inq_seq ^= 0xFFFF
            yield entry

    with edit_image(path, dry_run=True) as (edit, file):
        assert edit.rewrite(file, changed)
        before, after = load(path), staged(edit, file)
        assert dumps(after) != dumps(before)
        assert edit.rewrite(file, changed)
        assert edit.changes == []


def test_messages_within_a_payload_can_be_changed(data: Path) -> None:
    def changed(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            for item in entry.payload:
                item.message.mtype += 1
            yield entry

    with edit_image(data / "criu-2.12/namespaces/msgque/ipcns-msg-10.img", dry_run=True) as (edit, name):
        before = [item.message.mtype for entry in edit.entries(name) for item in entry.payload]
        assert edit.rewrite(name, changed)
        after = [item.message.mtype for entry in edit.entries(name) for item in entry.payload]
    assert before
    assert after == [number + 1 for number in before]


def test_a_message_that_contradicts_its_payload_is_an_error_that_names_image_and_entry(
    folder: Path, edit: Edit
) -> None:
    def longer(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.bytes += 1
            yield entry

    with pytest.raises(DocumentError, match=r"pipes-data\.img: entries\[0\]: .*bytes"):
        edit.rewrite("pipes-data.img", longer)
    assert edit.changes == []
    assert bytes(edit.images.view("pipes-data.img")) == (folder / "pipes-data.img").read_bytes()


def test_payloads_of_any_size_stream_and_memory_stays_small(folder: Path) -> None:
    size = 64 * MIB
    image = Image.new("PIPES_DATA")
    image.add(pipe_id=1, bytes=5, payload=b"first")
    dump(image, folder / "pipes-data.img")
    with (folder / "pipes-data.img").open("ab") as file:
        record = type(image.entries[0].message)(pipe_id=2, bytes=size).SerializeToString()
        file.write(len(record).to_bytes(4, "little") + record)
        for number in range(64):
            file.write(bytes([number]) * MIB)

    def changed(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.pipe_id += 10
            yield entry

    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        tracemalloc.start()
        assert edit.rewrite("pipes-data.img", changed)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * MIB
        assert [entry.message.pipe_id for entry in edit.entries("pipes-data.img")] == [11, 12]
        before = memoryview((folder / "pipes-data.img").read_bytes())
        assert edit.images.view("pipes-data.img")[-size:] == before[-size:]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: data[:-3], "record of"),
        (lambda data: data + b"\xff\xff\xff\x7f", "record of 2147483647 bytes"),
        (lambda data: data + b"\0", "length"),
        (lambda data: data + b"\x02\0\0\0\xff\xff", "entry 25 at byte"),
        (lambda data: b"\0" * len(data), ""),
        (lambda data: data[:6], ""),
    ],
)
def test_a_damaged_image_is_not_rewritten(folder: Path, damage: object, problem: str) -> None:
    path = folder / "files.img"
    path.write_bytes(damage(path.read_bytes()))
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        for action in (lambda: edit.rewrite("files.img", same), lambda: list(edit.entries("files.img"))):
            with pytest.raises(ImageError) as caught:
                action()
            assert str(caught.value).startswith(f"{path}: ")
        assert edit.changes == []


def test_an_image_of_another_type_than_its_name_says_is_not_rewritten(folder: Path) -> None:
    shutil.copy(folder / "pstree.img", folder / "files.img")
    expected = "expected an image of type FILES, found PSTREE"
    with (
        open_checkpoint(folder) as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match=expected),
    ):
        edit.rewrite("files.img", same)


def test_an_error_in_the_midst_of_a_rewrite_leaves_what_was_staged_before(edit: Edit) -> None:
    def fails(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.tc.comm = "half"
            yield entry
        raise KeyError("transform")

    edit.rewrite("core-9834.img", renamed)
    with pytest.raises(KeyError):
        edit.rewrite("core-9834.img", fails)
    assert staged(edit, "core-9834.img").entries[0].message.tc.comm == "renamed"


def test_an_image_may_be_read_while_another_and_itself_is_rewritten(edit: Edit) -> None:
    def looking(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            comms = [other.message.tc.comm for other in edit.entries("core-9834.img")]
            edit.rewrite("core-9838.img", renamed)
            entry.message.tc.comm = comms[0] + "-seen"
            yield entry

    assert edit.rewrite("core-9834.img", looking)
    assert staged(edit, "core-9834.img").entries[0].message.tc.comm == "tree-seen"
    assert staged(edit, "core-9838.img").entries[0].message.tc.comm == "renamed"


def test_text_that_is_not_utf_8_comes_through_and_can_be_set(edit: Edit) -> None:
    def odd(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            set_text(entry.message.tc, "comm", "caf\udce9")
            yield entry

    edit.rewrite("core-9834.img", odd)
    assert b"caf\xe9" in bytes(edit.images.view("core-9834.img"))
    assert edit.preview().processes[9834].comm == "caf\udce9"
    assert not edit.rewrite("core-9834.img", same)
    edit.rewrite("core-9834.img", renamed)
    assert edit.preview().processes[9834].comm == "renamed"
