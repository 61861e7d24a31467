"""Rules of sockets: each broken once, and nothing else is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Copy

    from dyncrit import Image

_STREAM = "tcp-stream-5f32c7.img"


def _peer(value: int, flags: int = 0):
    def edit(image: Image) -> None:
        socket = next(entry.message.usk for entry in image.entries if entry.message.id == 8)
        socket.peer, socket.uflags = value, flags

    return edit


def test_sockets_of_all_kinds_are_clean(sockets: Copy) -> None:
    assert sockets.found() == []


def test_a_unix_socket_whose_other_end_is_missing_is_found(sockets: Copy) -> None:
    assert sockets.change("files.img", _peer(77)).found() == [("unix-peers-resolve", "files.img", "usk.peer")]


@pytest.mark.parametrize(("peer", "flags"), [(6238913, 0), (77, 1 << 3)])
def test_other_ends_may_be_any_socket_or_come_from_outside(sockets: Copy, peer: int, flags: int) -> None:
    assert sockets.change("files.img", _peer(peer, flags)).found() == []


def test_a_packet_for_no_socket_is_found(sockets: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.id_for = 99

    found = sockets.change("sk-queues.img", edit).check()
    assert [(finding.rule.id, finding.message, finding.severity) for finding in found] == [
        ("socket-queues-resolve", "22 bytes wait for socket 0x63, which isn't there", "warning")
    ]


def test_a_passed_file_that_is_missing_is_found(sockets: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.scm.add(type=1, rights=[4, 99])

    assert sockets.change("sk-queues.img", edit).found() == [
        ("passed-files-resolve", "sk-queues.img", "entry 0: scm[0].rights[1]")
    ]


def test_a_connection_without_its_state_is_found(sockets: Copy) -> None:
    assert sockets.remove(_STREAM).found() == [("tcp-streams-present", _STREAM, "")]


def test_connections_that_were_dumped_as_closed_need_no_state(sockets: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.tcp_close = True

    assert sockets.remove(_STREAM).change("inventory.img", edit).found() == []


@pytest.mark.parametrize(
    ("own", "socket", "expected"),
    [(2, 77, []), (9, 9, []), (9, 77, [("socket-namespaces-resolve", "files.img", "usk.ns_id")])],
)
def test_a_socket_needs_its_namespace_where_networks_were_dumped(
    sockets: Copy, own: int, socket: int, expected: list[tuple[str, str, str]]
) -> None:
    def move(image: Image) -> None:
        image.entries[0].message.net_ns_id = own

    def edit(image: Image) -> None:
        for entry in image.entries:
            for part in ("usk", "isk"):
                if entry.message.HasField(part):
                    getattr(entry.message, part).ns_id = own
        next(entry.message.usk for entry in image.entries if entry.message.id == 8).ns_id = socket

    sockets.change("ids-9860.img", move).change("files.img", edit)
    assert sockets.found(rules=["socket-namespaces-resolve"]) == expected
