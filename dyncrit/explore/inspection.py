"""What a checkpoint is, at a glance: its container, its origin, its size, its processes and sockets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.engine.listing import Contents, list_contents
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.types import JsonObject


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in bytes: all images together, those of memory pages among them, and the memory that they hold.

    ``memory`` counts what processes can read from the dump and its parents; shared memory once for each.
    """

    images: int
    pages: int
    memory: int | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to tell of a checkpoint on one screen."""

    checkpoint: Checkpoint
    sizes: Sizes
    contents: Contents | None

    def to_dict(self) -> JsonObject:
        """All of it, with stable keys; sizes in bytes, times in microseconds."""
        checkpoint = self.checkpoint
        releases = checkpoint.releases
        statistics = checkpoint.statistics
        return {
            "name": checkpoint.name,
            "kind": checkpoint.location.kind,
            "full": checkpoint.is_full,
            "parents": [parent.name for parent in list(checkpoint.chain)[1:]],
            "container": asdict(checkpoint.container) if checkpoint.container else None,
            "criu": {
                "at_least": releases.at_least,
                "at_most": releases.at_most,
                "evidence": list(releases.evidence),
            },
            "architecture": architecture(checkpoint),
            "byte_order": checkpoint.images.byte_order,
            "sizes": asdict(self.sizes),
            "processes": [describe_process(process) for process in checkpoint.processes.roots],
            "sockets": [describe_socket(socket) for socket in checkpoint.sockets],
            "statistics": {
                "dump": asdict(statistics.dump) if statistics.dump else None,
                "restore": asdict(statistics.restore) if statistics.restore else None,
            },
            "contents": _describe_contents(self.contents) if self.contents else None,
            "problems": [problem._asdict() for problem in checkpoint.all_problems],
        }


def inspect(checkpoint: Checkpoint, limits: Limits | None = None) -> Inspection:
    """Look through a checkpoint; what is missing or damaged stands in its ``problems`` afterwards.

    ``limits`` bounds what is unpacked of the archives beside the images.
    """
    tree = checkpoint.location.images
    sizes = {name: tree.size(name) for name in tree.names()}
    pages = sum(size for name, size in sizes.items() if name.startswith("pages-"))
    outer = checkpoint.location.outer
    contents = list_contents(outer, checkpoint.problems, limits) if outer is not None else None
    return Inspection(checkpoint, Sizes(sum(sizes.values()), pages, _memory(checkpoint)), contents)


def architecture(checkpoint: Checkpoint) -> str:
    """The architecture of the first process, as CRIU calls it; empty if unknown."""
    return next((found for process in checkpoint.processes if (found := process.architecture)), "")


def describe_process(root: Process) -> JsonObject:
    """A process and those below it, with what tells one from another."""
    documents: dict[int, JsonObject] = {}
    stack = [root]
    while stack:
        process = stack.pop()
        document = _describe(process)
        documents[process.pid] = document
        if process is not root and process.parent is not None:
            documents[process.parent.pid]["children"].append(document)
        stack += reversed(process.children)
    return documents[root.pid]


def describe_socket(socket: Socket) -> JsonObject:
    """A socket's addresses, state and queues, and who holds it; ``remote`` is of inet sockets."""
    return {
        "family": socket.family,
        "type": socket.type,
        "protocol": socket.protocol,
        "state": socket.state,
        "local": local_name(socket),
        "remote": str(socket.destination) if socket.destination and socket.destination.port else "",
        "unread": socket.unread,
        "unsent": socket.unsent,
        "holders": [{"pid": pid, "fd": fd} for pid, fd in socket.holders],
    }


def local_name(socket: Socket) -> str:
    """Where a socket is bound: address and port, a path, or nothing."""
    return str(socket.source) if socket.source is not None else socket.path


def _describe(process: Process) -> JsonObject:
    return {
        "pid": process.pid,
        "ppid": process.ppid,
        "comm": process.comm,
        "state": process.state,
        "threads": len(process.threads),
        "command_line": process.command_line,
        "children": [],
    }


def _describe_contents(contents: Contents) -> JsonObject:
    return {
        "volumes": {name: asdict(listing) for name, listing in contents.volumes.items()},
        "shared_memory": asdict(contents.shared_memory) if contents.shared_memory else None,
        "changes": asdict(contents.changes) if contents.changes else None,
        "deleted": list(contents.deleted),
        "is_deleted_cut": contents.is_deleted_cut,
    }


def _memory(checkpoint: Checkpoint) -> int | None:
    """The bytes of memory that processes have in the dump; None where no pages are there."""
    if not any(member.has_pages for member in checkpoint.chain):
        return None
    if checkpoint.is_pre_dump:
        names = [f"pagemap-{pid}.img" for pid in checkpoint.images.numbers("pagemap")]
        pagemaps = filter(None, map(checkpoint.spaces.pagemap, names))
        return sum(pagemap.present * pagemap.page_size for pagemap in pagemaps)
    total = 0
    for process in checkpoint.processes:
        with suppress(DyncritError):  # without an mm image, which is a problem already
            total += sum(map(process.memory.resident_of, process.memory.vmas))
    return total
