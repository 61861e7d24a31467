"""Rules of what open files of one type refer to: terminals, pipes, memory files, events, locks, and so on.

What a restore does is from criu/tty.c, criu/fifo.c, criu/pipes.c, criu/memfd.c, criu/eventpoll.c,
criu/fsnotify.c, criu/namespaces.c, criu/pidfd.c, criu/bpfmap.c and criu/file-lock.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import is_set
from dyncrit.checkpoint.names.numbers import NAMESPACE_FIELDS
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dyncrit.check.context import Context
    from dyncrit.types import DynamicMessage

_NO_PROCESS = -1  # pidfd_entry.nspid of a process that had ended

TERMINALS = Rule(
    "terminals-resolve",
    "error",
    "every open terminal has its settings in tty-info.img, and its device among the files",
    "A restore stops while it collects terminals.",
)
TERMINAL_DATA = Rule(
    "terminal-data-resolves",
    "error",
    "what was unread in a terminal belongs to one that is open",
    "A restore stops while it collects the data of terminals.",
)
FIFOS = Rule(
    "fifos-resolve",
    "error",
    "the path of every open FIFO is among the files",
    "A restore stops while it collects FIFOs.",
)
PIPE_DATA = Rule(
    "pipe-data-resolves",
    "warning",
    "what was unread in a pipe or a FIFO belongs to one that is open",
    "A restore passes the data over: no reader gets it.",
)
MEMORY_FILES = Rule(
    "memory-files-resolve",
    "error",
    "every open memory file has its inode in memfd.img",
    "A restore stops while it collects memory files.",
)
EPOLL = Rule(
    "epoll-targets-resolve",
    "error",
    "the descriptors that an epoll file watches are open in a task that has it",
    "A restore stops: the kernel refuses to watch a descriptor that isn't open.",
)
WATCHES = Rule(
    "watches-resolve",
    "error",
    "the images of watches (CRIU up to 1.3) name open inotify, fanotify and epoll files",
    "A restore stops while it collects watches.",
)
NAMESPACE_FILES = Rule(
    "namespace-files-resolve",
    "error",
    "the namespace of every open namespace file is one that a task is in",
    "A restore stops: nobody has the namespace, to open it of.",
)
PROCESS_FILES = Rule(
    "process-files-resolve",
    "error",
    "the process of every pidfd is in the tree, or had ended",
    "A restore stops when it opens the pidfd.",
)
MAP_DATA = Rule(
    "bpf-data-resolves",
    "warning",
    "what was in a BPF map belongs to one that is open",
    "A restore passes the data over.",
)
LOCK_OWNERS = Rule(
    "lock-owners-resolve",
    "warning",
    "the owner of every file lock is in the tree",
    "A restore passes the lock over: nobody holds it then.",
)
LOCK_FILES = Rule(
    "lock-files-resolve",
    "error",
    "the descriptor of every file lock is open in the task that owns it",
    "A restore stops when it takes the lock.",
)


def _terminals(context: Context) -> Iterator[Finding]:
    known = {message.id for message in context.messages("tty-info.img")}
    devices = context.files_of("REG")
    name = context.image_of("TTY")
    for identity, message in context.files_of("TTY").items():
        number = message.tty_info_id
        if number not in known and not context.is_damaged("tty-info.img"):
            text = f"TTY file {identity:#x}: tty-info.img has no terminal {number:#x}"
            yield Finding.of(TERMINALS, text, name, place="tty.tty_info_id")
        if message.regf_id and message.regf_id not in devices and not context.has_damaged_files:
            text = f"TTY file {identity:#x}: there is no REG file {message.regf_id:#x}"
            yield Finding.of(TERMINALS, text, name, place="tty.regf_id")


def _terminal_data(context: Context) -> Iterator[Finding]:
    known = {message.tty_info_id for message in context.files_of("TTY").values()}
    yield from _unknown(context, TERMINAL_DATA, "tty-data.img", "tty_id", known, "open terminal")


def _fifos(context: Context) -> Iterator[Finding]:
    files = context.files_of("REG")
    for identity, message in context.files_of("FIFO").items():
        path = message.regf_id if is_set(message, "regf_id") else identity
        if path not in files and not context.has_damaged_files:
            text = f"FIFO file {identity:#x}: there is no REG file {path:#x}"
            yield Finding.of(FIFOS, text, context.image_of("FIFO"), place="fifo.regf_id")


def _pipe_data(context: Context) -> Iterator[Finding]:
    for name, type_name in (("pipes-data.img", "PIPE"), ("fifo-data.img", "FIFO")):
        known = {message.pipe_id for message in context.files_of(type_name).values()}
        yield from _unknown(context, PIPE_DATA, name, "pipe_id", known, f"open {type_name}")


def _memory_files(context: Context) -> Iterator[Finding]:
    if context.is_damaged("memfd.img"):
        return
    known = {message.inode_id for message in context.messages("memfd.img")}
    for identity, message in context.files_of("MEMFD").items():
        if message.inode_id not in known:
            text = f"MEMFD file {identity:#x}: memfd.img has no inode {message.inode_id:#x}"
            yield Finding.of(MEMORY_FILES, text, context.image_of("MEMFD"), place="memfd.inode_id")


def _epoll(context: Context) -> Iterator[Finding]:
    """Find targets that are open in no task that has the epoll file; one that no task has is passed over."""
    if context.is_damaged(*context.fdinfo_names.values()):
        return
    tables = _tables_with(context, "EVENTPOLL")
    for name, place, identity, message in _epoll_targets(context):
        known = tables.get(identity)
        if known and not any(message.tfd in table for table in known):
            text = f"EVENTPOLL file {identity:#x}: descriptor {message.tfd} isn't open where the file is"
            yield Finding.of(EPOLL, text, name, place=place)


def _epoll_targets(context: Context) -> Iterator[tuple[str, str, int, DynamicMessage]]:
    """The image, place, epoll file's id and entry of each target."""
    for identity, message in context.files_of("EVENTPOLL").items():
        for index, target in enumerate(message.tfd):
            yield context.image_of("EVENTPOLL"), f"epfd.tfd[{index}].tfd", identity, target
    for index, target in enumerate(context.messages("eventpoll-tfd.img")):
        yield "eventpoll-tfd.img", f"entry {index}: tfd", target.id, target


def _tables_with(context: Context, type_name: str) -> Mapping[int, list[Mapping[int, DynamicMessage]]]:
    """For each file of a type, by id: the tables of descriptors that it stands in."""
    found: dict[int, dict[int, Mapping[int, DynamicMessage]]] = {}
    for table in {id(table): table for table in context.descriptors.values()}.values():
        for descriptor in table.values():
            if context.type_name(descriptor.type) == type_name:
                found.setdefault(descriptor.id, {})[id(table)] = table
    return {identity: list(tables.values()) for identity, tables in found.items()}


def _watches(context: Context) -> Iterator[Finding]:
    for name, type_name in (
        ("inotify-wd.img", "INOTIFY"),
        ("fanotify-mark.img", "FANOTIFY"),
        ("eventpoll-tfd.img", "EVENTPOLL"),
    ):
        yield from _unknown(
            context, WATCHES, name, "id", context.files_of(type_name), f"open {type_name} file"
        )


def _namespace_files(context: Context) -> Iterator[Finding]:
    fields = list(NAMESPACE_FIELDS)
    known = {
        getattr(task.ids, field)
        for task in context.living
        if task.ids is not None
        for field in fields
        if task.ids.HasField(field)
    }
    known.update(context.images.numbers("netns"))
    if any(task.ids is None for task in context.living):
        return
    for identity, message in context.files_of("NS").items():
        if message.ns_id not in known:
            text = f"NS file {identity:#x}: no task is in namespace {message.ns_id}"
            yield Finding.of(NAMESPACE_FILES, text, context.image_of("NS"), place="nsf.ns_id")


def _process_files(context: Context) -> Iterator[Finding]:
    if context.is_damaged("pstree.img"):
        return
    for identity, message in context.files_of("PIDFD").items():
        if message.nspid != _NO_PROCESS and message.nspid not in context.pids:
            text = f"PIDFD file {identity:#x}: there is no process {message.nspid}"
            yield Finding.of(PROCESS_FILES, text, context.image_of("PIDFD"), place="pidfd.nspid")


def _map_data(context: Context) -> Iterator[Finding]:
    known = {message.map_id for message in context.files_of("BPFMAP").values()}
    yield from _unknown(context, MAP_DATA, "bpfmap-data.img", "map_id", known, "open BPF map")


def _unknown(
    context: Context, rule: Rule, name: str, field: str, known: Iterable[int], noun: str
) -> Iterator[Finding]:
    """The entries of an image whose field names none of ``known``, which stand among the open files."""
    if context.has_damaged_files:
        return
    found = frozenset(known)
    for index, message in enumerate(context.messages(name)):
        if (value := getattr(message, field)) not in found:
            yield Finding.of(rule, f"there is no {noun} {value:#x}", name, place=f"entry {index}: {field}")


def _lock_owners(context: Context) -> Iterator[Finding]:
    if context.is_damaged("pstree.img"):
        return
    yield from _locks(context, LOCK_OWNERS, "pid", lambda lock: lock.pid not in context.pids)


def _lock_files(context: Context) -> Iterator[Finding]:
    tables = context.descriptors
    damaged = {
        pid
        for pid, name in context.fdinfo_names.items()
        if name not in context.names or name in context.damaged
    }

    def is_wrong(lock: DynamicMessage) -> bool:
        table = tables.get(lock.pid)
        return table is not None and lock.pid not in damaged and lock.fd not in table

    yield from _locks(context, LOCK_FILES, "fd", is_wrong)


def _locks(
    context: Context, rule: Rule, field: str, is_wrong: Callable[[DynamicMessage], bool]
) -> Iterator[Finding]:
    """The locks that are wrong; up to CRIU 1.2 each task had an image of its own."""
    names = ["filelocks.img", *(f"filelocks-{pid}.img" for pid in sorted(context.pids))]
    for name in names:
        for index, lock in enumerate(context.messages(name) if name in context.names else ()):
            if is_wrong(lock):
                text = f"there is no process {lock.pid}"
                if field == "fd":
                    text = f"process {lock.pid} has no descriptor {lock.fd}"
                yield Finding.of(rule, text, name, place=f"entry {index}: {field}")


CHECKS: tuple[Check, ...] = (
    Check(TERMINALS, _terminals),
    Check(TERMINAL_DATA, _terminal_data),
    Check(FIFOS, _fifos),
    Check(PIPE_DATA, _pipe_data),
    Check(MEMORY_FILES, _memory_files),
    Check(EPOLL, _epoll),
    Check(WATCHES, _watches),
    Check(NAMESPACE_FILES, _namespace_files),
    Check(PROCESS_FILES, _process_files),
    Check(MAP_DATA, _map_data),
    Check(LOCK_OWNERS, _lock_owners),
    Check(LOCK_FILES, _lock_files),
)
