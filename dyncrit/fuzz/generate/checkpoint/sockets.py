"""Sockets: unix, internet, packet and netlink ones, with what waited in them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from dyncrit.fuzz.generate.checkpoint.opening import Maker, content, open_file, regular_file
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.checkpoint.opening import Opened
    from dyncrit.fuzz.generate.messages import Fields, Value

_ESTABLISHED, _CLOSED, _LISTENING = 1, 7, 10
_CONNECTED = (_ESTABLISHED, 2, 4, 5, 8, 9, 11)
"""Also SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and CLOSING."""
_STREAM, _DATAGRAMS, _RAW, _PACKETS = 1, 2, 3, 5
_TCP, _UDP, _UDPLITE, _ICMP = 6, 17, 136, 1
_RIGHTS = 1  # SCM_RIGHTS
_OUTSIDE = 1 << 2  # USK_CALLBACK of criu/sk-unix.c
_READ_WRITE = 2
_ADDRESSES = {2: ([0x0100007F], [0]), 10: ([0, 0, 0, 0x1000000], [0, 0, 0, 0])}
"""The loopback and any address of each family, in words as they stand in memory."""


def _unix(draft: Draft, fields: Fields) -> int:
    """A unix socket that has no name, backlog or other end, but for what is given."""
    plain: Fields = {
        "peer": 0,
        "state": _CLOSED,
        "flags": _READ_WRITE,
        "uflags": 0,
        "backlog": 0,
        "name": b"",
        "ns_id": draft.network,
        "mnt_id": draft.mount,
    }
    return open_file(draft, "UNIXSK", {**plain, **fields})


def _pair(draft: Draft, task: Task) -> Opened:
    """Two unix sockets that are each other's other end, with packets on their way."""
    kind = draft.noise.one_of((_STREAM, _DATAGRAMS, _PACKETS))
    inodes = [draft.number("inode"), draft.number("inode")]
    opened: Opened = []
    for inode, peer in (inodes, inodes[::-1]):
        fields: Fields = {"ino": inode, "peer": peer, "type": kind, "state": _ESTABLISHED}
        opened.append(("UNIXSK", _unix(draft, fields)))
    _add_packets(draft, task, opened)
    return opened


def _bound(draft: Draft, task: Task) -> Opened:
    """A unix socket with a name that takes datagrams, and one that sends them there."""
    inode = draft.number("inode")
    receiver = _unix(draft, {"ino": inode, "type": _DATAGRAMS, "name": _name(draft)})
    opened = [("UNIXSK", receiver)]
    if draft.chance.once_in(2):
        sender: Fields = {"ino": draft.number("inode"), "peer": inode, "type": _DATAGRAMS}
        opened.append(("UNIXSK", _unix(draft, {**sender, "state": _ESTABLISHED})))
    _add_packets(draft, task, opened[:1])
    return opened


def _listener(draft: Draft, _task: Task) -> Opened:
    kind = draft.noise.one_of((_STREAM, _PACKETS))
    fields: Fields = {"ino": draft.number("inode"), "type": kind, "state": _LISTENING, "backlog": 128}
    return [("UNIXSK", _unix(draft, {**fields, "name": _name(draft)}))]


def _outside(draft: Draft, _task: Task) -> Opened:
    """A unix socket whose other end no task has: CRIU was told to let it be."""
    fields: Fields = {"ino": draft.number("inode"), "peer": 1 << 20, "type": _STREAM, "state": _ESTABLISHED}
    return [("UNIXSK", _unix(draft, {**fields, "uflags": _OUTSIDE}))]


def _name(draft: Draft) -> bytes:
    return b"\0" * draft.noise.below(2) + path(draft.noise).encode()


def _add_packets(draft: Draft, task: Task, receivers: Opened) -> None:
    """Add what waits for sockets; files may be on their way, too."""
    for _ in range(draft.chance.below(3)):
        data = content(draft)
        passed: list[Value] = []
        if task.descriptors and draft.chance.once_in(4):
            passed = [{"type": _RIGHTS, "rights": [draft.chance.one_of(task.descriptors)[1]]}]
        receiver = draft.chance.one_of(receivers)[1]
        draft.add("sk-queues.img", {"id_for": receiver, "length": len(data), "scm": passed}, data)


def _internet(draft: Draft, kind: int, protocol: int, state: int, family: int) -> tuple[int, Fields]:
    """A socket that has an address, and another end where it is connected; gives its inode, too."""
    inode = draft.number("inode")
    here, nowhere = _ADDRESSES[family]
    fields: Fields = {
        "ino": inode,
        "family": family,
        "type": kind,
        "proto": protocol,
        "state": state,
        "src_addr": here,
        "dst_addr": here if state in _CONNECTED else nowhere,
        "src_port": draft.noise.between(1, 65535),
        "dst_port": draft.noise.between(1, 65535) if state in _CONNECTED else 0,
        "backlog": 128 if state == _LISTENING else 0,
        "flags": _READ_WRITE,
        "ns_id": draft.network,
    }
    return inode, fields


def _tcp(draft: Draft, _task: Task) -> Opened:
    """A TCP socket: a connection with what was on its way, one that listens, or one that does nothing."""
    state = draft.chance.one_of((_LISTENING, _CLOSED, _ESTABLISHED, draft.noise.one_of(_CONNECTED)))
    inode, fields = _internet(draft, _STREAM, _TCP, state, draft.noise.one_of(sorted(_ADDRESSES)))
    if state in _CONNECTED:
        waiting, unsent = content(draft), content(draft)
        lengths: Fields = {
            "inq_len": len(waiting),
            "outq_len": len(unsent),
            "unsq_len": draft.noise.below(len(unsent) + 1),
        }
        draft.add(f"tcp-stream-{inode:x}.img", lengths, waiting + unsent)
    return [("INETSK", open_file(draft, "INETSK", fields))]


def _datagrams(draft: Draft, _task: Task) -> Opened:
    """A socket of UDP, UDP-Lite or ICMP, or a raw one."""
    kinds = ((_DATAGRAMS, _UDP), (_DATAGRAMS, _UDPLITE), (_RAW, _ICMP))
    states = product(kinds, (_CLOSED, _ESTABLISHED), sorted(_ADDRESSES))
    (kind, protocol), state, family = draft.noise.one_of(list(states))
    _, fields = _internet(draft, kind, protocol, state, family)
    return [("INETSK", open_file(draft, "INETSK", fields))]


def _netlink(draft: Draft, _task: Task) -> Opened:
    fields: Fields = {
        "ino": draft.number("inode"),
        "protocol": draft.noise.one_of((0, 4, 15, 16)),
        "groups": [draft.noise.bits(8)] if draft.noise.once_in(2) else [],
        "ns_id": draft.network,
    }
    return [("NETLINKSK", open_file(draft, "NETLINKSK", fields))]


def packet_socket(draft: Draft) -> int:
    """Add a socket that sees all packets, and may have rings to be mapped; gives its id."""
    fields: dict[str, Value] = {
        "type": draft.noise.one_of((_DATAGRAMS, _RAW)),
        "ifindex": draft.noise.below(2),
        "mclist": [{"index": 1, "type": 0, "addr": draft.noise.bytes(6)}] if draft.noise.once_in(2) else [],
        "ns_id": draft.network,
    }
    ring: Fields = {"block_size": draft.page, "block_nr": 1, "frame_size": 1024, "frame_nr": 4}
    if draft.noise.once_in(2):
        fields["rx_ring"] = ring
    return open_file(draft, "PACKETSK", fields)


def _tunnel(draft: Draft, _task: Task) -> Opened:
    """A network device that a program stands behind, or none yet."""
    fields: Fields = {"netdev": "tun0" if draft.noise.once_in(2) else None, "ns_id": draft.network}
    device = regular_file(draft, "/dev/net/tun", 0o20666, _READ_WRITE)
    opened: Opened = [("REG", device)] if draft.noise.once_in(2) else []
    return [*opened, ("TUNF", open_file(draft, "TUNF", fields))]


SOCKETS = (
    Maker("UNIXSK", _pair),
    Maker("UNIXSK", _bound),
    Maker("UNIXSK", _listener),
    Maker("UNIXSK", _outside),
    Maker("INETSK", _tcp),
    Maker("INETSK", _tcp),
    Maker("INETSK", _datagrams),
    Maker("NETLINKSK", _netlink),
    Maker("PACKETSK", lambda draft, _: [("PACKETSK", packet_socket(draft))]),
    Maker("TUNF", _tunnel),
)
"""Sockets of all kinds, by the type that a schema has to have."""
