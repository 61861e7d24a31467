"""Addresses in the raw images of network namespaces: devices, routes, rules, tracked connections.

The numbers are from <linux/if_addr.h>, <linux/rtnetlink.h>, <linux/fib_rules.h> and
<linux/netfilter/nfnetlink_conntrack.h>; which image holds what, from criu/net.c.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

from dyncrit.edit.network.netlink import HEAD, Attribute, attributes, messages
from dyncrit.edit.touched import Touched
from dyncrit.errors import RawImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange
    from dyncrit.edit.network.netlink import Message
    from dyncrit.types import ByteOrder


def change_dumps(edit: Edit, change: AddressChange) -> list[Touched]:
    """Change addresses in the images of network namespaces, in place.

    Raises RawImageError where an image is none.
    """
    touched = []
    images = edit.preview().images
    for layout in _LAYOUTS:
        for stem in layout.stems:
            for number in images.numbers(stem):
                place = _Place.of(edit, f"{stem}-{number}.img", images.byte_order)
                if edit.images.size(place.name):
                    with edit.images.modify(place.name) as file:
                        touched += _change_file(file, layout, change, place)
    return touched


def device_addresses(edit: Edit) -> dict[int, set[bytes]]:
    """The addresses that network devices have, in network order, by the numbers of namespaces.

    Raises RawImageError where an image is none.
    """
    images = edit.preview().images
    found: dict[int, set[bytes]] = {}
    for number in images.numbers("ifaddr"):
        place = _Place.of(edit, f"ifaddr-{number}.img", images.byte_order)
        if edit.images.size(place.name):
            with edit.images.open(place.name) as file:
                found[number] = set(_own_addresses(file, place))
    return found


class _Address(NamedTuple):
    """An attribute that is an address, behind ``skip`` bytes.

    ``prefix`` is where the length of its prefix stands in the fixed part, None for an address of its own.
    """

    name: str
    prefix: int | None = None
    skip: int = 0


class _Nested(NamedTuple):
    """An attribute that holds attributes, or parts that each have a head and attributes behind it."""

    parts: Mapping[int, _Meaning]
    part_head: int = 0


_Meaning: TypeAlias = _Address | _Nested


class _Layout(NamedTuple):
    """The images of one kind: what they begin with, the messages of interest, and their attributes.

    ``head`` is the size of the fixed part of a message.
    """

    stems: tuple[str, ...]
    magic: int | None
    type: int
    head: int
    parts: Mapping[int, _Meaning]


class _Place(NamedTuple):
    name: str
    path: str
    order: ByteOrder

    @classmethod
    def of(cls, edit: Edit, name: str, order: ByteOrder) -> _Place:
        return cls(name, edit.images.path(name), order)


class _Found(NamedTuple):
    """An address in a message: which attribute, and where."""

    type: int
    meaning: _Address
    start: int
    end: int


_LOCAL, _PEER, _BROADCAST = 2, 1, 4  # IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST
_DEVICE = "address of a network device"
_NEXT_HOP: Mapping[int, _Meaning] = MappingProxyType(
    {5: _Address("gateway of a route"), 18: _Address("gateway of a route", skip=2)}
)
_TUPLE = _Nested(
    {1: _Nested({number: _Address("tracked connection") for number in (1, 2, 3, 4)})}  # CTA_TUPLE_IP
)
_TRANSLATION = _Nested({number: _Address("address translation") for number in (1, 2, 4, 5)})
_LAYOUTS = (
    _Layout(
        ("ifaddr",),
        0x47361222,
        20,  # RTM_NEWADDR
        8,
        {
            _PEER: _Address(_DEVICE),
            _LOCAL: _Address(_DEVICE),
            _BROADCAST: _Address("broadcast address of a network device"),
            5: _Address("anycast address of a network device"),
        },
    ),
    _Layout(
        ("route", "route6"),
        0x45311224,
        24,  # RTM_NEWROUTE
        12,
        {
            1: _Address("destination of a route", prefix=1),
            2: _Address("source of a route", prefix=2),
            7: _Address("preferred source of a route"),
            9: _Nested(_NEXT_HOP, part_head=8),  # RTA_MULTIPATH, of struct rtnexthop
            **_NEXT_HOP,
        },
    ),
    _Layout(
        ("rule",),
        0x71706986,
        32,  # RTM_NEWRULE
        12,
        {
            1: _Address("destination of a routing rule", prefix=1),
            2: _Address("source of a routing rule", prefix=2),
        },
    ),
    _Layout(
        ("netns-ct",), None, 0x100, 4, {1: _TUPLE, 2: _TUPLE, 14: _TUPLE, 6: _TRANSLATION, 13: _TRANSLATION}
    ),
    _Layout(("netns-exp",), None, 0x200, 4, {1: _TUPLE, 2: _TUPLE, 10: _Nested({2: _TUPLE})}),
)


def _own_addresses(file: BinaryIO, place: _Place) -> Iterator[bytes]:
    """The addresses of devices; of a point-to-point one its own, rather than its peer's."""
    layout = _LAYOUTS[0]
    for _, message in _of_layout(file, layout, place):
        within = Attribute(0, HEAD + layout.head, len(message.data))
        found = {item.type: item for item in _addresses(message, layout.parts, within, place)}
        own = found.get(_LOCAL, found.get(_PEER))
        if own is not None:
            yield message.data[own.start : own.end]


def _of_layout(file: BinaryIO, layout: _Layout, place: _Place) -> Iterator[tuple[int, Message]]:
    """The messages of interest in an image, and their places among all."""
    if layout.magic is not None and int.from_bytes(file.read(4), place.order) != layout.magic:
        raise RawImageError(f"expected the magic 0x{layout.magic:08x} at its beginning", place.path)
    for index, message in enumerate(messages(file, place.order, place.path)):
        if message.type == layout.type:
            yield index, message


def _change_file(file: BinaryIO, layout: _Layout, change: AddressChange, place: _Place) -> list[Touched]:
    touched: dict[Touched, None] = {}
    for index, message in _of_layout(file, layout, place):
        for found, after in _changed(message, layout, change, place):
            file.seek(message.offset + found.start)
            file.write(after)
            before = message.data[found.start : found.end]
            shown = (str(ip_address(packed)) for packed in (before, after))
            touched[Touched(f"{place.name} message {index}", found.meaning.name, *shown)] = None
    return list(touched)


def _changed(
    message: Message, layout: _Layout, change: AddressChange, place: _Place
) -> Iterator[tuple[_Found, bytes]]:
    """The addresses of a message that become others, with what they become."""
    start = HEAD + layout.head
    if len(message.data) < start:
        raise RawImageError(f"the netlink message at byte {message.offset} is cut off", place.path)
    found = list(_addresses(message, layout.parts, Attribute(0, start, len(message.data)), place))
    for item in found:
        packed = message.data[item.start : item.end]
        if item.meaning.prefix is None:
            after = change.of(packed)
        else:
            after = change.of_network(packed, message.data[HEAD + item.meaning.prefix])
        if layout is _LAYOUTS[0] and item.type == _BROADCAST:
            after = _broadcast(message, found, change) or after
        if after is not None and after != packed:
            yield item, after


def _addresses(
    message: Message, parts: Mapping[int, _Meaning], within: Attribute, place: _Place
) -> Iterator[_Found]:
    for item in attributes(message, within.start, within.end, place.order, place.path):
        meaning = parts.get(item.type)
        if isinstance(meaning, _Address):
            start = item.start + meaning.skip
            if item.end - start in {4, 16}:
                yield _Found(item.type, meaning, start, item.end)
        elif meaning is not None:
            for inner in _inner(message, meaning, item, place):
                yield from _addresses(message, meaning.parts, inner, place)


def _inner(message: Message, meaning: _Nested, item: Attribute, place: _Place) -> Iterator[Attribute]:
    """Where the attributes stand within one that holds some."""
    if not meaning.part_head:
        yield item
        return
    start = item.start
    while start + meaning.part_head <= item.end:
        size = int.from_bytes(message.data[start : start + 2], place.order)
        if size < meaning.part_head or start + size > item.end:
            raise RawImageError(f"no next hop at byte {message.offset + start}", place.path)
        yield Attribute(item.type, start + meaning.part_head, start + size)
        start += size + 3 & ~3


def _broadcast(message: Message, found: list[_Found], change: AddressChange) -> bytes | None:
    """The broadcast address of the network that a device will be in, if it had that of its network."""
    values = {item.type: message.data[item.start : item.end] for item in found}
    local = values.get(_LOCAL, values.get(_PEER, b""))
    after = change.of(local)
    prefix_length = message.data[HEAD + 1]
    if after is None or len(local) != 4 or prefix_length > 32:
        return None
    networks = [IPv4Network((packed, prefix_length), strict=False) for packed in (local, after)]
    if networks[0].broadcast_address != IPv4Address(values[_BROADCAST]):
        return None
    return networks[1].broadcast_address.packed
