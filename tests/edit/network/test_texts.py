"""``remap ip`` in firewall rules and in what container engines write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dyncrit.edit.network.addresses import remap_address
from dyncrit.edit.network.addresses_in_text import tokens
from dyncrit.edit.network.change import AddressChange
from dyncrit.errors import RawImageError

RULES = """table ip filter {
	chain INPUT { comment "10.0.0.7 is \\"the 10.0.0.7\\" web server"
		ip saddr 10.0.0.7 tcp dport 80 accept
		ip daddr { 10.0.0.7, 10.0.0.99, 10.0.0.7-10.0.0.9 } dnat to 10.0.0.7:8080
	}
}
"""


def tokens_in(line: str, old: str = "10.0.0.0/24", new: str = "10.1.0.0/24") -> list[tuple[str, str | None]]:
    return [(item.before, item.after) for item in tokens(line, AddressChange.parse(old, new))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-s 10.0.0.7/32 -j DROP", [("10.0.0.7/32", "10.1.0.7/32")]),
        ("--to-destination 10.0.0.7:80", [("10.0.0.7", "10.1.0.7")]),
        ("--src-range 10.0.0.1-10.0.0.9", [("10.0.0.1-10.0.0.9", "10.1.0.1-10.1.0.9")]),
        ("--src-range 10.0.0.1-10.0.5.9", [("10.0.0.1-10.0.5.9", None)]),
        ("dnat to 10.0.0.1-10.0.0.9:80-90", [("10.0.0.1-10.0.0.9", "10.1.0.1-10.1.0.9")]),
        ("10.0.0.0/24 10.0.0.16/28", [("10.0.0.0/24", "10.1.0.0/24"), ("10.0.0.16/28", "10.1.0.16/28")]),
        ("dnat to 10.0.0.7:80-90", [("10.0.0.7", "10.1.0.7")]),
        ("-s 10.0.0.0/8", [("10.0.0.0/8", None)]),
        ("{ 10.0.0.1, 10.0.0.2 }", [("10.0.0.1", "10.1.0.1"), ("10.0.0.2", "10.1.0.2")]),
        (
            "110.0.0.7 10.0.0.70.1 v10.0.0.7 10.0.0.7x 1.10.0.0.7 10.0.0.7/255.0.255.0 10.0.0.7-x y-10.0.0.7",
            [],
        ),
        ("IP=10.0.0.7", [("10.0.0.7", "10.1.0.7")]),
        ("::ffff:10.0.0.7", [("::ffff:10.0.0.7", "::ffff:a01:7")]),
        ("fd00::7 12:30:45 [0:0] aa:bb:cc:dd:ee:ff", []),
        (":" * 5000 + "1" * 5000, []),
    ],
)
def test_addresses_are_found_in_text(line: str, expected: list[tuple[str, str | None]]) -> None:
    assert tokens_in(line) == expected


def test_ipv6_addresses_are_found_in_text() -> None:
    line = "ip6 saddr fd00::7 dnat to [fd00::8]:80 fd00::/64 fd00:0:0:0:0:0:0:9 fd00::1-fd00::5 fd07::1"
    assert tokens_in(line, "fd00::/64", "fd01::/64") == [
        ("fd00::7", "fd01::7"),
        ("fd00::8", "fd01::8"),
        ("fd00::/64", "fd01::/64"),
        ("fd00:0:0:0:0:0:0:9", "fd01::9"),
        ("fd00::1-fd00::5", "fd01::1-fd01::5"),
    ]


def test_rules_change_but_not_their_comments(scene: Any) -> None:
    outcome = scene.raw("nftables-9.img", RULES.encode()).change(remap_address, "10.0.0.7", "10.0.0.8")
    after = (outcome.after.images / "nftables-9.img").read_text()
    lines = zip(RULES.splitlines(), after.splitlines(), strict=True)
    assert [pair for pair in lines if pair[0] != pair[1]] == [
        ("\t\tip saddr 10.0.0.7 tcp dport 80 accept", "\t\tip saddr 10.0.0.8 tcp dport 80 accept"),
        (
            "\t\tip daddr { 10.0.0.7, 10.0.0.99, 10.0.0.7-10.0.0.9 } dnat to 10.0.0.7:8080",
            "\t\tip daddr { 10.0.0.8, 10.0.0.99, 10.0.0.7-10.0.0.9 } dnat to 10.0.0.8:8080",
        ),
    ]
    assert [(item.place, item.before, item.after) for item in outcome.touched] == [
        ("nftables-9.img line 3", "10.0.0.7", "10.0.0.8"),
        ("nftables-9.img line 4", "10.0.0.7", "10.0.0.8"),
        ("nftables-9.img line 4", "10.0.0.7-10.0.0.9", "10.0.0.7-10.0.0.9"),
        ("nftables-9.img line 4", "10.0.0.7", "10.0.0.8"),
    ]


@pytest.mark.parametrize("name", ["iptables-9.img", "ip6tables-9.img", "nftables-9.img"])
def test_bytes_that_are_no_text_stay(scene: Any, name: str) -> None:
    data = b"# \xff\xfe\r\n-A INPUT -s 10.0.0.7/32 -j ACCEPT\r\nno newline at the end 10.0.0.7"
    outcome = scene.raw(name, data).change(remap_address, "10.0.0.7", "10.0.0.8")
    assert (outcome.after.images / name).read_bytes() == data.replace(b"10.0.0.7", b"10.0.0.8")


def test_a_line_without_end_is_an_error(scene: Any) -> None:
    with pytest.raises(RawImageError, match=r"nftables-9\.img: a line of over"):
        scene.raw("nftables-9.img", b"1" * (1 << 20)).change(remap_address, "10.0.0.7", "10.0.0.8")


def test_quotes_without_end_take_no_longer_than_they_are_long(scene: Any) -> None:
    data = b'"\\' * 400_000 + b"\n"
    assert scene.raw("nftables-9.img", data).change(remap_address, "10.0.0.7", "10.0.0.8").touched == []


STATUS = {
    "podman": {"interfaces": {"eth0": {"subnets": [{"ipnet": "10.88.0.5/16", "gateway": "10.88.0.1"}]}}}
}


def test_podmans_record_changes(container: Any) -> None:
    text = json.dumps(STATUS, indent=3)
    (container.folder / "network.status").write_text(text)
    outcome = container.change(remap_address, "10.88.0.5", "10.88.0.6")
    assert (outcome.after.folder / "network.status").read_text() == text.replace("10.88.0.5", "10.88.0.6")
    assert outcome.told == [("address of the container", "10.88.0.5", "10.88.0.6")]


def test_settings_that_name_the_address_are_told_and_stay(container: Any, tcp: Any) -> None:
    settings = '{"static_ips": ["10.88.0.5"], "env": ["WEB=10.88.0.5", "DB=10.88.0.50"]}'
    (container.folder / "config.dump").write_text(settings)
    outcome = container.sockets(tcp("10.88.0.5:80")).change(remap_address, "10.88.0.5", "10.88.0.6")
    assert [(item.place, item.before, item.after) for item in outcome.touched] == [
        ("files.img entries[0]", "10.88.0.5:80", "10.88.0.6:80"),
        ("config.dump", "10.88.0.5", "10.88.0.5"),
    ]
    assert (outcome.after.folder / "config.dump").read_text() == settings


def test_what_is_only_told_is_no_change(container: Any) -> None:
    (container.folder / "config.dump").write_text('"10.88.0.5"')
    assert container.change(remap_address, "10.88.0.5", "10.88.0.6").touched == []
