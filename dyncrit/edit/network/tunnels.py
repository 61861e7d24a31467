"""Addresses of tunnels (IPv6 over IPv4) among the network devices of a namespace."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import items, number, optional, text
from dyncrit.edit.network.sockets import set_address
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange
    from dyncrit.entry import Entry
    from dyncrit.types import ByteOrder, DynamicMessage


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
    """Change the addresses of tunnels, in netdev images."""
    touched: list[Touched] = []
    for key in edit.preview().images.numbers("netdev"):
        name = f"netdev-{key}.img"
        edit.rewrite(
            name,
            partial(_rewrite, name, change=change, order=edit.checkpoint.images.byte_order, touched=touched),
        )
    return touched


def _rewrite(
    name: str, entries: Iterator[Entry], change: AddressChange, order: ByteOrder, touched: list[Touched]
) -> Iterator[Entry]:
    for index, entry in enumerate(entries):
        tunnel = optional(entry.message, "sit")
        if tunnel is not None:
            place = f"{name} entries[{index}] ({text(entry.message, 'name')})"
            touched += _change(tunnel, place, change, order)
        yield entry


def _change(tunnel: DynamicMessage, place: str, change: AddressChange, order: ByteOrder) -> Iterator[Touched]:
    for field in _FIELDS:
        packed = b"".join(value.to_bytes(4, order) for value in items(tunnel, field.name))
        if len(packed) not in {4, 16}:
            continue
        length = number(tunnel, field.prefix) if field.prefix else len(packed) * 8
        after = change.of_network(packed, length)
        if after is not None and after != packed:
            set_address(getattr(tunnel, field.name), after, order)
            yield Touched(place, field.what, str(ip_address(packed)), str(ip_address(after)))
