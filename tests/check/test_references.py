"""Rules of what open files refer to: each broken once, and nothing else is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Copy

    from dyncrit import Image

_FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
_TERMINAL = {"type": "PTY", "locked": False, "exclusive": False, "packet_mode": False, "sid": 0, "pgrp": 0}


def _add(copy: Copy, kind: str, part: str, **fields: object) -> Copy:
    """An open file with the id 50."""
    entry = {"id": 50, "fown": _FOWN, **fields}
    if part in ("fifo", "nsf"):
        del entry["fown"]
    return copy.change("files.img", lambda image: image.add(type=kind, id=50, **{part: entry}))


@pytest.fixture
def terminal(tree: Copy) -> Copy:
    """A checkpoint with an open terminal."""
    tree.write("tty-info.img", "TTY_INFO", {**_TERMINAL, "id": 5, "rdev": 0})
    return _add(tree, "TTY", "tty", tty_info_id=5, flags=0, regf_id=4)


def test_a_whole_terminal_is_clean(terminal: Copy) -> None:
    assert terminal.write("tty-data.img", "TTY_DATA", {"tty_id": 5, "data": b"x"}).found() == []


def test_a_terminal_without_settings_is_found(terminal: Copy) -> None:
    assert terminal.remove("tty-info.img").found() == [("terminals-resolve", "files.img", "tty.tty_info_id")]


def test_a_terminal_whose_device_is_no_file_is_found(tree: Copy) -> None:
    tree.write("tty-info.img", "TTY_INFO", {**_TERMINAL, "id": 5, "rdev": 0})
    _add(tree, "TTY", "tty", tty_info_id=5, flags=0, regf_id=99)
    assert tree.found() == [("terminals-resolve", "files.img", "tty.regf_id")]


def test_terminal_data_of_no_terminal_is_found(terminal: Copy) -> None:
    terminal.write("tty-data.img", "TTY_DATA", {"tty_id": 6, "data": b"x"})
    assert terminal.found() == [("terminal-data-resolves", "tty-data.img", "entry 0: tty_id")]


def test_a_fifo_without_its_path_is_found(tree: Copy) -> None:
    _add(tree, "FIFO", "fifo", pipe_id=1, regf_id=99)
    assert tree.found() == [("fifos-resolve", "files.img", "fifo.regf_id")]


def test_data_of_no_pipe_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.pipe_id = 1

    found = tree.change("pipes-data.img", edit).check()
    assert [(finding.rule.id, finding.place, finding.severity) for finding in found] == [
        ("pipe-data-resolves", "entry 0: pipe_id", "warning")
    ]


def test_a_memory_file_without_an_inode_is_found(copy) -> None:
    def edit(image: Image) -> None:
        memory = next(entry.message for entry in image.entries if entry.message.HasField("memfd"))
        memory.memfd.inode_id = 99

    found = copy("demo/memory/1").change("files.img", edit).found()
    assert ("memory-files-resolve", "files.img", "memfd.inode_id") in found


def test_an_epoll_target_that_is_not_open_is_found(sockets: Copy) -> None:
    def edit(image: Image) -> None:
        next(entry for entry in image.entries if entry.message.HasField("epfd")).message.epfd.tfd[1].tfd = 99

    assert sockets.change("files.img", edit).found() == [
        ("epoll-targets-resolve", "files.img", "epfd.tfd[1].tfd")
    ]


@pytest.mark.parametrize(
    ("name", "type_name", "fields"),
    [
        ("eventpoll-tfd.img", "EVENTPOLL_TFD", {"tfd": 0, "events": 1, "data": 0}),
        (
            "inotify-wd.img",
            "INOTIFY_WD",
            {
                "i_ino": 1,
                "mask": 1,
                "ignored_mask": 0,
                "s_dev": 1,
                "wd": 1,
                "f_handle": {"bytes": 0, "type": 0},
            },
        ),
        (
            "fanotify-mark.img",
            "FANOTIFY_MARK",
            {"type": "INODE", "mflags": 0, "mask": 1, "ignored_mask": 0, "s_dev": 1},
        ),
    ],
)
def test_watches_of_no_file_in_old_images_are_found(
    sockets: Copy, name: str, type_name: str, fields: dict[str, object]
) -> None:
    sockets.write(name, type_name, {"id": 99, **fields})
    assert sockets.found(rules=["watches-resolve"]) == [("watches-resolve", name, "entry 0: id")]


def test_a_file_of_a_namespace_that_no_task_is_in_is_found(tree: Copy) -> None:
    _add(tree, "NS", "nsf", ns_id=99, ns_cflag=0x4000_0000, flags=0)
    assert tree.found() == [("namespace-files-resolve", "files.img", "nsf.ns_id")]


def test_a_file_of_a_namespace_of_a_task_is_fine(tree: Copy) -> None:
    assert _add(tree, "NS", "nsf", ns_id=2, ns_cflag=0x4000_0000, flags=0).found() == []


@pytest.mark.parametrize(
    ("pid", "expected"), [(9838, []), (-1, []), (77, [("process-files-resolve", "files.img", "pidfd.nspid")])]
)
def test_a_pidfd_needs_its_process_unless_that_had_ended(
    tree: Copy, pid: int, expected: list[tuple[str, str, str]]
) -> None:
    assert _add(tree, "PIDFD", "pidfd", ino=1, flags=0, nspid=pid).found() == expected


def test_data_of_no_map_is_found(copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.map_id = 99

    found = copy("criu-4.2/host/bpf_hash").change("bpfmap-data.img", edit).found()
    assert found == [("bpf-data-resolves", "bpfmap-data.img", "entry 0: map_id")]


@pytest.mark.parametrize(
    ("pid", "fd", "expected"),
    [
        (9834, 3, []),
        (77, 3, [("lock-owners-resolve", "filelocks.img", "entry 0: pid")]),
        (9834, 99, [("lock-files-resolve", "filelocks.img", "entry 0: fd")]),
    ],
)
def test_a_lock_needs_its_owner_and_its_descriptor(
    tree: Copy, pid: int, fd: int, expected: list[tuple[str, str, str]]
) -> None:
    lock = {"flag": 1, "type": 1, "pid": pid, "fd": fd, "start": 0, "len": 0}
    assert tree.write("filelocks.img", "FILE_LOCKS", lock).found() == expected
