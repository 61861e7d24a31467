"""``remap port``: which sockets change, and which must not."""

from __future__ import annotations

from ipaddress import ip_address
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


OUTSIDE = ("10.0.0.5:40000", "8.8.8.8:53")


@pytest.mark.parametrize("server", ["0.0.0.0:53", "[::]:53"])
def test_a_wildcard_is_not_the_other_end_of_what_goes_elsewhere(
    scene: Any, udp: Describe, server: str
) -> None:
    outcome = scene.sockets(udp(server), udp(*OUTSIDE)).change(remap_port, 53, 5353, connected=True)
    assert outcome.after.ends() == [server.replace(":53", ":5353"), " ".join(OUTSIDE)]


@pytest.mark.parametrize(
    ("client", "destination"),
    [
        ("10.0.0.5:4000", "10.0.0.5:53"),
        ("127.0.0.1:4000", "127.9.0.1:53"),
        ("10.0.0.5:4000", "10.0.0.6:53"),
        ("[::1]:4000", "[::1]:53"),
        ("[::ffff:10.0.0.5]:4000", "[::ffff:10.0.0.6]:53"),
    ],
)
def test_a_wildcard_is_the_other_end_of_what_goes_to_an_address_here(
    scene: Any, tcp: Describe, udp: Describe, client: str, destination: str
) -> None:
    scene.sockets(udp("[::]:53"), udp(client, destination), tcp("10.0.0.6:9"))
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert outcome.values["files.img entries[1].isk.dst_port"] == (53, 54)


def test_the_addresses_of_devices_are_here(scene: Any, udp: Describe) -> None:
    scene.sockets(udp("0.0.0.0:53"), udp("10.0.0.5:4000", "10.0.0.6:53"), udp("10.0.0.5:4001", "10.0.0.7:53"))
    scene.raw("ifaddr-9.img", device("10.0.0.6", peer="10.0.0.7")).raw("ifaddr-10.img", b"")
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert outcome.after.ends()[1:] == ["10.0.0.5:4000 10.0.0.6:54", "10.0.0.5:4001 10.0.0.7:53"]


def test_the_addresses_of_another_namespace_are_not_here(scene: Any, tcp: Describe, udp: Describe) -> None:
    scene.sockets(
        udp("0.0.0.0:53", ns_id=9),
        udp("10.0.0.5:4000", "10.0.0.6:53", ns_id=9),
        udp("10.0.0.5:4000", "10.0.0.8:53", ns_id=9),
        tcp("10.0.0.6:1", ns_id=10),
    )
    scene.raw("ifaddr-10.img", device("10.0.0.8"))
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert list(outcome.values) == ["files.img entries[0].isk.src_port"]


@pytest.mark.parametrize(
    ("server", "client", "destination"),
    [("[::]:53", "127.0.0.1:4000", "127.0.0.1:53"), ("0.0.0.0:53", "[::1]:4000", "[::1]:53")],
)
def test_a_wildcard_of_one_family_is_not_the_other_end_in_another(
    scene: Any, udp: Describe, server: str, client: str, destination: str
) -> None:
    only = {"v6only": True} if server.startswith("[") else {}
    scene.sockets(udp(server, **only), udp(client, destination))
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert list(outcome.values) == ["files.img entries[0].isk.src_port"]


@pytest.mark.parametrize("server", ["127.0.0.1:53", "0.0.0.0:53"])
def test_what_waits_in_another_namespace_is_not_the_other_end(scene: Any, udp: Describe, server: str) -> None:
    scene.sockets(udp(server, ns_id=10), udp("127.0.0.1:4000", "127.0.0.1:53", ns_id=9))
    outcome = scene.change(remap_port, 53, 54, connected=True)
    assert list(outcome.values) == ["files.img entries[0].isk.src_port"]


def test_what_is_connected_in_another_namespace_is_not_the_other_end(scene: Any, tcp: Describe) -> None:
    scene.sockets(
        tcp("127.0.0.1:80", "127.0.0.1:5000", ns_id=10), tcp("127.0.0.1:5000", "127.0.0.1:80", ns_id=9)
    )
    outcome = scene.change(remap_port, 80, 81, connected=True)
    assert list(outcome.values) == ["files.img entries[0].isk.src_port"]


def test_tracked_connections_of_other_namespaces_stay(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000", ns_id=9), tcp("10.0.0.7:1", ns_id=10))
    for number in (9, 10):
        scene.raw(f"netns-ct-{number}.img", flow("10.0.0.9", 5000, "10.0.0.7", 80))
    after = scene.change(remap_port, 80, 81, connected=True).after
    assert (after.images / "netns-ct-9.img").read_bytes() == flow("10.0.0.9", 5000, "10.0.0.7", 81)
    assert (after.images / "netns-ct-10.img").read_bytes() == flow("10.0.0.9", 5000, "10.0.0.7", 80)


def test_one_connection_in_two_namespaces_is_tracked_in_both(scene: Any, tcp: Describe) -> None:
    scene.sockets(*(tcp("10.0.0.7:80", "10.0.0.9:5000", ns_id=number) for number in (9, 10)))
    for number in (9, 10):
        scene.raw(f"netns-ct-{number}.img", flow("10.0.0.9", 5000, "10.0.0.7", 80))
    after = scene.change(remap_port, 80, 81, connected=True).after
    for number in (9, 10):
        assert (after.images / f"netns-ct-{number}.img").read_bytes() == flow(
            "10.0.0.9", 5000, "10.0.0.7", 81
        )


def test_tracked_connections_change_where_sockets_name_no_namespace(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000"))
    scene.raw("netns-ct-9.img", flow("10.0.0.9", 5000, "10.0.0.7", 80))
    after = scene.change(remap_port, 80, 81, connected=True).after
    assert (after.images / "netns-ct-9.img").read_bytes() == flow("10.0.0.9", 5000, "10.0.0.7", 81)


@pytest.mark.parametrize(
    ("moving", "standing"),
    [("10.0.0.7:80", "0.0.0.0:81"), ("0.0.0.0:80", "10.0.0.7:81"), ("[::]:80", "[::]:81")],
)
def test_what_is_taken_in_another_namespace_is_in_nobodys_way(
    scene: Any, tcp: Describe, moving: str, standing: str
) -> None:
    scene.sockets(tcp(moving, ns_id=9), tcp(standing, ns_id=10))
    assert list(scene.change(remap_port, 80, 81).values) == ["files.img entries[0].isk.src_port"]


@pytest.mark.parametrize(
    ("moving", "standing"), [("10.0.0.7:80", "0.0.0.0:81"), ("0.0.0.0:80", "10.0.0.7:81")]
)
def test_what_is_taken_in_the_same_namespace_is_refused_among_others(
    scene: Any, tcp: Describe, moving: str, standing: str
) -> None:
    scene.sockets(tcp("0.0.0.0:81", ns_id=10), tcp(moving, ns_id=9), tcp(standing, ns_id=9))
    with pytest.raises(DyncritError, match=r"entries\[[12]\].*entries\[[12]\].*in each other's way"):
        scene.change(remap_port, 80, 81)


def test_a_wildcard_of_another_protocol_is_in_nobodys_way(scene: Any, tcp: Describe, udp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), udp("0.0.0.0:81"))
    assert list(scene.change(remap_port, 80, 81).values) == ["files.img entries[0].isk.src_port"]


def test_tracked_connections_under_names_that_criu_does_not_write_stay(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", "10.0.0.9:5000")).raw("netns-ct-009.img", b"x")
    scene.raw("ifaddr-009.img", b"x").raw("nftables-009.img", b"x dport 80")
    assert list(scene.change(remap_port, 80, 81, connected=True).values) == [
        "files.img entries[0].isk.src_port"
    ]


def device(address: str, peer: str = "") -> bytes:
    """An image of a network device's address."""
    parts = attribute(1, ip_address(peer or address).packed) + attribute(2, ip_address(address).packed)
    return (0x47361222).to_bytes(4, "little") + message(20, bytes([2, 24, 128, 0, 1, 0, 0, 0]) + parts)


def flow(source: str, source_port: int, destination: str, destination_port: int) -> bytes:
    """An image of one tracked connection."""
    there = ends(source, source_port, destination, destination_port)
    back = ends(destination, destination_port, source, source_port)
    return message(0x100, bytes(4) + attribute(0x8001, there) + attribute(0x8002, back))


def ends(source: str, source_port: int, destination: str, destination_port: int) -> bytes:
    addresses = (
        attribute(number, ip_address(text).packed) for number, text in ((1, source), (2, destination))
    )
    ports = (
        attribute(number, port.to_bytes(2, "big"))
        for number, port in ((2, source_port), (3, destination_port))
    )
    return attribute(0x8001, b"".join(addresses)) + attribute(0x8002, attribute(1, b"\6") + b"".join(ports))


def attribute(kind: int, value: bytes) -> bytes:
    head = (len(value) + 4).to_bytes(2, "little") + kind.to_bytes(2, "little")
    return (head + value).ljust(len(value) + 7 & ~3, b"\0")


def message(kind: int, body: bytes) -> bytes:
    return (len(body) + 16).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(10) + body
