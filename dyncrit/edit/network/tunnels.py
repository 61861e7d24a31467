"""Addresses of tunnels (IPv6 over IPv4) among the network devices of a namespace."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import items, number, optional, text
from dyncrit.edit.network.sockets import set_address
from dyncrit.edit.rewriting import change_messages
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange
    from dyncrit.edit.rewriting import Found
    from dyncrit.types import ByteOrder


class _Field(NamedTuple):
    """A field of sit_entry: its name, that of the length of its prefix if it is a network, and what it is."""

    name: str
    prefix: str
    what: str


_FIELDS = (
    _Field("local", "", "local address of a tunnel"),
    _Field("remote", "", "remote address of a tunnel"),
    _Field("rd_prefix", "rd_prefixlen", "network of a tunnel (6rd)"),
    _Field("relay_prefix", "relay_prefixlen", "relay network of a tunnel (6rd)"),
)


def change_tunnels(edit: Edit, change: AddressChange) -> list[Touched]:
    """Change the addresses of tunnels, of all network devices."""
    order = edit.checkpoint.images.byte_order
    names = [f"netdev-{number}.img" for number in edit.preview().images.numbers("netdev")]
    return change_messages(
        edit, {"net_device_entry"}, lambda found: _change(found, change, order), images=names
    )


def _change(found: Found, change: AddressChange, order: ByteOrder) -> Iterator[Touched]:
    tunnel = optional(found.message, "sit")
    if tunnel is None:
        return
    place = f"{found.place} ({text(found.message, 'name')})"
    for field in _FIELDS:
        packed = b"".join(value.to_bytes(4, order) for value in items(tunnel, field.name))
        if len(packed) not in {4, 16}:
            continue
        length = number(tunnel, field.prefix) if field.prefix else len(packed) * 8
        after = change.of_network(packed, length)
        if after is not None and after != packed:
            set_address(getattr(tunnel, field.name), after, order)
            yield Touched(place, field.what, str(ip_address(packed)), str(ip_address(after)))
