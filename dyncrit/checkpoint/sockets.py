"""Sockets: unix, inet, packet and netlink, with what was unread in them when they were dumped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.checkpoint.fields import decode, items, number, optional, text
from dyncrit.checkpoint.names import numbers
from dyncrit.checkpoint.socket_options import socket_options
from dyncrit.codec.render import show_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import ByteOrder, DynamicMessage

_EXTERNAL = 1 << 0 | 1 << 2 | 1 << 3  # USK_EXTERN, USK_CALLBACK, USK_INHERIT of criu/sk-unix.c
_TCP_STREAM = re.compile(r"tcp-stream-([0-9a-f]{1,16})\.img")
_MAX_PORT = (1 << 16) - 1
_LISTEN = 10  # TCP_LISTEN


class Endpoint(NamedTuple):
    """One end of an inet socket. ``str()`` has an IPv6 address in brackets."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket.

    ``id`` is the file's, as descriptors refer to it, ``ino`` the inode's number (None for packet sockets,
    whose images lack it). ``kind`` is the name in the enum fd_types; ``family``, ``type``, ``protocol`` and
    ``state`` are names, or numbers as text where there is none; "" where the images don't tell. ``flags``
    are open()'s.

    ``source`` and ``destination`` are those of inet sockets. Of a unix socket, ``path`` is its name as a
    path, "@name" for an abstract one, joined to the directory that it was relative to; ``name`` is the same
    in the bytes of the image. ``peer`` is the inode of the other end, None without. ``shutdown`` is READ,
    WRITE, BOTH or "". ``owner`` is (mode, uid, gid) of its path.
    ``backlog`` is that of a socket that listens.

    ``received`` are the sizes in bytes of the packets that wait to be read, ``unsent`` is the number of
    bytes that were written but not acknowledged by TCP's other end. ``send_buffer`` and ``receive_buffer``
    are in bytes, as the kernel keeps them. ``options`` holds those of
    :func:`~dyncrit.checkpoint.socket_options.socket_options`; ``netlink`` the ports and groups of a netlink
    socket, ``interface_index`` that of a packet socket. ``holders`` are the (pid, fd) that refer to it.
    """

    id: int
    ino: int | None
    kind: str
    family: str
    type: str = ""
    protocol: str = ""
    state: str = ""
    flags: int = 0
    source: Endpoint | None = None
    destination: Endpoint | None = None
    name: bytes = b""
    path: str = ""
    peer: int | None = None
    backlog: int | None = None
    shutdown: str = ""
    deleted: bool = False
    external: bool = False
    owner: tuple[int, int, int] | None = None
    ns_id: int | None = None
    send_buffer: int = 0
    receive_buffer: int = 0
    received: tuple[int, ...] = ()
    unsent: int = 0
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    netlink: Netlink | None = None
    interface_index: int | None = None
    holders: tuple[tuple[int, int], ...] = ()

    @property
    def unread(self) -> int:
        """How many bytes wait to be read."""
        return sum(self.received)


class Netlink(NamedTuple):
    """The ports of a netlink socket and its other end, and the numbers of the groups that it listens to."""

    port: int
    groups: tuple[int, ...]
    destination_port: int
    destination_group: int


@dataclass(frozen=True, slots=True)
class SocketQueues:
    """What is known of sockets beside their own entries: see :func:`read_queues`.

    ``packets`` are sizes in bytes by the id of the socket that they wait for; ``streams`` the
    tcp_stream_entry messages by inode.
    """

    byte_order: ByteOrder
    packets: Mapping[int, tuple[int, ...]]
    streams: Mapping[int, DynamicMessage]


def read_sockets(images: ImageSet, files: Iterable[tuple[str, DynamicMessage]]) -> list[Socket]:
    """The sockets among the open files of a checkpoint, in the order of their ids.

    ``files`` are names of the enum fd_types with the entry of each file's own type (unix_sk_entry, ...), from
    files.img or the images of each type.
    """
    queues = read_queues(images)
    sockets = (socket_of(kind, message, queues) for kind, message in files)
    return sorted((socket for socket in sockets if socket is not None), key=lambda socket: socket.id)


def read_queues(images: ImageSet) -> SocketQueues:
    """The queues of all sockets: sk-queues.img and tcp-stream-INODE.img, whose number is in hexadecimal."""
    packets: dict[int, list[int]] = {}
    for entry in images.entries("sk-queues.img"):
        packets.setdefault(entry.message.id_for, []).append(entry.message.length)
    streams = {
        int(match[1], 16): message
        for name in images.tree.names()
        if (match := _TCP_STREAM.fullmatch(name)) and (message := images.first(name)) is not None
    }
    sizes = MappingProxyType({socket: tuple(found) for socket, found in packets.items()})
    return SocketQueues(images.byte_order, sizes, MappingProxyType(streams))


def socket_of(kind: str, message: DynamicMessage, queues: SocketQueues) -> Socket | None:
    """The socket that an entry describes; None if ``kind``, a name of the enum fd_types, is no socket's."""
    read = _READERS.get(kind)
    return read(message, queues) if read else None


def _unix(message: DynamicMessage, queues: SocketQueues) -> Socket:
    permissions = optional(message, "file_perms")
    owner = permissions and tuple(number(permissions, part) for part in ("mode", "uid", "gid"))
    name = bytes(message.name)
    return Socket(
        family="UNIX",
        type=_name(numbers.SOCKET_TYPES, message.type),
        state=_name(numbers.SOCKET_STATES, message.state),
        name=name,
        path=_unix_path(name, text(message, "name_dir")),
        peer=number(message, "peer") or None,
        deleted=bool(number(message, "deleted")),
        external=bool(number(message, "uflags") & _EXTERNAL),
        owner=owner,
        **_common("UNIXSK", message, queues),
    )


def _inet(message: DynamicMessage, queues: SocketQueues) -> Socket:
    stream = queues.streams.get(message.ino)
    common = _common("INETSK", message, queues, stream)
    if stream is not None:
        common["received"] = (stream.inq_len,) if stream.inq_len else ()
        common["unsent"] = stream.outq_len
    return Socket(
        family=_name(numbers.SOCKET_FAMILIES, message.family),
        type=_name(numbers.SOCKET_TYPES, message.type),
        protocol=_name(numbers.INTERNET_PROTOCOLS, message.proto),
        state=_name(numbers.SOCKET_STATES, message.state),
        source=_endpoint(message.src_addr, message.src_port, queues.byte_order),
        destination=_endpoint(message.dst_addr, message.dst_port, queues.byte_order),
        **common,
    )


def _packet(message: DynamicMessage, queues: SocketQueues) -> Socket:
    protocol = message.protocol & _MAX_PORT  # in network order, as socket() takes it
    protocol = int.from_bytes(protocol.to_bytes(2, queues.byte_order), "big")
    name = numbers.ETHERNET_PROTOCOLS.get(protocol, f"0x{protocol:04x}")
    return Socket(
        family="PACKET",
        type=_name(numbers.SOCKET_TYPES, message.type),
        protocol=name,
        interface_index=number(message, "ifindex") or None,
        **_common("PACKETSK", message, queues),
    )


def _netlink(message: DynamicMessage, queues: SocketQueues) -> Socket:
    groups = [
        32 * index + bit + 1
        for index, word in enumerate(items(message, "groups"))
        for bit in range(32)
        if word >> bit & 1
    ]
    return Socket(
        family="NETLINK",
        protocol=_name(numbers.NETLINK_PROTOCOLS, message.protocol),
        state=_name(numbers.SOCKET_STATES, message.state),
        netlink=Netlink(message.portid, tuple(groups), message.dst_portid, message.dst_group),
        **_common("NETLINKSK", message, queues),
    )


_READERS = {"UNIXSK": _unix, "INETSK": _inet, "PACKETSK": _packet, "NETLINKSK": _netlink}


def _common(
    kind: str, message: DynamicMessage, queues: SocketQueues, stream: DynamicMessage | None = None
) -> dict[str, Any]:
    """The fields that all kinds of sockets have."""
    options = optional(message, "opts")
    shutdown = number(message, "shutdown")
    return {
        "kind": kind,
        "id": message.id,
        "ino": optional(message, "ino"),
        "flags": number(message, "flags"),
        "backlog": number(message, "backlog") if number(message, "state") == _LISTEN else None,
        "shutdown": numbers.SHUTDOWNS.get(shutdown, str(shutdown)),
        "ns_id": optional(message, "ns_id"),
        "send_buffer": number(options, "so_sndbuf") if options is not None else 0,
        "receive_buffer": number(options, "so_rcvbuf") if options is not None else 0,
        "received": queues.packets.get(message.id, ()),
        "options": MappingProxyType(socket_options(message, stream)),
    }


def _unix_path(name: bytes, directory: str) -> str:
    if name.startswith(b"\0"):
        return "@" + decode(name[1:].replace(b"\0", b"@"))  # as /proc/net/unix shows them
    path = decode(name.rstrip(b"\0"))
    if directory and path and not path.startswith("/"):
        return f"{directory.rstrip('/')}/{path}"
    return path


def _endpoint(address: Iterable[int], port: int, byte_order: ByteOrder) -> Endpoint:
    shown = show_addresses(list(address), byte_order)
    return Endpoint(str(shown[0]) if len(shown) == 1 else ",".join(map(str, shown)), port)


def _name(table: Mapping[int, str], value: int) -> str:
    return table.get(value, str(value))
