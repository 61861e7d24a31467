"""What becomes of addresses: the one thing that sockets, dumps of devices and texts all ask."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias

from dyncrit.edit.network.sockets import MAPPED
from dyncrit.errors import DyncritError

Network: TypeAlias = IPv4Network | IPv6Network


class AddressChange(NamedTuple):
    """The addresses of one network become those of another of the same size; a single one is a network, too.

    Bits behind the prefix are kept.
    """

    old: Network
    new: Network

    @classmethod
    def parse(cls, old: str, new: str) -> AddressChange:
        """Both from text (``10.0.0.7``, ``10.0.0.0/24``, ``fd00::/64``).

        Raises DyncritError where either is none, or one can't become the other.
        """
        change = cls(_network(old), _network(new))
        if change.old.version != change.new.version:
            raise DyncritError(
                f"expected two addresses of one family, found {old} (IPv{change.old.version}) and {new} "
                f"(IPv{change.new.version}); a socket can't change its family"
            )
        if change.old.prefixlen != change.new.prefixlen:
            raise DyncritError(
                f"expected two addresses, or networks of one size, found {old} (/{change.old.prefixlen}) "
                f"and {new} (/{change.new.prefixlen})"
            )
        if change.old == change.new:
            raise DyncritError(f"expected two addresses that differ, found {old} twice")
        return change

    def of(self, packed: bytes) -> bytes | None:
        """What becomes of an address in network order; None if it isn't concerned.

        The wildcard 0.0.0.0 or :: is an address of no network, and concerned only if it is itself the old
        address. IPv6 addresses that stand for IPv4 ones (``::ffff:10.0.0.7``) go with these.
        """
        size = self.old.max_prefixlen // 8
        if len(packed) == 16 and size == 4 and packed.startswith(MAPPED):
            inner = self.of(packed[12:])
            return None if inner is None else packed[:12] + inner
        if len(packed) != size or (not any(packed) and self.old.prefixlen < self.old.max_prefixlen):
            return None
        value = int.from_bytes(packed, "big")
        mask = int(self.old.netmask)
        if value & mask != int(self.old.network_address):
            return None
        return (int(self.new.network_address) | value & ~mask).to_bytes(size, "big")

    def of_network(self, packed: bytes, prefix_length: int) -> bytes | None:
        """What becomes of a network, which must lie within the old one; None if it isn't concerned."""
        return self.of(packed) if prefix_length >= self.old.prefixlen else None

    def of_text(self, text: str) -> str | None:
        """What becomes of an address in text; None if it is none, or isn't concerned."""
        try:
            packed = ip_address(text).packed
        except ValueError:
            return None
        after = self.of(packed)
        return None if after is None or after == packed else str(ip_address(after))


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise DyncritError(f"expected an IP address or a network, found {text!r}") from None
    raise DyncritError(f"expected an address or a network, found {text}; its network is {network}")
