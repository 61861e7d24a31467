"""Rules of mounts: each broken once, and nothing else is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Copy

    from dyncrit import Image

_NAME = "mountpoints-13.img"


@pytest.fixture
def mounts(copy) -> Copy:
    """Ten mounts: 144 at /, 145 at /proc, 146 and 147 on that, and others."""
    return copy("criu-4.2/programs/binfmt")


def _move(mount: int, parent: int):
    def edit(image: Image) -> None:
        next(entry.message for entry in image.entries if entry.message.mnt_id == mount).parent_mnt_id = parent

    return edit


def test_a_whole_tree_is_clean(mounts: Copy) -> None:
    assert mounts.found() == []


def test_a_mount_without_its_parent_is_found(mounts: Copy) -> None:
    found = mounts.change(_NAME, _move(153, 77)).check()
    assert [(finding.rule.id, finding.file, finding.message) for finding in found] == [
        ("mount-tree", _NAME, "mount 153 at '/mnt': its parent, mount 77, isn't there")
    ]


def test_mounts_on_each_other_are_found_once(mounts: Copy) -> None:
    found = mounts.change(_NAME, _move(145, 147)).found()
    assert found == [("mount-tree", _NAME, "parent_mnt_id")]


def test_a_tree_whose_root_is_elsewhere_is_found(mounts: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[-1].message.mountpoint = "/elsewhere"

    assert mounts.change(_NAME, edit).found() == [("mount-tree", _NAME, "mountpoint")]


def test_a_mount_that_is_there_twice_is_found(mounts: Copy) -> None:
    mounts.change(_NAME, lambda image: image.entries.append(image.entries[0]))
    assert mounts.found() == [("mount-tree", _NAME, "entry 10: mnt_id")]


def test_a_file_on_no_mount_is_found(mounts: Copy) -> None:
    def edit(image: Image) -> None:
        next(entry for entry in image.entries if entry.message.HasField("reg")).message.reg.mnt_id = 77

    assert mounts.change("files.img", edit).found() == [("file-mounts-resolve", "files.img", "reg.mnt_id")]


def test_files_need_no_mount_where_mounts_were_not_dumped(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.reg.mnt_id = 77

    assert tree.change("files.img", edit).found() == []


def test_a_watched_mount_that_is_missing_is_found(mounts: Copy) -> None:
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    mark = {
        "id": 50,
        "type": "MOUNT",
        "mflags": 0,
        "mask": 1,
        "ignored_mask": 0,
        "s_dev": 1,
        "me": {"mnt_id": 77},
    }
    entry = {"id": 50, "flags": 0, "fown": owner, "faflags": 0, "evflags": 0, "mark": [mark]}
    mounts.change("files.img", lambda image: image.add(type="FANOTIFY", id=50, ffy=entry))
    assert mounts.found() == [("file-mounts-resolve", "files.img", "ffy.mark[0].me.mnt_id")]
