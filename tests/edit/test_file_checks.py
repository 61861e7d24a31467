"""Sizes, build-ids and modes that a restore compares files with, taken out of the images."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, dumps, load, loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.file_checks import drop_file_checks
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.types import DynamicMessage

CHECKS = ("size", "mode", "build_id", "checksum", "checksum_config", "checksum_parameter")


def image(edit: Edit, name: str) -> Image:
    return loads(bytes(edit.images.view(name)), file_name=name)


def files(found: Image) -> list[DynamicMessage]:
    """The regular files of files.img, or of reg-files.img."""
    messages = [entry.message for entry in found.entries]
    if found.type.name == "REG_FILES":
        return messages
    return [message.reg for message in messages if message.HasField("reg")]


def checks_of(message: DynamicMessage) -> set[str]:
    return {field.name for field, _ in message.ListFields()} & set(CHECKS)


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A checkpoint whose first file is the device of a terminal, and has checksums."""
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "copy", symlinks=True)
    found = load(folder / "files.img")
    first = next(entry.message for entry in found.entries if entry.message.HasField("reg"))
    first.reg.checksum, first.reg.checksum_config, first.reg.checksum_parameter = 1, 2, 3
    terminal = {"id": 900, "tty_info_id": 7, "flags": 2, "regf_id": first.id}
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    found.add(type="TTY", id=900, tty={**terminal, "fown": owner})
    dump(found, folder / "files.img")
    settings = {"id": 7, "type": "PTY", "locked": False, "exclusive": False, "packet_mode": False}
    info = Image.new("TTY_INFO")
    info.add(**settings, sid=0, pgrp=0, rdev=0)
    dump(info, folder / "tty-info.img")
    return folder


@pytest.mark.parametrize(
    "name", ["demo/tree", "criu-4.2/programs/uns-ipc", "criu-2.12/programs/seccomp", "demo/sockets"]
)
def test_no_file_has_checks_any_more_and_all_else_is_as_it_was(data: Path, name: str) -> None:
    with open_checkpoint(data / name) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        image_name = "files.img" if "files.img" in checkpoint.images else "reg-files.img"
        before = load(data / name / image_name)
        had = [checks_of(message) for message in files(before)]
        touched = drop_file_checks(edit)
        after = image(edit, image_name)
        assert any(had)
        assert len(touched) == sum(map(bool, had))
        assert not any(map(checks_of, files(after)))
        for message in files(before):
            for field in checks_of(message):
                message.ClearField(field)
        assert dumps(after) == dumps(before)
        assert [change.name for change in edit.changes] == [image_name]


@pytest.mark.parametrize(
    "name", ["demo/tree", "demo/memory/1", "criu-4.2/programs/uns-ipc", "criu-2.12/programs/seccomp"]
)
def test_the_images_are_whole_after_it(data: Path, name: str) -> None:
    with open_checkpoint(data / name) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        known = {str(finding) for finding in check(checkpoint, pages=False).findings}
        assert drop_file_checks(edit)
        assert {str(finding) for finding in check(edit.preview(), pages=False).findings} <= known
        for change in edit.changes:
            changed = image(edit, change.name)
            assert dumps(Image.from_dict(changed.to_dict(pretty=True))) == dumps(changed)


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ({"size": True}, {"size"}),
        ({"mode": True}, {"mode"}),
        ({"build_id": True}, {"build_id", "checksum", "checksum_config", "checksum_parameter"}),
        ({"size": True, "mode": True}, {"size", "mode"}),
    ],
)
def test_only_the_checks_that_were_chosen_go(folder: Path, chosen: dict[str, bool], gone: set[str]) -> None:
    none = dict.fromkeys(("size", "build_id", "mode"), False)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        drop_file_checks(edit, **{**none, **chosen})
        before, after = files(load(folder / "files.img")), files(image(edit, "files.img"))
    device = before[0].id
    for old, new in zip(before, after, strict=True):
        kept = {"mode"} & checks_of(old) if old.id == device else set()
        assert checks_of(new) == checks_of(old) - (gone - kept)


def test_the_mode_of_a_terminals_device_is_kept_since_a_restore_sets_it(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        touched = drop_file_checks(edit)
        before, after = files(load(folder / "files.img")), files(image(edit, "files.img"))
    assert checks_of(before[0]) == set(CHECKS)
    assert checks_of(after[0]) == {"mode"}
    assert "mode" not in touched[0].before
    assert touched[0].before.startswith("size ")


def test_the_mode_of_an_old_terminals_device_is_kept_too(data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "criu-2.12/programs/seccomp", tmp_path / "copy")
    device = load(folder / "reg-files.img").entries[0].message
    terminals, info = Image.new("TTY_FILES"), Image.new("TTY_INFO")
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    terminals.add(id=900, tty_info_id=7, flags=2, fown=owner, regf_id=device.id)
    info.add(id=7, type="PTY", locked=False, exclusive=False, packet_mode=False, sid=0, pgrp=0, rdev=0)
    dump(terminals, folder / "tty.img")
    dump(info, folder / "tty-info.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        drop_file_checks(edit)
        after = files(image(edit, "reg-files.img"))
    assert [checks_of(message) for message in after] == [{"mode"}] + [set()] * (len(after) - 1)


def test_terminals_without_a_device_keep_modes_from_being_dropped_and_nothing_else(folder: Path) -> None:
    found = load(folder / "files.img")
    found.entries[-1].message.tty.regf_id = 12345
    dump(found, folder / "files.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(ImageError, match="terminals-resolve"):
            drop_file_checks(edit)
        assert edit.changes == []
        assert drop_file_checks(edit, mode=False)


def test_what_is_dropped_is_told_as_people_write_it(data: Path) -> None:
    with open_checkpoint(data / "demo/tree") as checkpoint, checkpoint.edit(dry_run=True) as edit:
        touched = {item.what: item for item in drop_file_checks(edit)}
    program = touched["checks of /srv/demo/tree"]
    message = next(
        entry.message.reg
        for entry in load(data / "demo/tree/files.img").entries
        if entry.message.reg.name == "/srv/demo/tree"
    )
    words = b"".join(word.to_bytes(4, "little") for word in message.build_id)
    assert program.before == f"size {message.size}, build-id {words.hex()}, mode {message.mode:o}"
    assert program.after == ""
    assert program.place.startswith("files.img entries[")


def test_a_build_id_of_a_big_endian_host_is_told_in_its_bytes(tmp_path: Path) -> None:
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    inventory, found = (Image.new(name, byte_order="big") for name in ("INVENTORY", "FILES"))
    inventory.add(img_version=2)
    file = {"id": 1, "flags": 0, "pos": 0, "fown": owner, "name": "/p", "build_id": [0x01020304, 0x05060708]}
    found.add(type="REG", id=1, reg=file)
    dump(inventory, tmp_path / "inventory.img")
    dump(found, tmp_path / "files.img")
    with open_checkpoint(tmp_path) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        (touched,) = drop_file_checks(edit)
    assert touched.before == "build-id 0102030405060708"


def test_nothing_is_changed_where_no_file_has_checks(data: Path) -> None:
    path = data / "criu-1.1/programs/ns-ipc"
    with open_checkpoint(path) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert len(checkpoint.files)
        assert drop_file_checks(edit) == []
        assert edit.changes == []


def test_it_does_nothing_more_when_done_twice(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_file_checks(edit)
        assert drop_file_checks(edit) == []


def test_a_damaged_image_is_an_error_and_nothing_is_changed(folder: Path) -> None:
    data = (folder / "files.img").read_bytes()
    (folder / "files.img").write_bytes(data[:-3])
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(ImageError, match=r"files\.img"):
            drop_file_checks(edit)
        assert edit.changes == []
