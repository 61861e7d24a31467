"""``drop-tcp``: what becomes of connections, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.edit.network.tcp import drop_tcp
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Callable

Describe = Any


@pytest.fixture
def connected(scene: Any, tcp: Describe, udp: Describe) -> Any:
    """A listening socket, a connection through it, and a connected UDP socket."""
    return scene.sockets(
        tcp("10.0.0.7:80"), tcp("10.0.0.7:80", "10.0.0.9:5000", ino=0xABC), udp("10.0.0.7:53", "10.0.0.9:1")
    )


def test_a_connection_becomes_a_closed_socket(connected: Any) -> None:
    outcome = connected.change(drop_tcp)
    assert outcome.touched == [
        Touched("files.img entries[1]", "TCP connection, established", "10.0.0.7:80 to 10.0.0.9:5000"),
        Touched("tcp-stream-abc.img", "data of the connection", "3 bytes not read, 5 not delivered"),
    ]
    socket = outcome.after.entries("files.img")[1]["isk"]
    fields = ("state", "src_port", "dst_port", "src_addr", "dst_addr", "backlog", "shutdown")
    assert [socket[field] for field in fields] == [7, 0, 0, [0], [0], 0, "BOTH"]


def test_its_data_goes_and_all_else_stays(connected: Any) -> None:
    outcome = connected.change(drop_tcp)
    assert connected.bytes().keys() - outcome.after.bytes().keys() == {"tcp-stream-abc.img"}
    assert {path.split(".isk")[0] for path in outcome.values} == {
        "files.img entries[1]",
        "tcp-stream-abc.img ",
    }


def test_the_check_finds_nothing_afterwards_that_was_not_there(real: Callable[[str], Any]) -> None:
    outcome = real("demo/sockets").change(drop_tcp)
    assert len(outcome.touched) == 4
    assert outcome.after.findings() == []


def test_once_dropped_there_is_nothing_to_drop(connected: Any) -> None:
    assert connected.change(drop_tcp).after.change(drop_tcp).touched == []


@pytest.mark.parametrize("state", ["syn-sent", "close-wait", "close"])
def test_all_that_has_another_end_goes(scene: Any, tcp: Describe, state: str) -> None:
    outcome = scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000", state)).change(drop_tcp)
    assert outcome.after.ends() == ["0.0.0.0:0"]


def test_a_raw_socket_of_tcp_packets_stays(scene: Any, other: Describe) -> None:
    scene.sockets(other("raw", "10.0.0.7:6", "10.0.0.9:6", proto=6))
    (scene.images / "tcp-stream-1.img").unlink()
    assert scene.change(drop_tcp).touched == []


def test_images_of_older_releases_change(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.9]:5000"), old=True)
    outcome = scene.change(drop_tcp)
    assert outcome.after.ends() == ["[::]:0"]
    assert outcome.after.entries("inetsk.img")[0]["src_addr"] == [0, 0, 0, 0]
    assert not (outcome.after.images / "tcp-stream-1.img").exists()


def test_a_missing_image_of_data_is_no_reason_to_keep_the_connection(connected: Any) -> None:
    (connected.images / "tcp-stream-abc.img").unlink()
    outcome = connected.change(drop_tcp)
    assert len(outcome.touched) == 1
    assert outcome.after.findings() == [
        item for item in connected.findings() if item[0] != "tcp-streams-present"
    ]


def test_damaged_data_goes_all_the_same(connected: Any) -> None:
    file = connected.images / "tcp-stream-abc.img"
    file.write_bytes(file.read_bytes()[:10])
    outcome = connected.change(drop_tcp)
    assert outcome.touched[1] == Touched("tcp-stream-abc.img", "data of the connection", "damaged")
    assert not (outcome.after.images / file.name).exists()


def test_a_dump_made_to_close_connections_needs_no_option_afterwards(scene: Any, tcp: Describe) -> None:
    fields = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True, "tcp_close": True}
    scene.write("inventory.img", "INVENTORY", fields).sockets(tcp("10.0.0.7:80", "10.0.0.9:5000"))
    (scene.images / "tcp-stream-1.img").unlink()
    outcome = scene.change(drop_tcp)
    assert "tcp_close" not in outcome.after.entries("inventory.img")[0]
    assert outcome.touched[-1].what == "demand for restoring with --tcp-close"


@pytest.mark.parametrize(
    "name", ["criu-1.1/host/socket-tcp4v6", "criu-2.12/host/socket-tcp4v6", "criu-4.2/programs/py-tcp"]
)
def test_connections_of_real_checkpoints_go(from_corpus: Callable[[str], Any], name: str) -> None:
    outcome = from_corpus(name).change(drop_tcp)
    assert outcome.touched
    assert not list(outcome.after.images.glob("tcp-stream-*"))
    with outcome.after.open() as checkpoint:
        assert not [item for item in checkpoint.sockets if item.protocol == "TCP" and item.destination.port]
