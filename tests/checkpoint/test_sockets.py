"""Sockets, compared with the programs that opened them and with go-crit's view."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.sockets import Endpoint, Netlink, Socket, read_queues, read_sockets, socket_of
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELDS = {"usk": "UNIXSK", "isk": "INETSK", "psk": "PACKETSK", "nlsk": "NETLINKSK"}
IMAGES = {
    "unixsk.img": "UNIXSK",
    "inetsk.img": "INETSK",
    "packetsk.img": "PACKETSK",
    "netlinksk.img": "NETLINKSK",
}
OPTS = {
    "so_sndbuf": 1,
    "so_rcvbuf": 2,
    "so_snd_tmo_sec": 0,
    "so_snd_tmo_usec": 0,
    "so_rcv_tmo_sec": 0,
    "so_rcv_tmo_usec": 0,
}
OWNER = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
INET = {
    "id": 1,
    "ino": 0x2A,
    "family": 2,
    "type": 1,
    "proto": 6,
    "state": 1,
    "src_port": 80,
    "dst_port": 9,
    "flags": 2,
    "backlog": 0,
    "src_addr": [0x0100007F],
    "dst_addr": [0x0200007F],
    "fown": OWNER,
}
UNIX = {
    "id": 1,
    "ino": 2,
    "type": 1,
    "state": 7,
    "flags": 2,
    "uflags": 0,
    "backlog": 0,
    "peer": 0,
    "fown": OWNER,
    "opts": OPTS,
}
STREAM = {
    "inq_len": 0,
    "inq_seq": 1,
    "outq_len": 0,
    "outq_seq": 1,
    "opt_mask": 0,
    "snd_wscale": 0,
    "mss_clamp": 1,
}


def image_set(folder: Path) -> ImageSet:
    return ImageSet(DirectoryTree(folder), Schema.default(), Problems())


def files(images: ImageSet) -> Iterator[tuple[str, object]]:
    for message in images.messages("files.img"):
        for field, value in message.ListFields():
            if field.name in FIELDS:
                yield FIELDS[field.name], value
    for name, kind in IMAGES.items():
        for message in images.messages(name):
            yield kind, message


def sockets(folder: Path) -> list[Socket]:
    images = image_set(folder)
    found = read_sockets(images, files(images))
    assert list(images.problems) == []
    return found


def one(kind: str, message: str, folder: Path, **fields: object) -> Socket:
    entry = Schema.default().message_class(message)(**fields)
    found = socket_of(kind, entry, read_queues(image_set(folder)))
    assert found is not None
    return found


def write(path: Path, type_name: str, payload: object = None, byte_order="little", **fields: object) -> None:
    image = Image.new(type_name, byte_order=byte_order)
    image.add(payload, **fields)
    dump(image, path)


def test_the_demo_has_the_sockets_that_its_source_opens(corpus):
    found = sockets(corpus / "demo/sockets")
    unix = [socket for socket in found if socket.family == "UNIX"]
    inet = [socket for socket in found if socket.kind == "INETSK"]
    assert [socket.path for socket in unix] == ["", "", "/srv/demo/dgram.sock", "@abstract-name"]
    assert [socket.backlog for socket in found if socket.state == "LISTEN"] == [4, 8, 8]
    assert unix[0].peer == unix[1].ino
    assert unix[1].peer == unix[0].ino
    assert [(socket.family, socket.type, socket.protocol, socket.state) for socket in inet] == [
        ("INET", "STREAM", "TCP", "LISTEN"),
        ("INET6", "STREAM", "TCP", "LISTEN"),
        ("INET", "STREAM", "TCP", "ESTABLISHED"),
        ("INET", "STREAM", "TCP", "ESTABLISHED"),
        ("INET", "DGRAM", "UDP", "CLOSE"),
    ]
    assert [str(socket.source) for socket in inet[:2]] == ["127.0.0.1:18080", "[::1]:18081"]
    assert inet[4].source == Endpoint("0.0.0.0", 18082)
    assert [socket.options.get("reuseaddr", False) for socket in inet[:2]] == [True, False]


def test_the_demo_has_unread_bytes_in_all_directions(corpus):
    found = {socket.id: socket for socket in sockets(corpus / "demo/sockets")}
    assert {key: socket.received for key, socket in found.items() if socket.unread} == {
        7: (len("queued in a socketpair"),),
        12: (len("from server to client"),),
        14: (len("from client to server, not read yet"),),
    }
    client, server = found[12], found[14]
    assert (client.destination, server.destination) == (server.source, client.source)


def test_packets_keep_their_borders(corpus):
    found = {
        socket.id: socket.received for socket in sockets(corpus / "criu-2.12/host/socket_queues_seqpacket")
    }
    assert found == {7: (20, 19), 8: (19, 20), 9: (19, 18), 10: (18, 19)}


@pytest.mark.parametrize("folder", ["criu-1.1/host/socket-tcp4v6", "criu-2.12/host/socket-tcp4v6"])
def test_old_releases_have_the_same_sockets(corpus, folder):
    connected, listening = sockets(corpus / folder)
    assert (connected.family, connected.state, connected.source.port) == ("INET6", "ESTABLISHED", 8880)
    assert (listening.state, listening.backlog) == ("LISTEN", 1)
    assert str(listening.source) == "[::]:8880"
    assert dict(listening.options) == {"reuseaddr": True}


@pytest.mark.parametrize("folder", ["criu-2.12/host/sk-netlink", "criu-4.2/host-32bit/sk-netlink"])
def test_netlink_sockets_have_ports_and_groups(corpus, folder):
    found = sockets(corpus / folder)
    assert {socket.protocol for socket in found} == {"KOBJECT_UEVENT"}
    assert [socket.state for socket in found] == ["CLOSE", "CLOSE", "ESTABLISHED", "UNCONNECTED"]
    assert [socket.netlink.groups for socket in found] == [(), (32,), (), ()]
    assert found[2].netlink == Netlink(found[2].netlink.port, (), found[0].netlink.port, 32)


@pytest.mark.parametrize(
    "folder", ["criu-2.12/host/packet_sock_mmap", "criu-4.2/host-32bit/packet_sock_mmap"]
)
def test_packet_sockets_have_their_rings(corpus, folder):
    (found,) = sockets(corpus / folder)
    assert (found.family, found.type, found.protocol, found.ino) == ("PACKET", "RAW", "NONE", None)
    assert dict(found.options) == {"packet_rx_ring": 4096, "packet_tx_ring": 4096}


def test_names_that_are_relative_or_not_text_are_shown(corpus):
    found = {socket.id: socket for socket in sockets(corpus / "criu-4.2/programs/pytree")}
    assert found[36].path == "/srv/z/apps/work/pytree/unix.sock"
    assert found[36].name == b"unix.sock\0"
    assert found[36].owner == (0o140755, 0, 0)
    assert found[39].path == "@abstr\udcffact\x01name"


def test_deleted_sockets_are_told(corpus):
    found = sockets(corpus / "criu-4.2/host-32bit/deleted_unix_sock")
    assert [socket.path.rpartition("/")[2] for socket in found if socket.deleted] == [
        "deleted_unix_sock.test"
    ]


def test_go_crit_sees_the_same(corpus):
    with gzip.open(corpus / "expected/go-crit-x.ndjson.gz", "rt") as lines:
        views = [view for view in map(json.loads, lines) if view["what"] == "sk" and view["document"]]
    compared = 0
    for view in views:
        ours = sorted(map(as_go_crit, sockets(corpus / view["directory"])), key=repr)
        theirs = {
            json.dumps(theirs_of(entry), sort_keys=True)
            for process in view["document"]
            for entry in process.get("sockets") or ()
            if entry["fd_type"] in {"UNIXSK", "INETSK"}
        }
        assert theirs <= {json.dumps(entry, sort_keys=True) for entry in ours}, view["directory"]
        compared += len(theirs)
    assert compared > 50


def theirs_of(entry: dict[str, object]) -> dict[str, object]:
    """What is right in go-crit's view: families are called otherwise, names end in a NUL."""
    kept = {key: value for key, value in entry.items() if key in {"type", "state", "src_port", "dest_port"}}
    if entry["fd_type"] == "INETSK":
        kept |= {
            "src_addr": entry["src_addr"],
            "dest_addr": entry["dest_addr"],
            "protocol": entry["protocol"],
        }
    return kept


def as_go_crit(socket: Socket) -> dict[str, object]:
    view: dict[str, object] = {"type": socket.type, "state": socket.state}
    if socket.source and socket.destination:
        view |= {"src_addr": socket.source.address, "dest_addr": socket.destination.address}
        view["protocol"] = socket.protocol
        view |= {
            k: v for k, v in (("src_port", socket.source.port), ("dest_port", socket.destination.port)) if v
        }
    return view


@pytest.mark.parametrize(
    ("name", "directory", "path"),
    [
        (b"", "", ""),
        (b"/run/x.sock\0", "", "/run/x.sock"),
        (b"x.sock\0", "/run/", "/run/x.sock"),
        (b"x.sock\0", "", "x.sock"),
        (b"/abs\0", "/run", "/abs"),
        (b"", "/run", ""),
        (b"\0a\0b", "/run", "@a@b"),
        (b"\0", "", "@"),
    ],
)
def test_unix_names_become_paths(tmp_path, name, directory, path):
    assert one("UNIXSK", "unix_sk_entry", tmp_path, **UNIX, name=name, name_dir=directory).path == path


def test_the_rest_of_a_unix_socket_is_read(tmp_path):
    found = one(
        "UNIXSK",
        "unix_sk_entry",
        tmp_path,
        **{**UNIX, "uflags": 1, "peer": 7},
        name=b"",
        shutdown=3,
        deleted=True,
        ns_id=4,
    )
    assert (found.external, found.peer, found.shutdown, found.deleted, found.ns_id) == (
        True,
        7,
        "BOTH",
        True,
        4,
    )
    assert (found.send_buffer, found.receive_buffer, found.backlog) == (1, 2, None)


def test_options_are_found_in_all_three_places(tmp_path):
    write(
        tmp_path / "tcp-stream-2a.img", "TCP_STREAM", {"inq": b"", "outq": b"abc"},
        **{**STREAM, "outq_len": 3}, cork=True, nodelay=True,
    )  # fmt: skip
    older = {**OPTS, "so_keepalive": True, "tcp_keepcnt": 1, "tcp_keepidle": 2, "tcp_keepintvl": 3}
    found = one("INETSK", "inet_sk_entry", tmp_path, **INET, opts=older)
    assert found.unsent == 3
    assert dict(found.options) == {
        "keepalive": True,
        "tcp_keepcnt": 1,
        "tcp_keepidle": 2,
        "tcp_keepintvl": 3,
        "tcp_cork": True,
        "tcp_nodelay": True,
    }
    newer = one(
        "INETSK", "inet_sk_entry", tmp_path, **INET, opts=OPTS, tcp_opts={"keepcnt": 9, "nodelay": True}
    )
    assert (newer.options["tcp_keepcnt"], newer.options["tcp_nodelay"]) == (9, True)


def test_all_other_options_have_names(tmp_path):
    options = {
        **OPTS,
        "so_priority": 6,
        "so_rcvlowat": 1,
        "so_mark": 5,
        "so_linger": 0,
        "so_bound_dev": "eth0",
        "so_filter": [1, 2],
        "so_rcv_tmo_sec": 1,
        "so_rcv_tmo_usec": 500000,
    }
    found = one(
        "INETSK",
        "inet_sk_entry",
        tmp_path,
        **INET,
        opts=options,
        v6only=True,
        ip_opts={"freebind": True, "ttl": 3, "raw": {"hdrincl": True}},
        ifname="eth1",
    )
    assert dict(found.options) == {
        "priority": 6,
        "mark": 5,
        "linger": 0,
        "bound_device": "eth0",
        "filter": 2,
        "receive_timeout": 1_500_000,
        "v6only": True,
        "freebind": True,
        "ttl": 3,
        "hdrincl": True,
        "interface": "eth1",
    }


def test_addresses_and_protocols_of_a_big_endian_host_are_read_right(tmp_path):
    write(tmp_path / "inventory.img", "INVENTORY", byte_order="big", img_version=2)
    found = one("INETSK", "inet_sk_entry", tmp_path, **{**INET, "src_addr": [0x7F000001]}, opts=OPTS)
    assert str(found.source) == "127.0.0.1:80"
    packet = {"id": 1, "type": 3, "protocol": 0x0806, "flags": 0, "ifindex": 2}
    assert one("PACKETSK", "packet_sock_entry", tmp_path, **packet).protocol == "ARP"


def test_the_protocol_of_a_packet_socket_is_in_network_order(tmp_path):
    packet = {"id": 1, "type": 3, "protocol": 0x0300, "flags": 0, "ifindex": 2}
    found = one("PACKETSK", "packet_sock_entry", tmp_path, **packet)
    assert (found.protocol, found.interface_index) == ("ALL", 2)
    assert (
        one("PACKETSK", "packet_sock_entry", tmp_path, **{**packet, "protocol": 0x3412}).protocol == "0x1234"
    )


def test_numbers_without_names_are_shown_as_they_are(tmp_path):
    found = one(
        "INETSK", "inet_sk_entry", tmp_path, **{**INET, "proto": 99, "state": 77, "family": 55}, opts=OPTS
    )
    assert (found.family, found.protocol, found.state) == ("55", "99", "77")


def test_addresses_of_absurd_length_do_no_harm(tmp_path):
    found = one(
        "INETSK", "inet_sk_entry", tmp_path, **{**INET, "src_addr": [1, 2, 3], "dst_addr": []}, opts=OPTS
    )
    assert found.source == Endpoint("1,2,3", 80)
    assert found.destination == Endpoint("", 9)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("UNIXSK", "unix_sk_entry"),
        ("INETSK", "inet_sk_entry"),
        ("PACKETSK", "packet_sock_entry"),
        ("NETLINKSK", "netlink_sk_entry"),
    ],
)
def test_an_empty_entry_is_a_socket_without_anything(tmp_path, kind, message):
    found = one(kind, message, tmp_path)
    assert (found.id, found.kind, found.received, found.holders) == (0, kind, (), ())


def test_other_files_are_no_sockets(tmp_path):
    message = Schema.default().message_class("reg_file_entry")()
    assert socket_of("REG", message, read_queues(image_set(tmp_path))) is None


def test_cut_queues_are_said_and_the_rest_is_shown(corpus, tmp_path):
    for path in (corpus / "demo/sockets").glob("*.img"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name in ("sk-queues.img", "tcp-stream-5f32c7.img"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5])
    images = image_set(tmp_path)
    found = {socket.id: socket.received for socket in read_sockets(images, files(images)) if socket.received}
    assert found == {14: (35,)}
    assert [problem.place for problem in images.problems.errors] == ["sk-queues.img", "tcp-stream-5f32c7.img"]


def test_sockets_can_be_put_into_sets(corpus):
    found = sockets(corpus / "demo/sockets")
    assert len(set(found)) == len(found) == 9
