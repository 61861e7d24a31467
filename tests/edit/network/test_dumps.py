"""``remap ip`` in what ip and connection tracking wrote: devices, routes, rules, tracked connections."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from dyncrit.edit.network.addresses import remap_address
from dyncrit.errors import RawImageError

ADDRESSES, ROUTES, RULES = 0x47361222, 0x45311224, 0x71706986
NEW_ADDRESS, NEW_ROUTE, NEW_RULE, NEW_CONNECTION, NEW_EXPECTATION = 20, 24, 32, 0x100, 0x200


def attribute(kind: int, value: bytes | str) -> bytes:
    data = ip_address(value).packed if isinstance(value, str) else value
    head = (len(data) + 4).to_bytes(2, "little") + kind.to_bytes(2, "little")
    return (head + data).ljust(len(data) + 7 & ~3, b"\0")


def message(kind: int, fixed: bytes, *attributes: bytes) -> bytes:
    body = fixed + b"".join(attributes)
    return (len(body) + 16).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(10) + body


def dump(magic: int, *messages: bytes) -> bytes:
    return magic.to_bytes(4, "little") + b"".join(messages)


def device(prefix_length: int, *attributes: bytes, family: int = 2) -> bytes:
    return message(NEW_ADDRESS, bytes([family, prefix_length, 128, 0, 1, 0, 0, 0]), *attributes)


def route(prefix_length: int, *attributes: bytes) -> bytes:
    return message(NEW_ROUTE, bytes([2, prefix_length, *bytes(10)]), *attributes)


def change(
    scene: Any, name: str, data: bytes, old: str, new: str
) -> tuple[list[tuple[str, str, str]], bytes]:
    outcome = scene.raw(name, data).change(remap_address, old, new)
    after = (outcome.after.images / name).read_bytes()
    if after != data:
        assert (outcome.after.change(remap_address, new, old).after.images / name).read_bytes() == data
    return outcome.told, after


def test_the_addresses_of_devices_change(scene: Any) -> None:
    def data(host: str) -> bytes:
        name = attribute(3, b"eth0\0")
        other = device(8, attribute(1, "127.0.0.1"), attribute(2, "127.0.0.1"))
        return dump(ADDRESSES, other, device(24, attribute(1, host), attribute(2, host), name))

    told, after = change(scene, "ifaddr-9.img", data("10.0.0.7"), "10.0.0.7", "10.0.0.8")
    assert after == data("10.0.0.8")
    assert told == [("address of a network device", "10.0.0.7", "10.0.0.8")]


def test_ipv6_addresses_of_devices_change(scene: Any) -> None:
    data = dump(ADDRESSES, device(64, attribute(1, "fd00::7"), family=10))
    told, after = change(scene, "ifaddr-9.img", data, "fd00::/64", "fd01::/64")
    assert after == dump(ADDRESSES, device(64, attribute(1, "fd01::7"), family=10))
    assert told == [("address of a network device", "fd00::7", "fd01::7")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("10.0.0.7", "10.0.0.8", "10.0.0.255"),
        ("10.0.0.7", "10.1.0.7", "10.1.0.255"),
        ("10.0.0.0/24", "10.1.0.0/24", "10.1.0.255"),
        ("10.0.0.0/28", "10.1.0.0/28", "10.1.0.255"),
    ],
)
def test_the_broadcast_address_is_that_of_the_new_network(
    scene: Any, old: str, new: str, expected: str
) -> None:
    data = dump(ADDRESSES, device(24, attribute(2, "10.0.0.7"), attribute(4, "10.0.0.255")))
    _, after = change(scene, "ifaddr-9.img", data, old, new)
    assert after[-4:] == ip_address(expected).packed


def test_a_broadcast_address_of_its_own_choice_stays(scene: Any) -> None:
    data = dump(ADDRESSES, device(24, attribute(2, "10.0.0.7"), attribute(4, "10.0.0.63")))
    told, _ = change(scene, "ifaddr-9.img", data, "10.0.0.7", "10.0.0.8")
    assert [what for what, _, _ in told] == ["address of a network device"]


def test_all_of_a_route_that_is_in_the_network_changes(scene: Any) -> None:
    def data(network: str) -> bytes:
        hop = attribute(5, f"{network}.3")
        hops = (len(hop) + 8).to_bytes(2, "little") + bytes(6) + hop
        via = attribute(18, b"\2\0" + ip_address(f"{network}.4").packed)
        return dump(
            ROUTES,
            route(24, attribute(1, f"{network}.0"), attribute(7, f"{network}.7")),
            route(0, attribute(5, f"{network}.1"), via),
            route(8, attribute(1, "11.0.0.0"), attribute(9, hops + hops)),
        )

    told, after = change(scene, "route-9.img", data("10.0.0"), "10.0.0.0/24", "10.1.0.0/24")
    assert after == data("10.1.0")
    assert told == [
        ("destination of a route", "10.0.0.0", "10.1.0.0"),
        ("preferred source of a route", "10.0.0.7", "10.1.0.7"),
        ("gateway of a route", "10.0.0.1", "10.1.0.1"),
        ("gateway of a route", "10.0.0.4", "10.1.0.4"),
        ("gateway of a route", "10.0.0.3", "10.1.0.3"),
    ]


def test_a_route_to_more_than_the_network_keeps_its_destination(scene: Any) -> None:
    data = dump(ROUTES, route(8, attribute(1, "10.0.0.0"), attribute(7, "10.0.0.7")))
    told, _ = change(scene, "route-9.img", data, "10.0.0.0/24", "10.1.0.0/24")
    assert [what for what, _, _ in told] == ["preferred source of a route"]


def test_rules_of_routing_change(scene: Any) -> None:
    def data(host: str) -> bytes:
        rule = message(NEW_RULE, bytes([2, 32, 32, *bytes(9)]), attribute(1, host), attribute(2, host))
        return dump(RULES, rule)

    told, after = change(scene, "rule-9.img", data("10.0.0.7"), "10.0.0.7", "10.0.0.8")
    assert after == data("10.0.0.8")
    assert [what for what, _, _ in told] == ["destination of a routing rule", "source of a routing rule"]


def tracked(host: str) -> bytes:
    there = attribute(1, attribute(1, host) + attribute(2, "10.9.9.9"))
    back = attribute(1, attribute(1, "10.9.9.9") + attribute(2, host))
    return attribute(0x8001, there) + attribute(0x8002, back) + attribute(0x8006, attribute(1, host))


def test_tracked_connections_and_expected_ones_change(scene: Any) -> None:
    def write(host: str) -> tuple[bytes, bytes]:
        return (
            message(NEW_CONNECTION, bytes(4), tracked(host)),
            message(NEW_EXPECTATION, bytes(4), tracked(host)),
        )

    before, wanted = write("10.0.0.7"), write("10.0.0.8")
    scene.raw("netns-exp-9.img", before[1].replace(b"\6\x80", b"\3\0"))
    told, after = change(scene, "netns-ct-9.img", before[0], "10.0.0.7", "10.0.0.8")
    assert after == wanted[0]
    assert told[0] == ("tracked connection", "10.0.0.7", "10.0.0.8")
    assert ("address translation", "10.0.0.7", "10.0.0.8") in told


def test_wildcards_are_no_business_of_devices(scene: Any) -> None:
    data = dump(ADDRESSES, device(0, attribute(1, "0.0.0.0")))
    assert change(scene, "ifaddr-9.img", data, "0.0.0.0", "10.0.0.7") == ([], data)


@pytest.mark.parametrize("name", ["ifaddr-9.img", "route-9.img", "rule-9.img", "netns-ct-9.img"])
def test_empty_images_stay(scene: Any, name: str) -> None:
    assert change(scene, name, b"", "10.0.0.7", "10.0.0.8") == ([], b"")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("ifaddr-9.img", b"1234", "magic"),
        ("ifaddr-9.img", dump(ADDRESSES, b"\1"), "no netlink message at byte 4"),
        ("ifaddr-9.img", dump(ADDRESSES, b"\1" + bytes(15)), "no netlink message at byte 4"),
        ("ifaddr-9.img", dump(ADDRESSES, b"\xff\xff\xff\xff" + bytes(15)), "no netlink message"),
        ("ifaddr-9.img", dump(ADDRESSES, device(24, attribute(1, "10.0.0.7"))[:-1]), "cut off"),
        ("ifaddr-9.img", dump(ADDRESSES, message(NEW_ADDRESS, b"\2\0\0\0")), "cut off"),
        ("ifaddr-9.img", dump(ADDRESSES, device(24, b"\0\0\1\0")), "no attribute at byte 28"),
        ("ifaddr-9.img", dump(ADDRESSES, device(24, b"\x20\0\1\0")), "no attribute"),
        ("route-9.img", dump(ROUTES, route(24, attribute(9, bytes(8)))), "no next hop"),
        ("netns-ct-9.img", b"\0" * 16, "no netlink message at byte 0"),
    ],
)
def test_damaged_images_are_errors(scene: Any, name: str, data: bytes, expected: str) -> None:
    with pytest.raises(RawImageError, match=rf"{name}.*{expected}"):
        scene.raw(name, data).change(remap_address, "10.0.0.7", "10.0.0.8")


def test_tunnels_change(scene: Any) -> None:
    def word(address: str) -> int:
        return int.from_bytes(ip_address(address).packed, "little")

    tunnel = {
        "local": [word("10.0.0.7")],
        "remote": [word("10.9.9.9")],
        "relay_prefix": [word("10.0.0.0")],
        "relay_prefixlen": 8,
    }
    device = {"type": "SIT", "ifindex": 2, "mtu": 1480, "flags": 0, "name": "sit1", "sit": tunnel}
    outcome = scene.write("netdev-9.img", "NETDEV", device).change(
        remap_address, "10.0.0.0/24", "10.1.0.0/24"
    )
    assert outcome.told == [("local address of a tunnel", "10.0.0.7", "10.1.0.7")]
    assert list(outcome.values) == ["netdev-9.img entries[0].sit.local[0]"]


@pytest.mark.parametrize("stem", ["ifaddr", "route", "netns-ct", "netdev", "nftables"])
def test_images_under_names_that_criu_does_not_write_stay(scene: Any, tcp: Any, stem: str) -> None:
    scene.sockets(tcp("10.0.0.7:80")).raw(f"{stem}-007.img", b"10.0.0.7")
    outcome = scene.change(remap_address, "10.0.0.7", "10.0.0.8")
    assert list(outcome.values) == ["files.img entries[0].isk.src_addr[0]"]


@pytest.mark.parametrize("name", ["ifaddr-9.img", "netdev-9.img", "nftables-9.img"])
def test_images_that_were_removed_before_are_left_out(scene: Any, name: str) -> None:
    scene.raw(name, b"no such image")
    with scene.open() as checkpoint, checkpoint.edit(dry_run=True) as edit:
        edit.images.remove(name)
        assert remap_address(edit, "10.0.0.7", "10.0.0.8") == []
