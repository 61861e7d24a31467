"""Sockets that appeared, are gone or changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dyncrit.explore.diff.records import Changes, Record, compare_records, plain

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.types import JsonObject


def compare_sockets(before: Checkpoint, after: Checkpoint) -> Changes:
    """The changes of sockets, matched by inode, and by name or addresses where that has become another.

    Of what waits in their queues the sizes are compared.
    """
    first, second = _by_inode(before.sockets), _by_inode(after.sockets)
    _match_by_name(first, second)
    return compare_records(
        {key: _record(socket) for key, socket in first.items()},
        {key: _record(socket) for key, socket in second.items()},
    )


def _by_inode(sockets: Iterable[Socket]) -> dict[Hashable, Socket]:
    found: dict[Hashable, Socket] = {}
    for socket in sockets:
        found[(socket.kind, socket.ino) if socket.ino is not None else (socket.kind, "id", socket.id)] = (
            socket
        )
    return found


def _match_by_name(first: dict[Hashable, Socket], second: dict[Hashable, Socket]) -> None:
    """Give sockets that were made anew at a restore the key of those that they were before."""
    waiting: dict[Hashable, list[Hashable]] = defaultdict(list)
    for key, socket in first.items():
        if key not in second and (name := _identity(socket)):
            waiting[name].append(key)
    for key, socket in [item for item in second.items() if item[0] not in first]:
        name = _identity(socket)
        if name and waiting[name]:
            second[waiting[name].pop(0)] = second.pop(key)


def _identity(socket: Socket) -> tuple[Hashable, ...] | None:
    """What a socket is told by but for its inode; nothing for those without a name."""
    if socket.path:
        return socket.kind, socket.type, socket.path
    if socket.source is not None and (socket.source.port or socket.destination):
        return socket.kind, socket.type, str(socket.source), str(socket.destination)
    if socket.interface_index is not None or socket.netlink is not None:
        return socket.kind, socket.type, socket.protocol, socket.interface_index, socket.netlink
    return None


def _record(socket: Socket) -> Record:
    fields: JsonObject = {
        "ino": socket.ino,
        "type": socket.type,
        "protocol": socket.protocol,
        "state": socket.state,
        "source": None if socket.source is None else str(socket.source),
        "destination": None if socket.destination is None else str(socket.destination),
        "path": socket.path,
        "peer": socket.peer,
        "backlog": socket.backlog,
        "shutdown": socket.shutdown,
        "deleted": socket.deleted,
        "flags": socket.flags,
        "send_buffer": socket.send_buffer,
        "receive_buffer": socket.receive_buffer,
        "received": list(socket.received),
        "unsent": socket.unsent,
        "options": plain(socket.options),
        "netlink": plain(socket.netlink),
        "holders": plain(socket.holders),
    }
    return Record({"family": socket.family, "ino": socket.ino, "name": _name(socket)}, fields)


def _name(socket: Socket) -> str:
    if socket.path or socket.source is None:
        return socket.path
    return f"{socket.source} -> {socket.destination}"
