"""Ports of tracked connections, which must be those of the sockets for a firewall to know them again.

The numbers of attributes are from <linux/netfilter/nfnetlink_conntrack.h>; ports and addresses are in network
order there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dyncrit.edit.network.netlink import HEAD, Attribute, attributes, messages
from dyncrit.edit.network.sockets import THE_ONLY, End, unmapped
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.moving import Ends
    from dyncrit.edit.network.netlink import Message
    from dyncrit.edit.network.sockets import InetSocket
    from dyncrit.types import ByteOrder

_NEW = 0x100  # IPCTNL_MSG_CT_NEW of NFNL_SUBSYS_CTNETLINK
_FIXED = 4  # struct nfgenmsg
_TUPLES = {1, 2}  # CTA_TUPLE_ORIG, CTA_TUPLE_REPLY
_ADDRESSES, _PROTOCOL = 1, 2  # CTA_TUPLE_IP, CTA_TUPLE_PROTO
_SOURCES, _DESTINATIONS = {1, 3}, {2, 4}  # CTA_IP_V4_SRC and V6_SRC, CTA_IP_V4_DST and V6_DST
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3  # CTA_PROTO_NUM, _SRC_PORT, _DST_PORT


def change_tracked(edit: Edit, moved: Iterable[tuple[InetSocket, Ends]]) -> list[Touched]:
    """Give tracked connections the ports that their sockets get; raises RawImageError for a damaged image."""
    known: dict[int, dict[_Flow, _Flow]] = {}
    for socket, ends in moved:
        before = _Flow(socket.protocol, socket.source.plain, socket.destination.plain)
        after = _Flow(socket.protocol, ends.source.plain, ends.destination.plain)
        flows = known.setdefault(socket.namespace, {})
        flows[before], flows[before.reversed()] = after, after.reversed()
    touched: list[Touched] = []
    images = edit.preview().images
    for number in images.numbers("netns-ct") if known else ():
        name = f"netns-ct-{number}.img"
        flows = known.get(number, known.get(THE_ONLY, {}))
        if flows:
            with edit.images.modify(name) as file:
                place = edit.images.path(name)
                touched += _change_file(file, flows, name, place, images.byte_order)
    return touched


class _Flow(NamedTuple):
    """What tells a connection, seen from one direction."""

    protocol: int
    source: End
    destination: End

    def reversed(self) -> _Flow:
        return _Flow(self.protocol, self.destination, self.source)

    def __str__(self) -> str:
        return f"{self.source} to {self.destination}"


class _Tuple(NamedTuple):
    """A direction of a tracked connection, and where its ports stand in the message."""

    flow: _Flow
    source_port: Attribute
    destination_port: Attribute


def _change_file(
    file: BinaryIO, known: dict[_Flow, _Flow], name: str, place: str, order: ByteOrder
) -> Iterator[Touched]:
    for index, message in enumerate(messages(file, order, place)):
        if message.type != _NEW:
            continue
        for item in _tuples(message, order, place):
            after = known.get(item.flow)
            if after is None:
                continue
            for at, port in (
                (item.source_port, after.source.port),
                (item.destination_port, after.destination.port),
            ):
                file.seek(message.offset + at.start)
                file.write(port.to_bytes(2, "big"))
            yield Touched(f"{name} message {index}", "tracked connection", str(item.flow), str(after))


def _tuples(message: Message, order: ByteOrder, place: str) -> Iterator[_Tuple]:
    for item in attributes(message, HEAD + _FIXED, len(message.data), order, place):
        if item.type not in _TUPLES:
            continue
        parts = {
            part.type: {
                inner.type: inner for inner in attributes(message, part.start, part.end, order, place)
            }
            for part in attributes(message, item.start, item.end, order, place)
            if part.type in {_ADDRESSES, _PROTOCOL}
        }
        found = _tuple(message.data, parts.get(_ADDRESSES, {}), parts.get(_PROTOCOL, {}))
        if found is not None:
            yield found


def _tuple(data: bytes, addresses: dict[int, Attribute], protocol: dict[int, Attribute]) -> _Tuple | None:
    """A direction, if it is one of addresses and ports."""
    source = next((item for number, item in addresses.items() if number in _SOURCES), None)
    destination = next((item for number, item in addresses.items() if number in _DESTINATIONS), None)
    number, ports = protocol.get(_NUMBER), (protocol.get(_SOURCE_PORT), protocol.get(_DESTINATION_PORT))
    if source is None or destination is None or number is None or ports[0] is None or ports[1] is None:
        return None
    if any(port.end - port.start != 2 for port in ports if port is not None):
        return None
    ends = [
        End(unmapped(data[item.start : item.end]), int.from_bytes(data[port.start : port.end], "big"))
        for item, port in ((source, ports[0]), (destination, ports[1]))
    ]
    flow = _Flow(int.from_bytes(data[number.start : number.end], "big"), *ends)
    return _Tuple(flow, ports[0], ports[1])
