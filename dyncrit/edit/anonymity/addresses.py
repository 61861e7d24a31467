"""Addresses for addresses: each has its own, in ranges that belong to nobody.

What every host has stays: the loopback, wildcard and multicast addresses, and which family one is of.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyncrit.edit.anonymity.keyed import Keyed

_TRIES = 1 << 12
_IPV4_HOSTS = 256
_MAPPED = bytes(10) + b"\xff\xff"
_DOCUMENTATION = b"\x20\x01\x0d\xb8"  # 2001:db8::/32, RFC 3849
_SMALL = 1 << 16
_MAX_TEXT = 64


class Addresses:
    """Replacements of network addresses, made up as they are first met.

    An IPv4 address comes to stand in 10.0.0.0/8 (in 240.0.0.0/4 should that be full), an IPv6 address in
    2001:db8::/32 or, if it is of one link alone, in fe80::/64. Addresses of one network (a /24 or a /64) stay
    in one; an IPv4 address in an IPv6 one has the same replacement there.
    """

    def __init__(self, keyed: Keyed) -> None:
        self._keyed = keyed
        self._networks: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()
        self._hosts: dict[bytes, bytes] = {}

    def packed(self, value: bytes) -> bytes:
        """An address in network byte order, of 4 or 16 bytes; a hardware address of any other length."""
        if len(value) == 4:
            return self._ipv4(value)
        return self._ipv6(value) if len(value) == 16 else self.hardware(value)

    def hardware(self, value: bytes) -> bytes:
        """A hardware address: locally administered, as multicast as it was; zeros and broadcast stay."""
        if not any(value) or value.count(0xFF) == len(value):
            return value
        made = self._keyed.stream("hardware", value, len(value))
        return bytes([made[0] & 0xFC | value[0] & 1 | 2]) + made[1:]

    def text(self, value: bytes) -> bytes:
        """An IP address as text, perhaps with a prefix length behind it; "" if it is none.

        >>> from dyncrit.edit.anonymity.keyed import Keyed
        >>> Addresses(Keyed(b"key")).text(b"192.0.2.7/24").decode()
        '10.102.241.155/24'
        """
        address, slash, length = value.partition(b"/")
        try:
            packed = ipaddress.ip_address(address[:_MAX_TEXT].decode("ascii")).packed
        except ValueError:
            return b""
        replaced = str(ipaddress.ip_address(self.packed(packed))).encode()
        if slash and not (length.isdigit() and len(length) <= 3):
            return b""
        return replaced + slash + length

    def _ipv4(self, value: bytes) -> bytes:
        if value[0] in {0, 127} or value[0] in range(224, 240) or value == b"\xff\xff\xff\xff":
            return value
        network = self._network("ipv4", value[:3], self._ipv4_network)
        host = value[3]
        if 0 < host < _IPV4_HOSTS - 1:
            host = self._host("ipv4", value[:3])[host]
        return network + bytes([host])

    def _ipv6(self, value: bytes) -> bytes:
        if value.startswith(_MAPPED):
            return _MAPPED + self._ipv4(value[12:])
        if not any(value[:12]):
            rest = int.from_bytes(value[12:], "big")
            return value if rest < _SMALL else value[:12] + self._ipv4(value[12:])
        if value[0] == 0xFF:
            known = int.from_bytes(value[2:], "big") < _SMALL
            return value if known else value[:2] + self._keyed.stream("multicast", value, 14)
        if value[:8] == b"\xfe\x80" + bytes(6):
            network = value[:8]
        else:
            network = self._network("ipv6", value[:8], self._ipv6_network)
        if not any(value[8:]):
            return network + value[8:]
        return network + self._keyed.stream("interface", value[8:], 8)

    def _network(self, label: str, value: bytes, make: Candidate) -> bytes:
        """The replacement of a network, which no other has; the last try if all are taken."""
        key = label.encode() + value
        made = self._networks.get(key)
        if made is None:
            for attempt in range(_TRIES):
                made = make(self._keyed.stream(label, value + attempt.to_bytes(2, "big"), 4), attempt)
                if made not in self._taken:
                    break
            assert made is not None  # noqa: S101 (there are tries)
            self._networks[key] = made
            self._taken.add(made)
        return made

    @staticmethod
    def _ipv4_network(stream: bytes, attempt: int) -> bytes:
        if attempt < _TRIES // 2:
            return b"\x0a" + stream[:2]
        return bytes([0xF0 | stream[0] & 0x0F]) + stream[1:3]

    @staticmethod
    def _ipv6_network(stream: bytes, _attempt: int) -> bytes:
        return _DOCUMENTATION + stream

    def _host(self, label: str, network: bytes) -> bytes:
        """A shuffling of the hosts of a network; the first and the last stay, which mean all of it."""
        table = self._hosts.get(network)
        if table is None:
            order = self._keyed.stream(f"{label}-hosts", network, 2 * _IPV4_HOSTS)
            hosts = sorted(range(1, _IPV4_HOSTS - 1), key=lambda host: (order[2 * host : 2 * host + 2], host))
            table = self._hosts[network] = bytes([0, *hosts, _IPV4_HOSTS - 1])
        return table


if TYPE_CHECKING:
    from collections.abc import Callable

    Candidate = Callable[[bytes, int], bytes]
