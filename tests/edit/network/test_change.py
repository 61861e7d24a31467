"""What becomes of an address, and which pairs of addresses are none."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.edit.network.change import AddressChange
from dyncrit.errors import DyncritError


def after(change: AddressChange, text: str) -> str | None:
    packed = change.of(ip_address(text).packed)
    return None if packed is None else str(ip_address(packed))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("10.0.0.7", "fd00::7", "one family"),
        ("fd00::/64", "10.0.0.0/24", "one family"),
        ("10.0.0.0/24", "10.0.0.0/16", "one size"),
        ("10.0.0.7", "10.1.0.0/24", "one size"),
        ("10.0.0.7", "10.0.0.7", "differ"),
        ("10.0.0.7/24", "10.1.0.0/24", r"its network is 10\.0\.0\.0/24"),
        ("10.0.0.256", "10.0.0.1", "found '10.0.0.256'"),
        ("localhost", "10.0.0.1", "found 'localhost'"),
        ("", "10.0.0.1", "found ''"),
        ("10.0.0.1", "fe80::1%eth0/x", "expected"),
    ],
)
def test_what_can_not_become_the_other_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(DyncritError, match=message):
        AddressChange.parse(old, new)


def test_bits_behind_the_prefix_are_kept() -> None:
    change = AddressChange.parse("10.0.0.0/20", "172.16.16.0/20")
    assert after(change, "10.0.3.77") == "172.16.19.77"
    assert after(change, "10.0.16.1") is None


def test_an_ipv4_address_is_changed_inside_of_ipv6() -> None:
    packed = AddressChange.parse("10.0.0.7", "10.0.0.8").of(ip_address("::ffff:10.0.0.7").packed)
    assert packed == ip_address("::ffff:10.0.0.8").packed


def test_an_ipv6_change_is_about_ipv6_alone() -> None:
    change = AddressChange.parse("::/96", "fd00::/96")
    assert after(change, "10.0.0.7") is None
    assert after(change, "::7") == "fd00::7"


def test_networks_move_only_within_the_old_one() -> None:
    change = AddressChange.parse("10.0.0.0/16", "10.1.0.0/16")
    assert change.of_network(ip_address("10.0.3.0").packed, 24) == ip_address("10.1.3.0").packed
    assert change.of_network(ip_address("10.0.0.0").packed, 8) is None


@given(st.integers(0, (1 << 32) - 1), st.integers(1, 32), st.integers(0, (1 << 32) - 1))
def test_a_change_and_its_reverse_give_the_old_address(value: int, length: int, target: int) -> None:
    mask = (1 << 32) - (1 << (32 - length))
    networks = [f"{ip_address(number & mask)}/{length}" for number in (value, target)]
    if networks[0] == networks[1]:
        return
    packed = value.to_bytes(4, "big")
    there = AddressChange.parse(*networks).of(packed)
    if there is not None and any(there):
        assert AddressChange.parse(*reversed(networks)).of(there) == packed
