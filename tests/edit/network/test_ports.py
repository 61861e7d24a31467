"""``remap port``: which sockets change, and which must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.edit.network.ports import remap_port
from dyncrit.edit.touched import Touched
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable

Describe = Any


def test_a_listening_socket_changes_and_nothing_else(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.7:81")).change(remap_port, 80, 8080)
    assert outcome.touched == [
        Touched("files.img entries[0]", "TCP socket, listening", "10.0.0.7:80", "10.0.0.7:8080")
    ]
    assert outcome.values == {"files.img entries[0].isk.src_port": (80, 8080)}


def test_all_that_is_bound_to_the_port_changes(
    scene: Any, tcp: Describe, udp: Describe, other: Describe
) -> None:
    scene.sockets(
        tcp("[::]:80"), tcp("10.0.0.7:80", state="close"), udp("0.0.0.0:80"), other("udplite", "10.0.0.7:80")
    )
    assert scene.change(remap_port, 80, 81).after.ends() == [
        "[::]:81",
        "10.0.0.7:81",
        "0.0.0.0:81",
        "10.0.0.7:81",
    ]


@pytest.mark.parametrize(("protocol", "changed"), [("tcp", 0), ("udp", 1), ("udplite", 2)])
def test_a_protocol_can_be_chosen(
    scene: Any, tcp: Describe, udp: Describe, other: Describe, protocol: str, changed: int
) -> None:
    scene.sockets(tcp("10.0.0.7:80"), udp("10.0.0.7:80"), other("udplite", "10.0.0.7:80"))
    outcome = scene.change(remap_port, 80, 81, protocol=protocol)
    assert list(outcome.values) == [f"files.img entries[{changed}].isk.src_port"]


def test_connections_keep_their_ports(scene: Any, tcp: Describe, udp: Describe) -> None:
    ends = [("10.0.0.7:80", "10.0.0.9:5000"), ("10.0.0.9:5000", "10.0.0.7:80")]
    scene.sockets(tcp("0.0.0.0:80"), *(tcp(*pair) for pair in ends), udp("10.0.0.7:80", "10.0.0.9:1"))
    assert list(scene.change(remap_port, 80, 81).values) == ["files.img entries[0].isk.src_port"]


def test_both_ends_of_a_connection_change_if_asked_for(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("0.0.0.0:80"), tcp("10.0.0.7:80", "10.0.0.9:5000"), tcp("10.0.0.9:5000", "10.0.0.7:80"))
    outcome = scene.change(remap_port, 80, 81, connected=True)
    assert outcome.after.ends() == ["0.0.0.0:81", "10.0.0.7:81 10.0.0.9:5000", "10.0.0.9:5000 10.0.0.7:81"]
    assert outcome.after.change(remap_port, 81, 80, connected=True).after.bytes() == scene.bytes()


def test_ends_are_found_across_families(scene: Any, tcp: Describe) -> None:
    scene.sockets(
        tcp("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:5000"), tcp("127.0.0.1:5000", "127.0.0.1:80")
    )
    outcome = scene.change(remap_port, 80, 81, connected=True)
    assert outcome.told[1] == (
        "TCP connection, established",
        "127.0.0.1:5000 to 127.0.0.1:80",
        "127.0.0.1:5000 to 127.0.0.1:81",
    )


def test_a_connection_to_elsewhere_is_told_and_the_port_of_others_stays(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000"), tcp("10.0.0.7:5001", "10.0.0.9:80"))
    outcome = scene.change(remap_port, 80, 81, connected=True)
    assert outcome.told == [
        (
            "TCP connection, established, its other end elsewhere",
            "10.0.0.7:80 to 10.0.0.9:5000",
            "10.0.0.7:81 to 10.0.0.9:5000",
        )
    ]


@pytest.mark.parametrize("server", ["127.0.0.1:53", "0.0.0.0:53", "[::]:53"])
def test_a_connected_datagram_socket_follows_the_one_that_waits_for_anybody(
    scene: Any, udp: Describe, server: str
) -> None:
    scene.sockets(udp(server), udp("127.0.0.1:4000", "127.0.0.1:53"), udp("127.0.0.1:4001", "10.9.9.9:9"))
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert outcome.after.ends()[1:] == ["127.0.0.1:4000 127.0.0.1:54", "127.0.0.1:4001 10.9.9.9:9"]


def test_numbers_that_are_no_ports_stay(scene: Any, tcp: Describe, other: Describe) -> None:
    scene.sockets(other("raw", "10.0.0.7:1"), other("icmp", "10.0.0.7:1"), tcp("10.0.0.7:1"))
    assert list(scene.change(remap_port, 1, 2).values) == ["files.img entries[2].isk.src_port"]


@pytest.mark.parametrize(
    ("moving", "standing"),
    [
        ("10.0.0.7:80", "10.0.0.7:81"),
        ("10.0.0.7:80", "0.0.0.0:81"),
        ("0.0.0.0:80", "10.0.0.7:81"),
        ("10.0.0.7:80", "[::]:81"),
        ("[::ffff:10.0.0.7]:80", "10.0.0.7:81"),
    ],
)
def test_a_port_that_is_taken_is_refused(scene: Any, tcp: Describe, moving: str, standing: str) -> None:
    scene.sockets(tcp(moving), tcp(standing))
    with pytest.raises(DyncritError, match=r"nothing was changed.*in each other's way at .*:81"):
        scene.change(remap_port, 80, 81)


def test_a_connection_that_would_be_there_twice_is_refused(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000"), tcp("10.0.0.7:81", "10.0.0.9:5000"))
    with pytest.raises(DyncritError, match="in each other's way"):
        scene.change(remap_port, 80, 81, connected=True)


def test_a_port_of_another_address_or_protocol_is_free(scene: Any, tcp: Describe, udp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.8:81"), udp("10.0.0.7:81"), tcp("[::1]:81"))
    assert len(scene.change(remap_port, 80, 81).touched) == 1


@pytest.mark.parametrize(("old", "new"), [(0, 80), (80, 0), (80, 65536), (-1, 80), (80, 80)])
def test_what_is_no_port_is_refused(scene: Any, old: int, new: int) -> None:
    with pytest.raises(DyncritError, match="expected"):
        scene.change(remap_port, old, new)


def test_an_unknown_protocol_is_refused(scene: Any) -> None:
    with pytest.raises(DyncritError, match="expected a protocol of tcp, udp, udplite, found 'sctp'"):
        scene.change(remap_port, 80, 81, protocol="sctp")


def test_nothing_is_told_where_no_socket_has_the_port(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000")).raw("nftables-9.img", b"tcp dport 80 accept\n")
    assert scene.change(remap_port, 80, 81).touched == []


def test_rules_and_settings_that_name_the_port_are_told(container: Any, tcp: Describe) -> None:
    rules = (
        b"table ip filter {\n\ttcp dport { 22, 80 } accept\n\ttcp dport 8080 drop\n\tudp sport 80 drop\n}\n"
    )
    container.sockets(tcp("10.0.0.7:80")).raw("nftables-9.img", rules)
    container.raw("iptables-9.img", b"-A INPUT -p tcp --dport 80 -j ACCEPT\n-A INPUT --dport 8 -j ACCEPT\n")
    settings = '{"newPortMappings": [{"container_port": 80, "host_port": 8080}]}'
    (container.folder / "config.dump").write_text(settings)
    outcome = container.change(remap_port, 80, 81)
    assert [(item.place, item.before, item.after) for item in outcome.touched[1:]] == [
        ("iptables-9.img line 1", "80", "80"),
        ("nftables-9.img line 2", "80", "80"),
        ("nftables-9.img line 4", "80", "80"),
        ("config.dump", "80", "80"),
    ]


def test_tracked_connections_change_with_their_sockets(from_corpus: Callable[[str], Any]) -> None:
    before = from_corpus("criu-4.2/host-32bit/socket-tcp-ipt-nfconntrack")
    outcome = before.change(remap_port, 8880, 99, connected=True)
    assert outcome.told[-2:] == [
        ("tracked connection", "127.0.0.1:59780 to 127.0.0.1:8880", "127.0.0.1:59780 to 127.0.0.1:99"),
        ("tracked connection", "127.0.0.1:8880 to 127.0.0.1:59780", "127.0.0.1:99 to 127.0.0.1:59780"),
    ]
    assert outcome.after.change(remap_port, 99, 8880, connected=True).after.bytes() == before.bytes()
    assert "netns-ct-9.img" not in str(before.change(remap_port, 8880, 99).touched)


def test_images_of_older_releases_change(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("10.0.0.7:80"), old=True).change(remap_port, 80, 81)
    assert outcome.values == {"inetsk.img entries[0].src_port": (80, 81)}
