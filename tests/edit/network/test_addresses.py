"""``remap ip`` on sockets: which ends change, in every release's images, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.edit.network.addresses import remap_address
from dyncrit.edit.touched import Touched
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

Describe = Any


def test_the_address_of_a_listening_socket_changes_and_nothing_else(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.9:80")).change(
        remap_address, "10.0.0.7", "10.0.0.8"
    )
    assert outcome.touched == [
        Touched("files.img entries[0]", "TCP socket, listening", "10.0.0.7:80", "10.0.0.8:80")
    ]
    assert outcome.values == {"files.img entries[0].isk.src_addr[0]": ("10.0.0.7", "10.0.0.8")}


def test_both_ends_of_connections_change(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("10.0.0.7:80", "10.0.0.7:5000"), tcp("10.0.0.7:5000", "10.0.0.7:80")).change(
        remap_address, "10.0.0.7", "10.0.0.8"
    )
    assert outcome.after.ends() == ["10.0.0.8:80 10.0.0.8:5000", "10.0.0.8:5000 10.0.0.8:80"]
    assert outcome.told[0] == (
        "TCP connection, established",
        "10.0.0.7:80 to 10.0.0.7:5000",
        "10.0.0.8:80 to 10.0.0.8:5000",
    )


def test_a_network_moves_with_the_bits_of_hosts(scene: Any, tcp: Describe, udp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), udp("10.0.0.200:53"), tcp("10.0.1.7:81", "10.0.0.3:9"))
    outcome = scene.change(remap_address, "10.0.0.0/24", "10.1.5.0/24")
    assert outcome.after.ends() == ["10.1.5.7:80", "10.1.5.200:53", "10.0.1.7:81 10.1.5.3:9"]


def test_an_ipv6_address_changes(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("[fd00::7]:80"), tcp("[::]:81")).change(remap_address, "fd00::7", "fd00:1::8")
    assert outcome.after.ends() == ["[fd00:1::8]:80", "[::]:81"]


def test_an_ipv6_network_moves(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("[fd00::7]:80", "[fd00::1:2]:4000")).change(
        remap_address, "fd00::/64", "fd01:2::/64"
    )
    assert outcome.after.ends() == ["[fd01:2::7]:80 [fd01:2::1:2]:4000"]


def test_an_ipv4_address_changes_in_ipv6_sockets(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.9]:4000")).change(
        remap_address, "10.0.0.7", "10.0.0.8"
    )
    assert outcome.told == [
        (
            "TCP connection, established",
            "[::ffff:10.0.0.7]:80 to [::ffff:10.0.0.9]:4000",
            "[::ffff:10.0.0.8]:80 to [::ffff:10.0.0.9]:4000",
        )
    ]
    assert len(outcome.values) == 1


def test_wildcards_stay_with_their_network(scene: Any, tcp: Describe) -> None:
    outcome = scene.sockets(tcp("0.0.0.0:80"), tcp("0.0.0.9:81")).change(
        remap_address, "0.0.0.0/8", "11.0.0.0/8"
    )
    assert outcome.after.ends() == ["0.0.0.0:80", "11.0.0.9:81"]


def test_a_wildcard_changes_where_it_is_meant(scene: Any, tcp: Describe, udp: Describe) -> None:
    scene.sockets(tcp("0.0.0.0:80"), udp("0.0.0.0:0"), tcp("0.0.0.0:0", state="close"), tcp("[::]:81"))
    outcome = scene.change(remap_address, "0.0.0.0", "10.0.0.7")
    assert outcome.after.ends() == ["10.0.0.7:80", "0.0.0.0:0", "0.0.0.0:0", "[::]:81"]
    assert list(outcome.values) == ["files.img entries[0].isk.src_addr[0]"]


def test_listening_sockets_alone_become_wildcards(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.7:80", "10.0.0.9:5000"))
    outcome = scene.change(remap_address, "10.0.0.7", "0.0.0.0")
    assert outcome.after.ends() == ["0.0.0.0:80", "10.0.0.7:80 10.0.0.9:5000"]


def test_what_was_touched_is_told_by_its_kind(
    scene: Any, tcp: Describe, udp: Describe, other: Describe
) -> None:
    scene.sockets(
        tcp("10.0.0.7:80"),
        tcp("10.0.0.7:81", state="close"),
        tcp("10.0.0.7:82", "10.0.0.9:1", "close-wait"),
        udp("10.0.0.7:53"),
        udp("10.0.0.7:54", "10.0.0.9:2"),
        other("udplite", "10.0.0.7:55"),
        other("raw", "10.0.0.7:1"),
        other("icmp", "10.0.0.7:4711"),
    )
    outcome = scene.change(remap_address, "10.0.0.7", "10.0.0.8")
    assert [what for what, _, _ in outcome.told] == [
        "TCP socket, listening",
        "TCP socket, bound",
        "TCP connection, close-wait",
        "UDP socket, bound",
        "UDP socket, connected",
        "UDPLITE socket, bound",
        "raw socket, protocol ICMP",
        "ICMP socket, bound",
    ]


@pytest.mark.parametrize("options", [{}, {"old": True}, {"byte_order": "big"}])
def test_images_of_all_releases_and_hosts_change(scene: Any, tcp: Describe, options: dict[str, Any]) -> None:
    if "byte_order" in options:
        fields = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True}
        scene.write("inventory.img", "INVENTORY", fields, **options)
    scene.sockets(tcp("10.0.0.7:80"), tcp("[fd00::7]:80"), **options)
    outcome = scene.change(remap_address, "10.0.0.7", "10.0.0.8")
    assert outcome.after.ends() == ["10.0.0.8:80", "[fd00::7]:80"]
    again = outcome.after.change(remap_address, "fd00::7", "fd00::8")
    assert again.after.ends() == ["10.0.0.8:80", "[fd00::8]:80"]


@pytest.mark.parametrize("name", ["criu-1.1/host/socket-tcp4v6", "criu-2.12/host/socket-tcp4v6"])
def test_sockets_of_real_old_releases_change(from_corpus: Callable[[str], Any], name: str) -> None:
    before = from_corpus(name)
    outcome = before.change(remap_address, "127.0.0.1", "10.0.0.8")
    assert len(outcome.touched) == 1
    assert {path.partition(".")[0] for path in outcome.values} == {"inetsk"}
    assert outcome.after.change(remap_address, "10.0.0.8", "127.0.0.1").after.bytes() == before.bytes()


def test_ipv4_sockets_of_the_first_release_have_four_words(scene: Any, tcp: Describe) -> None:
    socket = tcp("10.0.0.7:80", src_addr=[0x0700000A, 1, 2, 3], dst_addr=[0, 0, 0, 0])
    outcome = scene.sockets(socket, old=True).change(remap_address, "10.0.0.7", "10.0.0.8")
    assert outcome.after.entries("inetsk.img")[0]["src_addr"] == [0x0800000A, 1, 2, 3]


def test_sockets_without_whole_addresses_are_left_alone(scene: Any, tcp: Describe) -> None:
    scene.sockets(
        tcp("10.0.0.7:80", src_addr=[]), tcp("[fd00::7]:81", src_addr=[1]), tcp("10.0.0.7:82", family=99)
    )
    assert scene.change(remap_address, "10.0.0.7", "10.0.0.8").touched == []


def test_a_change_run_backwards_gives_the_old_bytes(from_corpus: Callable[[str], Any]) -> None:
    before = from_corpus("criu-4.2/host-32bit/socket-tcp-ipt-nfconntrack")
    outcome = before.change(remap_address, "127.0.0.0/8", "10.0.0.0/8")
    assert {path.split()[0] for path in outcome.values} == {"files.img", "ifaddr-9.img", "netns-ct-9.img"}
    assert outcome.after.change(remap_address, "10.0.0.0/8", "127.0.0.0/8").after.bytes() == before.bytes()


def test_nothing_is_told_where_nothing_has_the_address(real: Callable[[str], Any]) -> None:
    outcome = real("demo/sockets").change(remap_address, "192.0.2.1", "192.0.2.2")
    assert outcome.touched == outcome.changes == []


@pytest.mark.parametrize(
    ("moving", "standing"), [("10.0.0.7:80", "10.0.0.8:80"), ("10.0.0.7:80", "[::ffff:10.0.0.8]:80")]
)
def test_sockets_that_would_collide_are_refused(
    scene: Any, tcp: Describe, moving: str, standing: str
) -> None:
    scene.sockets(tcp(moving), tcp(standing))
    with pytest.raises(DyncritError, match=r"nothing was changed.*in each other's way at .*10\.0\.0\.8"):
        scene.change(remap_address, "10.0.0.7", "10.0.0.8")


@pytest.mark.parametrize(
    ("sockets", "old", "new"),
    [
        (["10.0.0.7:80", "10.0.0.9:80"], "10.0.0.9", "0.0.0.0"),
        (["[fd00::7]:80", "10.0.0.9:80"], "fd00::7", "::"),
        (["[fd00::7]:80", "[fd00::8]:80"], "fd00::8", "::"),
    ],
)
def test_a_socket_that_would_come_under_a_wildcard_is_refused(
    scene: Any, tcp: Describe, sockets: list[str], old: str, new: str
) -> None:
    scene.sockets(*map(tcp, sockets))
    with pytest.raises(DyncritError, match="in each other's way"):
        scene.change(remap_address, old, new)


def test_a_wildcard_of_ipv6_alone_leaves_ipv4_free(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("[fd00::7]:80", v6only=True), tcp("10.0.0.9:80"))
    assert scene.change(remap_address, "fd00::7", "::").after.ends() == ["[::]:80", "10.0.0.9:80"]


def test_what_shared_before_may_share_afterwards(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.7:80"), tcp("0.0.0.0:80"), tcp("[::]:80"))
    outcome = scene.change(remap_address, "10.0.0.7", "10.0.0.8")
    assert outcome.after.ends() == ["10.0.0.8:80", "10.0.0.8:80", "0.0.0.0:80", "[::]:80"]


def test_other_protocols_ports_and_namespaces_do_not_collide(
    scene: Any, tcp: Describe, udp: Describe, other: Describe
) -> None:
    scene.sockets(
        tcp("10.0.0.7:80", ns_id=9),
        udp("10.0.0.8:80", ns_id=9),
        tcp("10.0.0.8:81", ns_id=9),
        tcp("10.0.0.8:80", ns_id=10),
        tcp("10.0.0.8:80", "10.0.0.9:1000", ns_id=9),
        other("raw", "10.0.0.8:1", ns_id=9),
        other("raw", "10.0.0.7:1", ns_id=9),
    )
    assert len(scene.change(remap_address, "10.0.0.7", "10.0.0.8").touched) == 2


def test_sockets_that_do_not_name_the_only_namespace_are_in_it(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80", state="close"), tcp("10.0.0.8:80", ns_id=9))
    with pytest.raises(DyncritError, match="in each other's way"):
        scene.change(remap_address, "10.0.0.7", "10.0.0.8")


def test_a_link_local_address_needs_the_device(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("[fd00::7]:80"))
    with pytest.raises(DyncritError, match="link-local"):
        scene.change(remap_address, "fd00::7", "fe80::7")
    scene.sockets(tcp("[fe80::6]:80", ifname="eth0"))
    assert scene.change(remap_address, "fe80::6", "fe80::7").after.ends() == ["[fe80::7]:80"]


def test_a_damaged_image_is_an_error(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"))
    file = scene.images / "files.img"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ImageError, match=r"files\.img"):
        scene.change(remap_address, "10.0.0.7", "10.0.0.8")


def test_ids_that_stand_for_two_files_are_refused(scene: Any, tcp: Describe) -> None:
    scene.sockets(tcp("10.0.0.7:80"), tcp("10.0.0.7:81", id=1))
    with pytest.raises(ImageError, match="references that are broken"):
        scene.change(remap_address, "10.0.0.7", "10.0.0.8")


def test_many_sockets_on_a_port_take_no_longer_than_they_are_many(scene: Any, tcp: Describe) -> None:
    hosts = range(1, 3001)
    scene.sockets(*(tcp(f"10.0.{host // 250}.{host % 250 + 1}:80") for host in hosts))
    outcome = scene.change(remap_address, "10.0.0.0/16", "10.9.0.0/16")
    assert len(outcome.touched) == len(hosts)
