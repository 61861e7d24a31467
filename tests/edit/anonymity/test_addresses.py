"""Addresses: one for one, in ranges of nobody, and those that mean the same everywhere stay."""

from __future__ import annotations

import ipaddress

import pytest

from dyncrit.edit.anonymity.treatments import Pseudonyms


@pytest.fixture
def addresses():
    return Pseudonyms(b"key").addresses


def mapped(addresses, text):
    return ipaddress.ip_address(addresses.packed(ipaddress.ip_address(text).packed))


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255", "::", "::1", "ff02::1", "::ffff:127.0.0.1"],
)
def test_loopback_wildcard_broadcast_and_multicast_stay(addresses, text):
    assert mapped(addresses, text) == ipaddress.ip_address(text)


@pytest.mark.parametrize("text", ["192.0.2.7", "10.1.2.3", "8.8.8.8", "172.17.0.2", "169.254.1.2"])
def test_ipv4_goes_to_a_private_range(addresses, text):
    assert mapped(addresses, text) in ipaddress.ip_network("10.0.0.0/8")
    assert mapped(addresses, text) != ipaddress.ip_address(text)


@pytest.mark.parametrize("text", ["2a00:1450::1", "fd00:1:2:3::4"])
def test_ipv6_goes_to_the_range_for_documentation(addresses, text):
    assert mapped(addresses, text) in ipaddress.ip_network("2001:db8::/32")


def test_networks_stay_networks_and_hosts_stay_different(addresses):
    hosts = [mapped(addresses, f"198.51.100.{host}") for host in range(256)]
    assert len(set(hosts)) == 256
    assert len({int(host) >> 8 for host in hosts}) == 1
    assert int(mapped(addresses, "198.51.101.9")) >> 8 != int(hosts[0]) >> 8
    assert [int(hosts[index]) & 0xFF for index in (0, 255)] == [0, 255]


def test_many_networks_stay_different(addresses):
    texts = [f"{one}.{two}.7.9" for one in range(20, 60) for two in range(0, 250, 5)]
    assert len({mapped(addresses, text) for text in texts}) == len(texts)


def test_an_ipv4_address_in_an_ipv6_one_is_mapped_as_elsewhere(addresses):
    assert mapped(addresses, "::ffff:192.0.2.7").ipv4_mapped == mapped(addresses, "192.0.2.7")


def test_links_stay_links_and_tell_no_hardware_address(addresses):
    link = mapped(addresses, "fe80::d008:e5ff:fe08:387a")
    assert link in ipaddress.ip_network("fe80::/64")
    assert b"\xe5\xff\xfe\x08" not in link.packed
    group = mapped(addresses, "ff02::1:ff08:387a")
    assert group in ipaddress.ip_network("ff02::/16")
    assert not group.packed.endswith(b"\x08\x38\x7a")


def test_two_hosts_of_an_ipv6_network_share_it(addresses):
    one, two = (mapped(addresses, f"2a00:1:2:3::{host}").packed for host in (5, 6))
    assert one[:8] == two[:8]
    assert one != two


def test_hardware_addresses_are_locally_administered(addresses):
    made = addresses.hardware(b"\x00\x1b\x21\xaa\xbb\xcc")
    assert len(made) == 6
    assert made[0] & 3 == 2
    assert b"\xaa\xbb\xcc" not in made
    assert addresses.hardware(b"\x01\x00\x5e\x00\x00\xfb")[0] & 1
    assert addresses.hardware(bytes(6)) == bytes(6)
    assert addresses.hardware(b"\xff" * 6) == b"\xff" * 6
    assert addresses.hardware(b"") == b""


@pytest.mark.parametrize("text", ["", "1.2.3", "name", "1.2.3.4/x", "1.2.3.4/99999", "٣.1.2.3", "1" * 10_000])
def test_what_is_no_address_is_told(addresses, text):
    assert addresses.text(text.encode()) == b""
