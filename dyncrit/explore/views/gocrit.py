"""The documents of go-criu's ``crit x DIR ps|fd|mem|rss|sk``, with its keys and structure but not its faults.

======== ================================================================================================
view     document
======== ================================================================================================
``ps``   the root process: ``pid``, ``pgid``, ``sid``, ``comm``, and ``children`` like it where there are
         any; a list of such where the images don't have exactly one root
``fds``  a list of ``{pid, files}``, a file being ``{fd, type, path}``; ``cwd`` and ``root`` have no type
``mems`` a list of ``{pid, exe, mems}``, a mapping being ``{start, end, protection, resource}``
``rss``  a list of ``{pid, rss}``, a pagemap entry being ``{phy_addr, phy_pages, vmas, resource}``, a mapping
         that it lies in ``{addr, pages}``, or ``{"addr": "~"}`` for the one that was named last
``sk``   a list of ``{pid, sockets}`` of processes that have any, a socket being ``{fd, fd_type, family,
         protocol, type, state, src_addr, src_port, dest_addr, dest_port, send_buf, recv_buf}``
======== ================================================================================================

As there, what is empty is left out within a mapping, an entry and a socket; addresses are hexadecimal text
without 0x, as the scripts that read them expect. What differs: an ``fd`` and the sizes of buffers (bytes) are
numbers; names have no NULs, an abstract socket's begins with @; a mapping from the start of a file names the
file; memory files have their name instead of "Unknown path"; zombies are listed, with nothing; a netlink or
packet socket's protocol and type are its own; entries behind the last mapping are listed.

``rss`` has iterators in the place of the lists of entries: there may be a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import decode
from dyncrit.explore.views.crit_text import file_name
from dyncrit.explore.views.mappings import (
    UNKNOWN_PATH,
    SegmentNumbers,
    mappings_of,
    maps_path,
    protection,
    resident_of,
    resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.files import FileTable, OpenFile
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.explore.views.mappings import Resident
    from dyncrit.types import Json, JsonObject


def process_tree(checkpoint: Checkpoint, processes: Sequence[Process]) -> Json:
    """``ps``: the tree, or one process without its children where only that is asked for."""
    nodes: dict[int, JsonObject] = {
        process.pid: {"pid": process.pid, "pgid": process.pgid, "sid": process.sid, "comm": process.comm}
        for process in processes
    }
    roots: list[JsonObject] = []
    for _, process in checkpoint.processes.walk():
        if process.pid not in nodes:
            continue
        siblings = roots
        if process.parent is not None and process.parent.pid in nodes:
            siblings = nodes[process.parent.pid].setdefault("children", [])
        siblings.append(nodes[process.pid])
    return roots[0] if len(roots) == 1 else roots


def open_files(checkpoint: Checkpoint, processes: Sequence[Process]) -> list[JsonObject]:
    """``fd``: the descriptors of each process, its working and its root directory."""
    files = checkpoint.files
    documents = []
    for process in processes:
        rows: list[JsonObject] = [
            {"fd": descriptor.fd, "type": descriptor.file.type, "path": _file(files, descriptor.file)}
            for descriptor in process.descriptors
        ]
        rows += (
            {"fd": name, "path": _path(files, file.id)}
            for name, file in (("cwd", process.cwd), ("root", process.root))
            if file is not None
        )
        documents.append({"pid": process.pid, "files": rows})
    return documents


def memory_maps(checkpoint: Checkpoint, processes: Sequence[Process]) -> list[JsonObject]:
    """``mem``: the program and the mappings of each process. Segments are numbered over all that is shown."""
    files = checkpoint.files
    numbers = SegmentNumbers(0)
    documents = []
    for process in processes:
        rows = []
        for vma in mappings_of(checkpoint, process):
            row = {"start": f"{vma.start:x}", "end": f"{vma.end:x}", "protection": protection(vma)}
            if what := resource(vma, lambda file_id: _path(files, file_id), numbers, "d"):
                row["resource"] = what
            rows.append(row)
        exe = _path(files, process.mm.exe_file_id) if process.mm is not None else ""
        documents.append({"pid": process.pid, "exe": exe, "mems": rows})
    return documents


def resident_memory(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """``rss``: the pagemap entries of each process, as an iterator, and the mappings that they lie in."""
    for process in processes:
        yield {"pid": process.pid, "rss": _resident_rows(checkpoint, process)}


def sockets(checkpoint: Checkpoint, processes: Sequence[Process]) -> list[JsonObject]:
    """``sk``: the sockets that each process has descriptors of."""
    known = {(socket.kind, socket.id): socket for socket in checkpoint.sockets}
    documents = []
    for process in processes:
        rows = [
            _socket_row(descriptor.fd, known[key])
            for descriptor in process.descriptors
            if (key := (descriptor.file.type, descriptor.file.id)) in known
        ]
        if rows:
            documents.append({"pid": process.pid, "sockets": rows})
    return documents


GOCRIT_VIEWS: Mapping[str, Callable[[Checkpoint, Sequence[Process]], object]] = {
    "ps": process_tree,
    "fds": open_files,
    "mems": memory_maps,
    "rss": resident_memory,
    "sk": sockets,
}
"""The documents by the names of the views."""

_FAMILIES = {"INET": "IPV4", "INET6": "IPV6"}


def _file(files: FileTable, file: OpenFile) -> str:
    if file.type == "UNIXSK" and file.message is not None:
        name = _socket_name(bytes(file.message.name))
        return f"unix[{file.message.ino} ({file.message.peer}){' ' if name else ''}{name}]"
    return file_name(files, file.type, file.id)


def _path(files: FileTable, file_id: int) -> str:
    file = files.find(file_id)
    return (file.path if file is not None and file.type in ("REG", "MEMFD") else None) or UNKNOWN_PATH


def _resident_rows(checkpoint: Checkpoint, process: Process) -> Iterator[JsonObject]:
    page_size = checkpoint.spaces.page_size_of(process.pid, process.mm)
    for entry in resident_of(checkpoint, process, page_size):
        yield _resident_row(entry, checkpoint.files, page_size)


def _resident_row(entry: Resident, files: FileTable, page_size: int) -> JsonObject:
    named = entry.vmas[1:] if entry.continued else entry.vmas
    rows: list[JsonObject] = [{"addr": "~"}] if entry.continued else []
    rows += ({"addr": f"{vma.start:x}", "pages": (vma.end - vma.start) // page_size} for vma in named)
    row: JsonObject = {"phy_addr": f"{entry.start:x}", "phy_pages": entry.pages}
    if rows:
        row["vmas"] = rows
    last = next((vma for vma in reversed(named) if maps_path(vma)), None)
    if last is not None:
        row["resource"] = _path(files, last.shmid)
    return row


def _socket_row(fd: int, socket: Socket) -> JsonObject:
    facts: JsonObject = {
        "family": _FAMILIES.get(socket.family, ""),
        "protocol": socket.protocol,
        "type": socket.type,
        "state": socket.state,
        "src_addr": _socket_name(socket.name),
    }
    for prefix, end in (("src", socket.source), ("dest", socket.destination)):
        if end is not None:
            facts[f"{prefix}_addr"], facts[f"{prefix}_port"] = end
    row = {"fd": fd, "fd_type": socket.kind, **{key: value for key, value in facts.items() if value}}
    return {**row, "send_buf": socket.send_buffer, "recv_buf": socket.receive_buffer}


def _socket_name(name: bytes) -> str:
    """A unix socket's name as /proc/net/unix shows it: @ for the NULs of an abstract one, none at the end."""
    if name.startswith(b"\0"):
        return decode(name.replace(b"\0", b"@"))
    return decode(name.rstrip(b"\0").replace(b"\0", b"@"))
