"""``drop-tcp``: takes TCP connections out.

A connection becomes what ``criu restore --tcp-close`` makes of it (criu/sk-tcp.c, criu/sk-inet.c): a new
socket, shut down in both directions, so that reading meets the end and writing fails. CRIU takes a socket for
a connection where it has the port of another end; older ones did where its state was ESTABLISHED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import number, optional
from dyncrit.edit.network.sockets import CLOSE, change_sockets, inet_sockets
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import change_messages
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.sockets import InetSocket
    from dyncrit.edit.rewriting import Found
    from dyncrit.types import DynamicMessage

_BOTH = 3  # sk_shutdown.BOTH


@whole
def drop_tcp(edit: Edit) -> list[Touched]:
    """Take all TCP connections out: their sockets stay, closed, and those that listen stay as they are.

    Then the checkpoint restores anywhere without ``--tcp-established`` and ``--tcp-close``; the images of the
    connections' data go, and the demand for ``--tcp-close`` if it was dumped so. Programs see a connection
    that has ended. The inventory's demand is taken out, and told, even where there is no connection; where
    there is neither, nothing is given. Raises ImageError for damaged images.
    """
    require(edit, "file-ids-unique", "file-types")
    connections = [socket for socket in inet_sockets(edit) if socket.is_tcp and socket.is_connected]
    touched: list[Touched] = []
    for socket in connections:
        touched.append(Touched(socket.shown_place, socket.what, socket.ends()))
        touched += _drop_stream(edit, socket)
    change_sockets(edit, {socket.place: _close for socket in connections})
    return touched + _drop_demand(edit)


def _close(message: DynamicMessage) -> None:
    """Make a connection a socket that is new and shut down: without an address, CRIU doesn't bind it."""
    message.state = CLOSE
    message.src_port = message.dst_port = message.backlog = 0
    for values in (message.src_addr, message.dst_addr):
        values[:] = [0] * len(values)
    if "shutdown" in message.DESCRIPTOR.fields_by_name:
        message.shutdown = _BOTH


def _drop_stream(edit: Edit, socket: InetSocket) -> Iterator[Touched]:
    """Remove the image of a connection's data, unless another socket of its inode did."""
    name = f"tcp-stream-{socket.message.ino:x}.img"
    if name in edit.images:
        stream = edit.checkpoint.images.first(name)
        edit.images.remove(name)
        held = "damaged"
        if stream is not None:
            held = f"{number(stream, 'inq_len')} bytes not read, {number(stream, 'outq_len')} not delivered"
        yield Touched(name, "data of the connection", held)


def _drop_demand(edit: Edit) -> list[Touched]:
    """Take the demand for ``--tcp-close`` out of the inventory, which a restore refuses to go without."""

    def without(found: Found) -> Iterator[Touched]:
        if optional(found.message, "tcp_close"):
            found.message.ClearField("tcp_close")
            yield Touched(found.place, "demand for restoring with --tcp-close", "true")

    return change_messages(edit, {"inventory_entry"}, without)
