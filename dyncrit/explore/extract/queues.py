"""What waited to be read: in pipes, fifos, sockets, terminals and message queues; and the maps of BPF."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import items, text
from dyncrit.entry import Entry
from dyncrit.errors import ImageError
from dyncrit.explore.extract.content import content_of, copy_of, pieces, size_of
from dyncrit.explore.extract.item import Item
from dyncrit.explore.extract.output import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.codec.payload import Content
    from dyncrit.explore.extract.output import Output

_TCP_STREAM = re.compile(r"tcp-stream-([0-9a-f]{1,16})\.img")
_PERMISSIONS = 0o7777


def extract_queues(checkpoint: Checkpoint, output: Output) -> None:
    """Write what waited to be read, a file for each packet and message; empty queues are left out."""
    for extract in (_pipes, _fifos, _packets, _streams, _terminals, _bpf_maps, _messages):
        extract(checkpoint, output)


def _pipes(checkpoint: Checkpoint, output: Output) -> None:
    for entry in checkpoint.images.entries("pipes-data.img"):
        number = str(entry.message.pipe_id)
        item = Item("pipe", "pipes-data.img", number, f"pipe:[{number}]")
        _save(output, item, f"pipes/{number}.bin", content_of(entry))


def _fifos(checkpoint: Checkpoint, output: Output) -> None:
    names = {
        message.pipe_id: checkpoint.files.get(kind, file_id).path or ""
        for (kind, file_id), message in checkpoint.files.messages.items()
        if kind == "FIFO"
    }
    for entry in checkpoint.images.entries("fifo-data.img"):
        number = entry.message.pipe_id
        item = Item("fifo", "fifo-data.img", str(number), names.get(number, ""))
        _save(output, item, f"fifos/{named(number, item.name)}.bin", content_of(entry))


def _packets(checkpoint: Checkpoint, output: Output) -> None:
    sockets = {socket.id: _describe(socket) for socket in checkpoint.sockets}
    counts: dict[int, int] = {}
    for entry in checkpoint.images.entries("sk-queues.img"):
        socket = entry.message.id_for
        counts[socket] = counts.get(socket, 0) + 1
        rights = sum(len(items(passed, "rights")) for passed in items(entry.message, "scm"))
        item = Item(
            "socket-packet",
            "sk-queues.img",
            f"{socket}/{counts[socket]}",
            sockets.get(socket, ""),
            notes=(f"passes {rights} descriptors",) if rights else (),
        )
        _save(
            output, item, f"sockets/{socket}-packet-{counts[socket]}.bin", content_of(entry), keep_empty=True
        )


def _streams(checkpoint: Checkpoint, output: Output) -> None:
    sockets = {socket.ino: _describe(socket) for socket in checkpoint.sockets if socket.ino is not None}
    for image in checkpoint.images.tree.names():
        if not (match := _TCP_STREAM.fullmatch(image)):
            continue
        inode = int(match[1], 16)
        for entry in checkpoint.images.entries(image):
            parts = entry.payload if isinstance(entry.payload, dict) else {}
            for part, content in parts.items():
                what = _QUEUES.get(part, part)
                item = Item("tcp-stream", image, str(inode), sockets.get(inode, ""), notes=(what,))
                _save(output, item, f"sockets/tcp-{match[1]}-{what}.bin", content)


def _terminals(checkpoint: Checkpoint, output: Output) -> None:
    names = {
        message.tty_info_id: checkpoint.files.get(kind, file_id).path or ""
        for (kind, file_id), message in checkpoint.files.messages.items()
        if kind == "TTY"
    }
    for entry in checkpoint.images.entries("tty-data.img"):
        number = entry.message.tty_id
        item = Item("terminal", "tty-data.img", str(number), names.get(number, ""))
        _save(output, item, f"terminals/{named(number, item.name)}.bin", entry.message.data)


def _bpf_maps(checkpoint: Checkpoint, output: Output) -> None:
    names = {
        message.map_id: text(message, "map_name")
        for (kind, _), message in checkpoint.files.messages.items()
        if kind == "BPFMAP"
    }
    for entry in checkpoint.images.entries("bpfmap-data.img"):
        message = entry.message
        name = names.get(message.map_id, "")
        where = f"bpf-maps/{named(message.map_id, name)}"
        content = content_of(entry)
        for what, start, end in (
            ("keys", 0, message.keys_bytes),
            ("values", message.keys_bytes, message.keys_bytes + message.values_bytes),
        ):
            note = f"{what}, {message.count} of {(end - start) // max(message.count, 1)} bytes each"
            item = Item(
                "bpf-map", "bpfmap-data.img", str(message.map_id), name, size=end - start, notes=(note,)
            )
            output.save(item, f"{where}-{what}.bin", copy_of(_range(content, start, end)))


def _messages(checkpoint: Checkpoint, output: Output) -> None:
    for namespace in checkpoint.images.numbers("ipcns-msg"):
        image = f"ipcns-msg-{namespace}.img"
        for entry in checkpoint.images.entries(image):
            description = entry.message.desc
            messages = entry.payload if isinstance(entry.payload, list) else []
            for index, message in enumerate(messages, 1):
                if not isinstance(message, Entry):
                    continue
                item = Item(
                    kind="sysv-message",
                    source=image,
                    id=f"{description.id}/{index}",
                    name=f"key {description.key:#x}",
                    mode=description.mode & _PERMISSIONS,
                    uid=description.uid,
                    gid=description.gid,
                    notes=(f"type {_message_type(message)}",),
                )
                place = f"sysv-messages/{namespace}-{description.id}-{index}.bin"
                _save(output, item, place, content_of(message), keep_empty=True)


_QUEUES = {"inq": "received", "outq": "unsent"}


def _message_type(message: Entry) -> str:
    try:
        return str(message.message.mtype)
    except ImageError as error:
        return f"unknown: {error}"


def _save(output: Output, item: Item, place: str, content: Content, *, keep_empty: bool = False) -> None:
    if size_of(content) or keep_empty:
        output.save(replace(item, size=size_of(content)), place, copy_of(lambda: pieces(content)))


def _range(content: Content, start: int, end: int) -> Callable[[], Iterator[bytes]]:
    """The bytes from ``start`` to ``end`` of a payload."""

    def cut() -> Iterator[bytes]:
        position = 0
        for piece in pieces(content):
            yield piece[max(start - position, 0) : max(end - position, 0)]
            position += len(piece)

    return cut


def _describe(socket: Socket) -> str:
    """What a socket is called: its path, or its addresses."""
    if socket.path:
        return socket.path
    if socket.source is not None and socket.destination is not None:
        return f"{socket.source} -> {socket.destination}"
    return f"{socket.family} socket:[{socket.ino}]" if socket.ino is not None else f"{socket.family} socket"
