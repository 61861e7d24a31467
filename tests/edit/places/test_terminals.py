"""Another number for a pseudo terminal, at both its ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.places.terminals import MAX_TERMINAL, remap_terminal, terminal_numbers
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene

FOWN = dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0)
SLAVE, MASTER = 136 << 8, 5 << 8 | 2
PTY, EXTERNAL = 1, 5


def terminal(identity: int, device: int, number: int | None, **fields: object) -> dict[str, object]:
    flags = dict.fromkeys(("locked", "exclusive", "packet_mode"), False)
    pty = {} if number is None else {"pty": {"index": number}}
    kind = EXTERNAL if number is None else PTY
    return {"id": identity, "type": kind, **flags, "sid": 0, "pgrp": 0, "rdev": device, **pty, **fields}


def files(scene: Scene, *entries: tuple[int, str | int]) -> Scene:
    """Regular files by their names, and open terminals by the ids of their settings, with the file behind."""
    made = []
    for identity, value in entries:
        common = {"id": identity, "flags": 0, "fown": FOWN}
        if isinstance(value, str):
            made.append({"type": "REG", "id": identity, "reg": {**common, "pos": 0, "name": value}})
        else:
            tty = {**common, "tty_info_id": value, "regf_id": identity + 1}
            made.append({"type": "TTY", "id": identity, "tty": tty})
    return scene.write("files.img", "FILES", *made)


def both_ends(scene: Scene, number: int = 3) -> Scene:
    """A terminal whose slave is file 1, and its master file 3."""
    scene.write(
        "tty-info.img",
        "TTY_INFO",
        terminal(number << 1, SLAVE | number, number),
        terminal(number << 1 | 1, MASTER, number),
    )
    scene.write("tty-data.img", "TTY_DATA", {"tty_id": number << 1, "data": b"3\n"})
    return files(scene, (1, number << 1), (2, f"/dev/pts/{number}"), (3, number << 1 | 1), (4, "/dev/ptmx"))


def test_both_ends_get_the_number(scene: Scene) -> None:
    outcome = both_ends(scene).change(remap_terminal, 3, 5)
    assert outcome.values == {
        "files.img entries[0].tty.tty_info_id": (6, 10),
        "files.img entries[1].reg.name": ("/dev/pts/3", "/dev/pts/5"),
        "files.img entries[2].tty.tty_info_id": (7, 11),
        "tty-data.img entries[0].tty_id": (6, 10),
        "tty-info.img entries[0].id": (6, 10),
        "tty-info.img entries[0].rdev": (SLAVE | 3, SLAVE | 5),
        "tty-info.img entries[0].pty.index": (3, 5),
        "tty-info.img entries[1].id": (7, 11),
        "tty-info.img entries[1].pty.index": (3, 5),
    }
    assert outcome.after.change(remap_terminal, 5, 3).after.bytes() == scene.bytes()


def test_numbers_over_a_byte_are_split_as_stat_does(scene: Scene) -> None:
    before, after = os.makedev(136, 0x2AB), os.makedev(136, 0x1CD)
    ends = terminal(0x556, before, 0x2AB), terminal(0x557, MASTER, 0x2AB)
    both_ends(scene, 0x2AB).write("tty-info.img", "TTY_INFO", *ends)
    outcome = scene.change(remap_terminal, 0x2AB, 0x1CD)
    assert outcome.values["tty-info.img entries[0].rdev"] == (before, after)


@pytest.mark.parametrize(
    ("name", "count"),
    [("criu-4.2/host-32bit/pty00", 10), ("criu-2.12/host/pty00", 10), ("criu-4.2/host-32bit/vt", 0)],
)
def test_real_terminals_move_and_come_back(
    from_corpus: Callable[[str], Scene], name: str, count: int
) -> None:
    scene = from_corpus(name)
    there = scene.change(remap_terminal, 0, 300)
    assert len(there.touched) == count
    assert there.after.change(remap_terminal, 300, 0).after.bytes() == scene.bytes()


def test_mounts_of_a_terminal_follow(scene: Scene) -> None:
    both_ends(scene).mounts(
        (1, 99, "/"),
        {"mnt_id": 2, "parent_mnt_id": 1, "mountpoint": "/dev/console", "root": "/3", "fstype": 6},
        {"mnt_id": 3, "parent_mnt_id": 1, "mountpoint": "/three", "root": "/3", "fstype": 5},
    )
    outcome = scene.change(remap_terminal, 3, 5)
    assert outcome.values["mountpoints-7.img entries[1].root"] == ("/3", "/5")
    assert "mountpoints-7.img entries[0].root" not in outcome.values


def test_a_path_outside_of_devpts_follows_through_its_id(scene: Scene) -> None:
    both_ends(scene)
    files(
        scene, (1, 6), (2, "/jail/dev/pts/3"), (3, 6), (4, "/dev/console"), (5, "/srv/3"), (6, "/dev/pts/3")
    )
    outcome = scene.change(remap_terminal, 3, 5)
    names = {
        entry["id"]: entry["reg"]["name"] for entry in outcome.after.entries("files.img") if "reg" in entry
    }
    assert names == {2: "/jail/dev/pts/5", 4: "/dev/console", 5: "/srv/3", 6: "/dev/pts/5"}


def test_one_from_outside_goes_by_its_new_device(scene: Scene) -> None:
    scene.write("tty-info.img", "TTY_INFO", terminal(2024, SLAVE | 3, None, dev=0x2A))
    outcome = scene.change(remap_terminal, 3, 5)
    assert [(item.before, item.after) for item in outcome.touched] == [("tty[8803:2a]", "tty[8805:2a]")]


@pytest.mark.parametrize("image", ["tty-info", "files", "mount", "external"])
def test_a_number_that_is_taken_is_refused(scene: Scene, image: str) -> None:
    both_ends(scene)
    ends = [terminal(6, SLAVE | 3, 3), terminal(7, MASTER, 3)]
    if image == "tty-info":
        scene.write("tty-info.img", "TTY_INFO", *ends, terminal(11, MASTER, 5))
    elif image == "external":
        scene.write("tty-info.img", "TTY_INFO", *ends, terminal(2024, SLAVE | 5, None))
    elif image == "files":
        files(scene, (1, 6), (2, "/dev/pts/3"), (7, "/dev/pts/5"))
    else:
        bound = {"mnt_id": 2, "parent_mnt_id": 1, "mountpoint": "/dev/console", "root": "/5", "fstype": 6}
        scene.mounts((1, 99, "/"), bound)
    with pytest.raises(DyncritError, match="has a terminal /dev/pts/5 already"):
        scene.change(remap_terminal, 3, 5)


def test_a_terminal_that_is_not_there_changes_nothing(scene: Scene) -> None:
    outcome = both_ends(scene).change(remap_terminal, 4, 3)
    assert outcome.touched == []


@pytest.mark.parametrize(
    ("old", "new"), [("3", "3"), ("3", str(MAX_TERMINAL + 1)), ("x", "3"), ("3", "-1"), ("", "1")]
)
def test_what_is_no_pair_of_numbers_is_refused(old: str, new: str) -> None:
    with pytest.raises(DyncritError, match=r"expected the number|the same|CRIU restores"):
        terminal_numbers(old, new)


@pytest.mark.parametrize("old", ["3", "pts/3", "/dev/pts/3", "03"])
def test_terminals_are_called_by_number_or_path(old: str) -> None:
    assert terminal_numbers(old, "/dev/pts/1000") == (3, 1000)


def test_an_open_terminal_without_settings_stops_it(scene: Scene) -> None:
    both_ends(scene)
    files(scene, (1, 6), (2, "/dev/pts/3"), (3, 99), (4, "/dev/ptmx"))
    with pytest.raises(ImageError, match="nothing was changed"):
        scene.change(remap_terminal, 3, 5)
