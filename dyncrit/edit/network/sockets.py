"""The inet sockets of a checkpoint, found where every release keeps them, and changed there.

What CRIU makes of their fields is from criu/sk-inet.c and criu/sk-tcp.c.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import number
from dyncrit.checkpoint.names import numbers
from dyncrit.checkpoint.sockets import Endpoint
from dyncrit.edit.rewriting import change_messages, find_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableSequence

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.rewriting import Found
    from dyncrit.edit.touched import Touched
    from dyncrit.types import ByteOrder, DynamicMessage

    Place = tuple[str, int]
    """The image of a socket and the index of its entry there."""

TCP, UDP, UDPLITE = 6, 17, 136  # <linux/in.h>
PROTOCOLS = {"tcp": TCP, "udp": UDP, "udplite": UDPLITE}
"""The protocols with ports that CRIU knows, by name."""
STREAM, DATAGRAM, RAW = 1, 2, 3  # <bits/socket_type.h>
INET, INET6 = 2, 10
CLOSE, LISTEN = 7, 10  # <net/tcp_states.h>
THE_ONLY = 0
"""The network namespace of sockets where none names one: all are in the only one there is."""
MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv6 address begins that stands for an IPv4 address."""

_MESSAGES = frozenset({"inet_sk_entry"})
_CONNECTED = frozenset({1, 2, 3, 4, 5, 8, 9, 11})
"""The states of TCP that have another end: all but TIME_WAIT, CLOSE, LISTEN (<net/tcp_states.h>)."""
_WORDS = {INET: 1, INET6: 4}
"""How many u32s are of an address; CRIU v0.1 wrote four for IPv4, too, and used the first."""


class End(NamedTuple):
    """One end of a socket: the address in 4 or 16 bytes, and the port."""

    packed: bytes
    port: int

    @property
    def is_wildcard(self) -> bool:
        """Whether the address is 0.0.0.0 or ::."""
        return not any(unmapped(self.packed))

    @property
    def plain(self) -> End:
        """The same, as IPv4 has it where it is of an IPv6 socket but stands for an IPv4 address."""
        return End(unmapped(self.packed), self.port)

    def __str__(self) -> str:
        plain = unmapped(self.packed)
        mapped = "::ffff:" if plain is not self.packed else ""
        return str(Endpoint(f"{mapped}{ip_address(plain)}", self.port))


class InetSocket(NamedTuple):
    """A socket as its entry has it; ``namespace`` is the number of its network namespace."""

    place: Place
    message: DynamicMessage
    source: End
    destination: End
    namespace: int

    @property
    def protocol(self) -> int:
        """The number of the protocol."""
        return int(self.message.proto)

    @property
    def has_ports(self) -> bool:
        """Whether its ports are ports: raw sockets keep their protocol there, ping sockets an id."""
        return self.message.type in {STREAM, DATAGRAM} and self.protocol in PROTOCOLS.values()

    @property
    def is_connected(self) -> bool:
        """Whether it has another end."""
        return self.destination.port != 0 or (self.is_tcp and self.message.state in _CONNECTED)

    @property
    def is_tcp(self) -> bool:
        """Whether it speaks TCP, rather than seeing its packets as a raw socket does."""
        return self.protocol == TCP and self.message.type == STREAM

    @property
    def is_ipv6_only(self) -> bool:
        """Whether an IPv6 socket takes nothing that came over IPv4."""
        return bool(number(self.message, "v6only"))

    @property
    def shown_place(self) -> str:
        """The place as it is told."""
        return shown(self.place)

    @property
    def what(self) -> str:
        """What it is, in a few words: ``TCP socket, listening``."""
        name = numbers.INTERNET_PROTOCOLS.get(self.protocol, str(self.protocol))
        if self.message.type == RAW:
            return f"raw socket, protocol {name}"
        if self.is_connected:
            state = numbers.SOCKET_STATES.get(self.message.state, str(self.message.state))
            if self.is_tcp:
                return f"TCP connection, {state.lower().replace('_', '-')}"
            return f"{name} socket, connected"
        return f"{name} socket, {'listening' if self.message.state == LISTEN else 'bound'}"

    def ends(self, source: End | None = None, destination: End | None = None) -> str:
        """Its end, and the other one if there is one, as they are told; with others in their place."""
        source, destination = source or self.source, destination or self.destination
        return f"{source} to {destination}" if self.is_connected else str(source)


def inet_sockets(edit: Edit) -> list[InetSocket]:
    """All inet sockets, as they stand now; those whose addresses are no addresses are left out."""
    order = edit.checkpoint.images.byte_order
    found = []
    for name, index, message in find_messages(edit, _MESSAGES):
        source = _end(message, message.src_addr, message.src_port, order)
        destination = _end(message, message.dst_addr, message.dst_port, order)
        if source is not None and destination is not None:
            namespace = number(message, "ns_id")
            found.append(InetSocket((name, index), message, source, destination, namespace))
    return _with_namespaces(found)


def change_sockets(edit: Edit, changes: Mapping[Place, Callable[[DynamicMessage], None]]) -> None:
    """Put the entries of some sockets through functions that change them."""

    def changed(found: Found) -> Iterable[Touched]:
        if (change := changes.get((found.image, found.number))) is not None:
            change(found.message)
        return ()

    if changes:
        change_messages(edit, _MESSAGES, changed)


def set_address(values: MutableSequence[int], packed: bytes, order: ByteOrder) -> None:
    """Set the u32s of an address; those behind it, of CRIU v0.1, stay."""
    words = [int.from_bytes(packed[at : at + 4], order) for at in range(0, len(packed), 4)]
    for index, word in enumerate(words):
        values[index] = word


def unmapped(packed: bytes) -> bytes:
    """An IPv6 address that stands for an IPv4 address as that; others as they are."""
    return packed[12:] if len(packed) == 16 and packed.startswith(MAPPED) else packed


def shown(place: Place) -> str:
    """A place as it is told."""
    return f"{place[0]} entries[{place[1]}]"


def _end(message: DynamicMessage, values: MutableSequence[int], port: int, order: ByteOrder) -> End | None:
    count = _WORDS.get(message.family)
    if count is None or len(values) < count:
        return None
    return End(b"".join(word.to_bytes(4, order) for word in values[:count]), port)


def _with_namespaces(sockets: list[InetSocket]) -> list[InetSocket]:
    """Give those a namespace that lack it: CRIU leaves it out where there is only one."""
    known = next((socket.namespace for socket in sockets if socket.namespace), THE_ONLY)
    return [socket if socket.namespace else socket._replace(namespace=known) for socket in sockets]
