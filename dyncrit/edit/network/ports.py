"""``remap port``: moves sockets to another port."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from dyncrit.edit.engine_files import engine_notes, engine_text
from dyncrit.edit.network.dumps import device_addresses
from dyncrit.edit.network.firewall import firewall_images
from dyncrit.edit.network.moving import Ends, move
from dyncrit.edit.network.sockets import PROTOCOLS, TCP, THE_ONLY, End, inet_sockets, unmapped
from dyncrit.edit.network.tracked import change_tracked
from dyncrit.edit.requirements import require
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.sockets import InetSocket

_MAX_PORT = (1 << 16) - 1
_SETTINGS = "config.dump"
_IPV4_SIZE, _IPV6_SIZE = 4, 16


@whole
def remap_port(
    edit: Edit, old: int, new: int, *, protocol: str | None = None, connected: bool = False
) -> list[Touched]:
    """Change the port of sockets that listen on it, or are bound to it without another end.

    ``protocol`` is a name in ``PROTOCOLS``; without it, sockets of all of them are changed. Those that are
    ``connected`` keep their port unless it is asked for; then, where both ends of a connection are in the
    checkpoint, both are told of the new port, and so is what tracks connections. Firewall rules and settings
    of the engine's that name the port stay as they are, and are told with the same value before and after.
    Nothing is changed, and nothing told, where no socket has the port.

    Raises DyncritError for a port that is none, where two sockets would be in each other's way that weren't,
    and ImageError for damaged images.
    """
    number = _checked(old, new, protocol)
    require(edit, "file-ids-unique", "file-types")
    sockets = inet_sockets(edit)
    concerned = [socket for socket in sockets if socket.has_ports and number in {None, socket.protocol}]
    peers = _Peers(sockets, device_addresses(edit) if connected else {})
    moved = [
        (socket, ends)
        for socket in concerned
        if (ends := _moved(socket, old, new, peers, connected=connected)) is not None
    ]
    if not moved:
        return []
    connections = [pair for pair in moved if pair[0].is_connected]
    alone = {socket.shown_place for socket, _ in connections if not peers.have_other_end(socket)}
    touched = [
        item._replace(what=f"{item.what}, its other end elsewhere") if item.place in alone else item
        for item in move(edit, sockets, {socket.place: ends for socket, ends in moved})
    ]
    return [*touched, *change_tracked(edit, connections), *_notes(edit, old)]


class _Peers:
    """Which sockets of a checkpoint are the other ends of which.

    ``devices`` are the addresses of network devices, by the numbers of namespaces.
    """

    def __init__(self, sockets: Sequence[InetSocket], devices: Mapping[int, AbstractSet[bytes]]) -> None:
        ported = [socket for socket in sockets if socket.has_ports]
        self._connected = {
            (socket.namespace, socket.protocol, socket.source.plain, socket.destination.plain)
            for socket in ported
            if socket.is_connected
        }
        self._waiting = {
            (socket.namespace, socket.protocol, end)
            for socket in ported
            if not socket.is_connected and socket.protocol != TCP
            for end in _taken(socket)
        }
        self._addresses = {(socket.namespace, socket.source.plain.packed) for socket in sockets}
        for number, addresses in devices.items():
            for namespace in (number, THE_ONLY):
                self._addresses |= {(namespace, unmapped(packed)) for packed in addresses}

    def have_other_end(self, socket: InetSocket) -> bool:
        """Whether the other end is here: connected back, or one that takes datagrams from anybody."""
        source, destination = socket.source.plain, socket.destination.plain
        if (socket.namespace, socket.protocol, destination, source) in self._connected:
            return True
        ends = [destination]
        if self._is_here(socket.namespace, destination):
            ends.append(End(bytes(len(destination.packed)), destination.port))
        return any((socket.namespace, socket.protocol, end) in self._waiting for end in ends)

    def _is_here(self, namespace: int, end: End) -> bool:
        """Whether an end is of this namespace itself: then a wildcard there may be meant."""
        return ip_address(end.packed).is_loopback or (namespace, end.packed) in self._addresses


def _taken(socket: InetSocket) -> Iterator[End]:
    """The end that a socket waits at; two for a wildcard that takes IPv6 and IPv4."""
    source = socket.source.plain
    yield source
    if source.is_wildcard and len(source.packed) == _IPV6_SIZE and not socket.is_ipv6_only:
        yield End(bytes(_IPV4_SIZE), source.port)


def _moved(socket: InetSocket, old: int, new: int, peers: _Peers, *, connected: bool) -> Ends | None:
    """The ends that a socket is to have; None if it stays."""
    source, destination = socket.source, socket.destination
    if source.port == old and (connected or not socket.is_connected):
        source = source._replace(port=new)
    if destination.port == old and connected and peers.have_other_end(socket):
        destination = destination._replace(port=new)
    changed = source.port != socket.source.port or destination.port != socket.destination.port
    return Ends(source, destination) if changed else None


def _checked(old: int, new: int, protocol: str | None) -> int | None:
    """The number of the protocol, if all three are what they should be."""
    for port in (old, new):
        if not 0 < port <= _MAX_PORT:
            raise DyncritError(f"expected ports from 1 to {_MAX_PORT}, found {port}")
    if old == new:
        raise DyncritError(f"expected two ports that differ, found {old} twice")
    if protocol is not None and protocol not in PROTOCOLS:
        raise DyncritError(f"expected a protocol of {', '.join(PROTOCOLS)}, found {protocol!r}")
    return None if protocol is None else PROTOCOLS[protocol]


def _notes(edit: Edit, port: int) -> Iterator[Touched]:
    """What names the port, too."""
    rule = re.compile(rf"\b[ds]ports? [0-9,{{ -]{{0,200}}\b{port}\b")
    for name, lines in firewall_images(edit):
        for number, line in enumerate(lines, start=1):
            if rule.search(line):
                yield Touched(f"{name} line {number}", "a firewall rule names it too", str(port), str(port))
    setting = re.compile(rf'"(?:container_port|containerPort)":\s{{0,80}}{port}\b')
    if setting.search(engine_text(edit, _SETTINGS)):
        yield from engine_notes(_SETTINGS, [str(port)])
