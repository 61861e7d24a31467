"""Gives sockets other ends, unless two of them would then be in each other's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import text
from dyncrit.edit.network.sockets import End, change_sockets, set_address
from dyncrit.edit.touched import Touched
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.sockets import InetSocket, Place
    from dyncrit.types import ByteOrder, DynamicMessage


class Ends(NamedTuple):
    """Both ends that a socket is to have."""

    source: End
    destination: End


def move(edit: Edit, sockets: Sequence[InetSocket], ends: Mapping[Place, Ends]) -> list[Touched]:
    """Give sockets the ends that ``ends`` has for their places.

    ``sockets`` are all of the checkpoint. Raises DyncritError where two that weren't on one address and port
    before would be, or where an address needs a device that the image doesn't tell.
    """
    _refuse_collisions([_Move.of(socket, ends) for socket in sockets if socket.has_ports])
    order = edit.checkpoint.images.byte_order
    changes, touched = {}, []
    for socket in sockets:
        if (after := ends.get(socket.place)) is None:
            continue
        _refuse_without_device(socket, after.source)
        changes[socket.place] = _setter(socket, after, order)
        touched.append(Touched(socket.shown_place, socket.what, socket.ends(), socket.ends(*after)))
    change_sockets(edit, changes)
    return touched


class _Bound(NamedTuple):
    """What is taken: in a network namespace, by a protocol, on a port, an address."""

    namespace: int
    protocol: int
    source: End
    destination: End | None
    is_ipv6_only: bool

    def covers(self, other: _Bound) -> bool:
        """Whether it is a wildcard that takes the other's address, too."""
        if not self.source.is_wildcard or self.source.port != other.source.port:
            return False
        same_family = len(self.source.packed) == len(other.source.packed)
        return same_family or (len(self.source.packed) == 16 and not self.is_ipv6_only)


class _Move(NamedTuple):
    """A socket, and what it takes before and after."""

    socket: InetSocket
    before: _Bound
    after: _Bound

    @classmethod
    def of(cls, socket: InetSocket, ends: Mapping[Place, Ends]) -> _Move:
        before = Ends(socket.source, socket.destination)
        after = ends.get(socket.place, before)
        return cls(socket, _bound(socket, before), _bound(socket, after))


def _bound(socket: InetSocket, ends: Ends) -> _Bound:
    other = ends.destination.plain if socket.is_connected else None
    return _Bound(socket.namespace, socket.protocol, ends.source.plain, other, socket.is_ipv6_only)


def _refuse_collisions(moves: Iterable[_Move]) -> None:
    """Raise DyncritError if sockets would be in each other's way that weren't before.

    A restore lets all sockets share addresses while it binds them, so it wouldn't tell.
    """
    bound = [item for item in moves if item.after.source.port]
    taken: dict[_Bound, _Move] = {}
    for item in bound:
        key = item.after._replace(is_ipv6_only=False)
        other = taken.setdefault(key, item)
        if other.before._replace(is_ipv6_only=False) != item.before._replace(is_ipv6_only=False):
            _collide(other, item)
    for wildcard, item in _with_wildcards([item for item in bound if item.after.destination is None]):
        if wildcard.after.covers(item.after) and not _overlap(wildcard.before, item.before):
            _collide(wildcard, item)


def _with_wildcards(bound: Iterable[_Move]) -> Iterator[tuple[_Move, _Move]]:
    """Each socket with each kind of wildcard on its port; there are three kinds, whatever the number."""
    wildcards: dict[tuple[int, int, int], dict[tuple[int, bool], _Move]] = {}
    bound = list(bound)
    for item in bound:
        if item.after.source.is_wildcard:
            kind = len(item.after.source.packed), item.after.is_ipv6_only
            wildcards.setdefault(_port(item), {}).setdefault(kind, item)
    for item in bound:
        for wildcard in wildcards.get(_port(item), {}).values():
            yield wildcard, item


def _port(item: _Move) -> tuple[int, int, int]:
    return item.after.namespace, item.after.protocol, item.after.source.port


def _overlap(one: _Bound, other: _Bound) -> bool:
    return one.source == other.source or one.covers(other) or other.covers(one)


def _collide(one: _Move, other: _Move) -> None:
    raise DyncritError(
        f"nothing was changed, since {one.socket.what} ({one.before.source}, {one.socket.shown_place}) and "
        f"{other.socket.what} ({other.before.source}, {other.socket.shown_place}) would be in each other's "
        f"way at {other.after.source}"
    )


def _refuse_without_device(socket: InetSocket, source: End) -> None:
    """A restore binds a socket to a link-local address (fe80::/10) only if it knows on which device."""
    is_link_local = len(source.packed) == 16 and source.packed[0] == 0xFE and source.packed[1] & 0xC0 == 0x80
    if is_link_local and source != socket.source and source.port and not text(socket.message, "ifname"):
        raise DyncritError(
            f"nothing was changed, since {socket.what} ({socket.source}) can't move to a link-local address: "
            "its entry doesn't name the device (ifname)",
            socket.shown_place,
        )


def _setter(socket: InetSocket, after: Ends, order: ByteOrder) -> Callable[[DynamicMessage], None]:
    def change(message: DynamicMessage) -> None:
        if after.source.packed != socket.source.packed:
            set_address(message.src_addr, after.source.packed, order)
        if after.destination.packed != socket.destination.packed:
            set_address(message.dst_addr, after.destination.packed, order)
        message.src_port, message.dst_port = after.source.port, after.destination.port

    return change
