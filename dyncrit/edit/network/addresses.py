"""``remap ip``: moves a checkpoint to other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.edit.network.change import AddressChange
from dyncrit.edit.network.dumps import change_dumps
from dyncrit.edit.network.engine import change_engine_files
from dyncrit.edit.network.firewall import change_firewall
from dyncrit.edit.network.moving import Ends, move
from dyncrit.edit.network.sockets import End, inet_sockets
from dyncrit.edit.network.tunnels import change_tunnels
from dyncrit.edit.requirements import require
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.sockets import InetSocket, Place
    from dyncrit.edit.touched import Touched


@whole
def remap_address(edit: Edit, old: str, new: str) -> list[Touched]:
    """Change an address, or those of a network, wherever a restore uses them.

    ``old`` and ``new`` are addresses or networks of the same size, as text. Changed are both ends of sockets
    (IPv4 addresses also where IPv6 sockets have them), and of network namespaces: the addresses of devices,
    routes, rules of routing and of firewalls, tracked connections, tunnels; and Podman's record of the
    container's addresses. What else names an address, but means something of the engine's, is told with the
    same value before and after. What programs keep in their memory isn't changed.

    Nothing is changed, and nothing told, where no image has the address. Raises DyncritError where two
    sockets would be in each other's way that weren't, and ImageError for damaged images.
    """
    change = AddressChange.parse(old, new)
    require(edit, "file-ids-unique", "file-types")
    sockets = inet_sockets(edit)
    touched = move(edit, sockets, _moved(sockets, change))
    if not _is_wildcard_change(change):
        for part in (change_dumps, change_tunnels, change_firewall, change_engine_files):
            touched += part(edit, change)
    return touched if any(item.before != item.after for item in touched) else []


def _moved(sockets: list[InetSocket], change: AddressChange) -> dict[Place, Ends]:
    moved = {}
    for socket in sockets:
        source, destination = _of_end(socket.source, change), _of_end(socket.destination, change)
        if _is_wildcard_change(change) and socket.is_connected:
            continue
        if source is not None or destination is not None:
            moved[socket.place] = Ends(source or socket.source, destination or socket.destination)
    return moved


def _of_end(end: End, change: AddressChange) -> End | None:
    """An end changed; one without a port isn't there, and only looks like a wildcard."""
    after = change.of(end.packed)
    if after is None or (end.is_wildcard and not end.port):
        return None
    return End(after, end.port)


def _is_wildcard_change(change: AddressChange) -> bool:
    """Whether to or from a wildcard: that is for sockets that wait for anybody, not for connections."""
    return any(
        network.prefixlen == network.max_prefixlen and not int(network.network_address) for network in change
    )
