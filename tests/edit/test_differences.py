"""What an edit changes, field by field."""

from __future__ import annotations

import itertools
import json
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, dumps, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.differences import ABSENT, FieldChange, changed_values, differences
from dyncrit.edit.opening import edit_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry

MIB = 1 << 20


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


@pytest.fixture
def edit(folder: Path) -> Iterator[Edit]:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        yield edit


def change(edit: Edit, name: str, action: Callable[[Image], object]) -> None:
    """Write an image as ``action`` leaves it."""
    with edit.images.open(name) as file:
        image = load(file, file_name=name)
    action(image)
    with edit.images.write(name) as file:
        file.write(dumps(image))


def found(edit: Edit) -> list[tuple[str, object, object]]:
    return [(item.path, item.before, item.after) for item in differences(edit)]


def test_a_field_is_told_as_decode_pretty_shows_it(edit: Edit) -> None:
    def action(image: Image) -> None:
        image.entries[0].message.tc.comm = "renamed"
        image.entries[0].message.tc.task_state = 6
        image.entries[0].message.thread_info.clear_tid_addr = 0x1000

    change(edit, "core-9834.img", action)
    changes = {item.path: item for item in differences(edit)}
    assert changes.pop("entries[0].thread_info.clear_tid_addr").after == "0x1000"
    assert list(changes.values()) == [
        FieldChange("core-9834.img", "entries[0].tc.task_state", "Alive", "Stopped"),
        FieldChange("core-9834.img", "entries[0].tc.comm", "tree", "renamed"),
    ]


def test_a_field_that_comes_or_goes_is_absent_on_one_side(edit: Edit) -> None:
    def action(image: Image) -> None:
        image.entries[0].message.thread_core.seccomp_mode = 1
        image.entries[0].message.tc.ClearField("comm")

    change(edit, "core-9834.img", action)
    assert set(found(edit)) == {
        ("entries[0].thread_core.seccomp_mode", ABSENT, "strict"),
        ("entries[0].tc.comm", "tree", ABSENT),
    }


def test_lists_are_told_item_by_item(edit: Edit) -> None:
    def action(image: Image) -> None:
        threads = image.entries[0].message.threads
        threads[1] = 77
        threads.append(88)

    change(edit, "pstree.img", action)
    assert found(edit) == [("entries[0].threads[1]", 9836, 77), ("entries[0].threads[3]", ABSENT, 88)]


@pytest.mark.parametrize("dropped", [[0], [3], [-1], [0, 5, 9], [1, 2, 3], list(range(10))])
def test_dropped_entries_are_told_and_none_of_the_others(edit: Edit, dropped: list[int]) -> None:
    with edit.images.open("files.img") as file:
        count = len(load(file).entries)
    gone = sorted(index % count for index in dropped)

    def action(image: Image) -> None:
        image.entries = [entry for index, entry in enumerate(image.entries) if index not in gone]

    change(edit, "files.img", action)
    assert [(path, after) for path, _, after in found(edit)] == [
        (f"entries[{index}]", ABSENT) for index in gone
    ]
    assert all(before["id"] for _, before, _ in found(edit))


def test_entries_that_are_dropped_added_and_changed_at_once_are_told_apart(edit: Edit) -> None:
    def action(image: Image) -> None:
        image.entries[4].message.reg.name = "/elsewhere"
        image.add(type="REG", id=999)
        image.add(type="REG", id=998)
        del image.entries[1]

    with edit.images.open("files.img") as file:
        before = load(file)
    assert before.entries[4].message.HasField("reg")
    count = len(before.entries)
    change(edit, "files.img", action)
    assert [item[0] for item in found(edit)] == [
        "entries[1]",
        "entries[4].reg.name",
        f"entries[{count - 1}]",
        f"entries[{count}]",
    ]


def test_an_entry_that_was_replaced_by_one_of_another_id_is_told(edit: Edit) -> None:
    def action(image: Image) -> None:
        image.entries[2].message.id = 4711

    change(edit, "files.img", action)
    ((path, _, after),) = found(edit)
    assert (path, after) == ("entries[2].id", 4711)


def test_removed_and_new_files_are_told_by_their_size(folder: Path, edit: Edit) -> None:
    size = (folder / "stats-dump").stat().st_size
    edit.images.remove("stats-dump")
    with edit.images.write("new.img") as file:
        file.write(b"12345")
    assert list(differences(edit)) == [
        FieldChange("new.img", "", ABSENT, "5 bytes"),
        FieldChange("stats-dump", "", f"{size} bytes", ABSENT),
    ]


def test_bytes_of_raw_files_are_told_by_range(tmp_path: Path, data: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "pages", symlinks=True)
    (folder / "pages-99.img").write_bytes(bytes(1 << 18))
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with edit.images.modify("pages-99.img") as file:
            for position, text in ((10, b"ab"), (113, b"c"), ((1 << 16) - 2, b"wxyz"), ((1 << 18) - 1, b"!")):
                file.seek(position)
                file.write(text)
        assert found(edit) == [
            ("byte 10", "00 00", "61 62"),
            ("byte 113", "00", "63"),
            (f"byte {(1 << 16) - 2}", "00 00 00 00", "77 78 79 7a"),
            (f"byte {(1 << 18) - 1}", "00", "21"),
        ]


def test_long_ranges_of_bytes_are_cut_and_their_length_told(tmp_path: Path, data: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "pages", symlinks=True)
    (folder / "pages-99.img").write_bytes(bytes(1 << 18))
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with edit.images.write("pages-99.img") as file:
            file.write(bytes(100) + b"\1" * (1 << 17))
        (size, content) = found(edit)
    assert size == ("", f"{1 << 18} bytes", f"{(1 << 17) + 100} bytes")
    assert content == (
        "byte 100",
        f"{'00 ' * 32}... ({(1 << 18) - 100} bytes)",
        f"{'01 ' * 32}... ({1 << 17} bytes)",
    )


def test_an_image_becoming_no_image_is_told_in_bytes(edit: Edit) -> None:
    with edit.images.write("core-9834.img") as file:
        file.write(b"no image")
    assert [path for path, _, _ in found(edit)][:1] == [""]


def test_a_change_that_documents_dont_show_is_told_in_bytes(folder: Path, edit: Edit) -> None:
    def reframed(data: bytes) -> bytes:
        return data[4:]  # without the first of two magics, as CRIU up to 1.5 has it

    with edit.images.write("pstree.img") as file:
        file.write(reframed((folder / "pstree.img").read_bytes()))
    changes = found(edit)
    assert changes
    assert all(path == "" or path.startswith("byte ") for path, _, _ in changes)


def test_a_payload_that_is_small_is_told_as_decode_shows_it(edit: Edit) -> None:
    def action(image: Image) -> None:
        image.entries[0].payload = b"x" * image.entries[0].message.bytes

    change(edit, "pipes-data.img", action)
    ((path, before, after),) = found(edit)
    assert path == "entries[0].extra"
    assert before != after


@pytest.mark.parametrize("change_payload", [True, False])
def test_a_large_payload_is_told_by_its_hash_and_only_if_it_changed(
    tmp_path: Path, change_payload: bool
) -> None:
    image = Image.new("PIPES_DATA")
    image.add(pipe_id=1, bytes=MIB, payload=bytes(MIB))
    image.add(pipe_id=2, bytes=10, payload=bytes(10))
    dump(image, tmp_path / "pipes-data.img")

    def action(image: Image) -> None:
        image.entries[0].message.pipe_id = 3
        if change_payload:
            image.entries[0].payload = bytes(MIB - 1) + b"!"

    with edit_image(tmp_path / "pipes-data.img", dry_run=True) as (edit, name):
        change(edit, name, action)
        first, *rest = found(edit)
    assert first == ("entries[0].pipe_id", 1, 3)
    if change_payload:
        ((path, before, after),) = rest
        assert path == "entries[0].extra"
        assert before != after
        assert str(before).startswith(f"{MIB} bytes, hash ")
    else:
        assert rest == []


def test_memory_stays_small_for_large_payloads_and_many_entries(tmp_path: Path) -> None:
    image = Image.new("PIPES_DATA")
    image.add(pipe_id=1, bytes=48 * MIB, payload=bytes(48 * MIB))
    dump(image, tmp_path / "pipes-data.img")
    many = Image.new("PAGEMAP")
    many.add(pages_id=1)
    entry = {"compat_nr_pages": 0, "flags": 4, "nr_pages": 1}
    for number in range(20_000):
        many.add(vaddr=number << 12, **entry)
    dump(many, tmp_path / "pagemap-1.img")
    del image, many

    def renumbered(entries: Iterator[Entry]) -> Iterator[Entry]:
        for item in entries:
            item.message.pipe_id = 7
            yield item

    def cut(entries: Iterator[Entry]) -> Iterator[Entry]:
        return itertools.islice(entries, 10_000)

    with edit_image(tmp_path / "pipes-data.img", dry_run=True) as (edit, name):
        edit.rewrite(name, renumbered)
        edit.rewrite("pagemap-1.img", cut)
        tracemalloc.start()
        paths = sum(1 for _ in differences(edit))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert paths == 1 + 10_001
    assert peak < 8 * MIB


def test_what_engines_say_is_told_by_key(data: Path) -> None:
    with (
        open_checkpoint(data / "archives/podman-4.3-app.tar.gz") as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
    ):
        document = json.loads(bytes(edit.outer.view("spec.dump")))
        old = document["hostname"]
        document["hostname"] = "web"
        del document["ociVersion"]
        with edit.outer.write("spec.dump") as file:
            file.write(json.dumps(document).encode())
        changes = {item.path: item for item in differences(edit)}
    assert set(changes) == {"hostname", "ociVersion"}
    assert changes["hostname"] == FieldChange("spec.dump", "hostname", old, "web")
    assert changes["ociVersion"].after is ABSENT


def test_json_that_is_nested_too_deeply_to_be_printed_is_told_in_bytes(folder: Path) -> None:
    for depth, path in ((190, "[0]" * 190), (300, "byte 300")):
        (folder / "descriptors.json").write_bytes(b"[" * depth + b"1" + b"]" * depth)
        with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
            with edit.images.write("descriptors.json") as file:
                file.write(b"[" * depth + b"2" + b"]" * depth)
            assert [item.path for item in differences(edit)] == [path]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"a": 1}', b'{"a":1}'),
        (b'{"a": 1, "a": 2}', b'{"a": 3, "a": 2}'),
        (b"{" * 100_000, b"{" * 99_999),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"a":' * 100_000 + b"2" + b"}" * 100_000),
        (b"[" * 300 + b"1" + b"]" * 300, b"[" * 300 + b"2" + b"]" * 300),
        (b"[" * 900 + b"1" + b"]" * 900, b"[" * 900 + b"2" + b"]" * 900),
        (b'{"a": ' + b"9" * 5000 + b"}", b'{"a": ' + b"8" * 5000 + b"}"),
        (b'{"a": 1}', b'{"a": '),
        (b'{"a": 1}', b""),
        (b"", b'{"a": 1}'),
        (b'{"a": "\xff"}', b'{"a": "\xfe"}'),
    ],
)
def test_odd_json_is_told_one_way_or_the_other(folder: Path, before: bytes, after: bytes) -> None:
    (folder / "descriptors.json").write_bytes(before)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with edit.images.write("descriptors.json") as file:
            file.write(after)
        assert list(differences(edit))


def test_nothing_is_told_of_an_edit_without_changes(edit: Edit) -> None:
    for name in edit.images.names():
        with edit.images.modify(name):
            pass
    assert list(differences(edit)) == []


def test_images_of_old_releases_and_other_byte_orders_are_told(tmp_path: Path) -> None:
    image = Image.new("REG_FILES", byte_order="big")
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    image.add(id=1, flags=2, pos=0, fown=owner, name="/a")
    dump(image, tmp_path / "reg-files.img")

    def action(image: Image) -> None:
        image.entries[0].message.flags = 1

    with edit_image(tmp_path / "reg-files.img", dry_run=True) as (edit, name):
        change(edit, name, action)
        assert found(edit) == [("entries[0].flags", "O_RDWR", "O_WRONLY")]


def test_text_that_is_not_utf_8_is_told(edit: Edit) -> None:
    with edit.images.open("core-9834.img") as file:
        data = file.read()
    with edit.images.write("core-9834.img") as file:
        file.write(data.replace(b"\x04tree", b"\x04tre\xe9"))
    changes = found(edit)
    assert ("entries[0].tc.comm", "tree", "tre\udce9") in changes


def test_a_change_as_json_has_no_key_for_what_is_not_there() -> None:
    assert FieldChange("f", "p", ABSENT, None).to_dict() == {"file": "f", "path": "p", "after": None}
    assert FieldChange("f", "p", 0, ABSENT).to_dict() == {"file": "f", "path": "p", "before": 0}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 1, []),
        (1, True, [("", 1, True)]),
        (0, None, [("", 0, None)]),
        ([], {}, [("", [], {})]),
        ({"a": []}, {"a": [1]}, [("a[0]", ABSENT, 1)]),
        ({"a": None}, {}, [("a", None, ABSENT)]),
        ({"a": {"b": 1}}, {"a": 1}, [("a", {"b": 1}, 1)]),
        ([[1], [2]], [[1], [3, 4]], [("[1][0]", 2, 3), ("[1][1]", ABSENT, 4)]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2, "c": 3}, [("b", 1, 2), ("a", 1, 2), ("c", ABSENT, 3)]),
    ],
)
def test_values_are_compared_by_their_place(
    before: object, after: object, expected: list[tuple[str, object, object]]
) -> None:
    assert list(changed_values(before, after)) == expected
