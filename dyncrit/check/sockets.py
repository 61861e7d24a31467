"""Rules of sockets: their other ends, what waited in them, and the state of connections.

What a restore does is from criu/sk-unix.c, criu/sk-queue.c, criu/sk-inet.c, criu/sk-tcp.c and criu/sockets.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import optional
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context

_SOCKETS = ("UNIXSK", "INETSK", "PACKETSK", "NETLINKSK")
_NETWORK_PARTS = {"UNIXSK": "usk", "INETSK": "isk", "PACKETSK": "psk", "NETLINKSK": "nlsk", "TUNF": "tunf"}
"""The types of files that are of a network namespace, and their fields in file_entry."""
_QUEUES = "sk-queues.img"
_OUTSIDE = 1 << 2 | 1 << 3  # USK_CALLBACK, USK_INHERIT of criu/sk-unix.c
_TCP = 6
_CONNECTED = {1, 2, 4, 5, 8, 9, 11}
"""TCP_ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and CLOSING (<netinet/tcp.h>)."""

UNIX_PEERS = Rule(
    "unix-peers-resolve",
    "error",
    "the other end of every unix socket is among the open files",
    "A restore stops while it connects unix sockets with each other.",
)
QUEUES = Rule(
    "socket-queues-resolve",
    "warning",
    "every packet in sk-queues.img waits for a socket that is open",
    "A restore passes the packet over: nobody gets it.",
)
PASSED_FILES = Rule(
    "passed-files-resolve",
    "error",
    "the files that were on their way through unix sockets are among the open files",
    "A restore stops while it prepares the files that it has to send again.",
)
STREAMS = Rule(
    "tcp-streams-present",
    "error",
    "every TCP connection has its tcp-stream image",
    "A restore stops when it sets the connection up, unless it is told to close connections.",
)
NETWORKS = Rule(
    "socket-namespaces-resolve",
    "error",
    "the network namespace of every socket is one that the checkpoint has, where it has any of its own",
    "A restore stops when it opens the socket: there is no such namespace.",
)


def _unix_peers(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    sockets = context.files_of("UNIXSK")
    known = {message.ino for message in sockets.values()}
    for identity, message in sockets.items():
        if message.peer and message.peer not in known and not message.uflags & _OUTSIDE:
            text = f"UNIXSK file {identity:#x}: there is no unix socket with inode {message.peer:#x}"
            yield Finding.of(UNIX_PEERS, text, context.image_of("UNIXSK"), place="usk.peer")


def _queues(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    known = {identity for kind, identity in context.files if kind in _SOCKETS}
    for index, packet in enumerate(context.messages(_QUEUES)):
        if packet.id_for not in known:
            text = f"{packet.length} bytes wait for socket {packet.id_for:#x}, which isn't there"
            yield Finding.of(QUEUES, text, _QUEUES, place=f"entry {index}: id_for")


def _passed_files(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    for index, packet in enumerate(context.messages(_QUEUES)):
        for place, message in enumerate(packet.scm):
            for position, identity in enumerate(message.rights):
                if identity not in context.file_ids:
                    where = f"entry {index}: scm[{place}].rights[{position}]"
                    yield Finding.of(PASSED_FILES, f"there is no file {identity:#x}", _QUEUES, place=where)


def _streams(context: Context) -> Iterator[Finding]:
    if context.inventory is not None and context.inventory.tcp_close:
        return
    for identity, message in context.files_of("INETSK").items():
        name = f"tcp-stream-{message.ino:x}.img"
        if message.proto == _TCP and message.state in _CONNECTED and name not in context.names:
            yield Finding.of(STREAMS, f"missing; INETSK file {identity:#x} is a TCP connection", name)


def _networks(context: Context) -> Iterator[Finding]:
    host = context.host_namespaces
    own = None if host is None else optional(host, "net_ns_id")
    known = {optional(task.ids, "net_ns_id") if task.ids is not None else None for task in context.living}
    if own is None or None in known or known <= {own}:  # then it says nothing to a restore
        return
    known.update(context.images.numbers("netns"))
    for kind, part in _NETWORK_PARTS.items():
        for identity, message in context.files_of(kind).items():
            number = optional(message, "ns_id")
            if number and number not in known:
                text = f"{kind} file {identity:#x}: no task is in the network namespace {number}"
                yield Finding.of(NETWORKS, text, context.image_of(kind), place=f"{part}.ns_id")


CHECKS: tuple[Check, ...] = (
    Check(UNIX_PEERS, _unix_peers),
    Check(QUEUES, _queues),
    Check(PASSED_FILES, _passed_files),
    Check(STREAMS, _streams),
    Check(NETWORKS, _networks),
)
