"""Open files of all types but sockets, each with what it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.fuzz.generate.checkpoint.opening import Maker, content, memory_file, open_file, regular_file
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.checkpoint.opening import Opened
    from dyncrit.fuzz.generate.messages import Fields, Value

_OLD_GHOST = 1 << 31  # REMAP_GHOST of criu/files-reg.c, before there was a remap_type
_EPOLLIN = 1
_NO_PROCESS = -1
_CLOCKS = (0, 1, 7)  # real time, monotonic, since boot
_ANY_HANDLE = 16  # words in fh_entry.handle (images/fh.proto)
_NAMESPACE_FLAGS = {  # CLONE_NEW* of <linux/sched.h>
    "mnt_ns_id": 0x20000,
    "uts_ns_id": 0x4000000,
    "ipc_ns_id": 0x8000000,
    "user_ns_id": 0x10000000,
    "pid_ns_id": 0x20000000,
    "net_ns_id": 0x40000000,
}


class _TerminalKind(NamedTuple):
    """A value of TtyType; ``numbered`` is the message of tty_info_entry that has its index, if one has."""

    type: str
    name: str
    device: int
    numbered: str = ""


_TERMINALS = (
    _TerminalKind("PTY", "pts/{}", 136 << 8, "pty"),
    _TerminalKind("CONSOLE", "console", 5 << 8 | 1),
    _TerminalKind("VT", "tty{}", 4 << 8 | 1),
    _TerminalKind("CTTY", "tty", 5 << 8),
    _TerminalKind("SERIAL", "ttyS{}", 4 << 8 | 64),
)
_MASTER = _TerminalKind("PTY", "ptmx", 5 << 8 | 2, "pty")


def _regular(draft: Draft, _task: Task) -> Opened:
    flags = draft.noise.one_of((0, 1, 2, 0o2002))
    return [("REG", regular_file(draft, path(draft.noise), flags=flags))]


def _deleted(draft: Draft, _task: Task) -> Opened:
    """A file without a name any more, with its content."""
    identity = regular_file(draft, path(draft.noise) + "/gone")
    number = draft.number("ghost")
    name = f"ghost-file-{number:x}.img"
    if draft.has("remap_file_path_entry", "remap_type"):
        _remap(draft, identity, number, "GHOST")
    else:
        _remap(draft, identity, number | _OLD_GHOST, "GHOST")
    owner: Fields = {"uid": 0, "gid": 0, "mode": 0o100600}
    if draft.has("ghost_chunk_entry") and draft.chance.once_in(2):
        _add_chunks(draft, name, owner)
    else:
        draft.add(name, owner, content(draft))
    return [("REG", identity)]


def _linked(draft: Draft, _task: Task) -> Opened:
    """A file whose name is gone, but not all: CRIU links it there again."""
    identity, other = (regular_file(draft, path(draft.noise) + end) for end in ("/gone", "/link_remap.1"))
    _remap(draft, identity, other, "LINKED")
    return [("REG", identity)]


def _of_process(draft: Draft, task: Task) -> Opened:
    """A file in /proc of a task; where a schema has no such remaps, it is as any other."""
    identity = regular_file(draft, f"/proc/{task.pid}/status")
    remaps = draft.schema.message("remap_file_path_entry")
    kind = remaps.fields_by_name.get("remap_type") if remaps is not None else None
    if kind is not None and kind.enum_type is not None and "PROCFS" in kind.enum_type.values_by_name:
        _remap(draft, identity, task.pid, "PROCFS")
    return [("REG", identity)]


def _remap(draft: Draft, identity: int, target: int, kind: str) -> None:
    draft.add("remap-fpath.img", {"orig_id": identity, "remap_id": target, "remap_type": kind})


def _add_chunks(draft: Draft, name: str, owner: Fields) -> None:
    contents = [content(draft) for _ in range(draft.chance.below(3))]
    ends = [0]
    for data in contents:
        ends.append(ends[-1] + len(data) + 4096)
    draft.add(name, {**owner, "chunks": True, "size": ends[-1]})
    for offset, data in zip(ends, contents, strict=False):
        draft.add(name, {"off": offset, "len": len(data)}, data)


def _pipe(draft: Draft, _task: Task) -> Opened:
    """Both ends of a pipe, with something unread in it."""
    number = draft.number("pipe")
    opened = [("PIPE", open_file(draft, "PIPE", {"pipe_id": number, "flags": flags})) for flags in (0, 1)]
    _add_unread(draft, "pipes-data.img", number)
    return opened


def _fifo(draft: Draft, _task: Task) -> Opened:
    number = draft.number("pipe")
    device = regular_file(draft, path(draft.noise) + "/fifo", 0o10600)
    same = None if draft.has("fifo_entry", "regf_id") else device  # they had the id of their path
    identity = open_file(draft, "FIFO", {"pipe_id": number, "regf_id": device}, same)
    _add_unread(draft, "fifo-data.img", number)
    return [("FIFO", identity)]


def _add_unread(draft: Draft, name: str, number: int) -> None:
    if draft.chance.once_in(2):
        data = content(draft)
        draft.add(name, {"pipe_id": number, "bytes": len(data), "size": 65536}, data)


def _terminal(draft: Draft, task: Task) -> Opened:
    """A terminal; of a pseudo terminal, maybe the other end, too."""
    kind = draft.chance.one_of([row for row in _TERMINALS if _has_terminals(draft, row.type)])
    number = draft.number("terminal")
    opened = [_open_terminal(draft, task, kind, number)]
    if kind.type == _MASTER.type and draft.chance.once_in(2):
        opened.append(_open_terminal(draft, task, _MASTER, number))
    return opened


def _has_terminals(draft: Draft, kind: str) -> bool:
    """Whether the schema has terminals of a kind."""
    message = draft.schema.message("tty_info_entry")
    types = message.fields_by_name["type"].enum_type if message is not None else None
    return types is not None and kind in types.values_by_name


def _open_terminal(draft: Draft, task: Task, kind: _TerminalKind, index: int) -> tuple[str, int]:
    number = draft.number("terminal settings")
    regular = regular_file(draft, f"/dev/{kind.name.format(index)}", 0o20620, 2)
    identity = open_file(draft, "TTY", {"tty_info_id": number, "regf_id": regular, "flags": 2})
    info: dict[str, Value] = {"id": number, "type": kind.type, "sid": 0, "pgrp": 0, "rdev": kind.device}
    if kind.numbered:
        info[kind.numbered] = {"index": index}
    if draft.noise.once_in(2):
        info.update({"sid": task.sid, "pgrp": task.pgid, "termios": {}, "winsize": {}})
    draft.add("tty-info.img", info)
    if draft.has("tty_data_entry") and draft.chance.once_in(4):
        draft.add("tty-data.img", {"tty_id": number, "data": content(draft)})
    return "TTY", identity


def _epoll(draft: Draft, task: Task) -> Opened:
    """An epoll file that watches some of the descriptors before it."""
    identity = draft.number("file")
    count = draft.chance.below(min(len(task.descriptors), 3) + 1)
    targets: list[Fields] = [
        {"id": identity, "tfd": draft.chance.below(len(task.descriptors)), "events": _EPOLLIN}
        for _ in range(count)
    ]
    _open_watching(
        draft, "EVENTPOLL", identity, ("tfd", targets, "eventpoll_file_entry", "eventpoll-tfd.img")
    )
    return [("EVENTPOLL", identity)]


def _inotify(draft: Draft, _task: Task) -> Opened:
    identity = draft.number("file")
    watches: list[Fields] = [
        {"id": identity, "wd": index + 1, "f_handle": _handle(draft)} for index in range(draft.noise.below(3))
    ]
    _open_watching(draft, "INOTIFY", identity, ("wd", watches, "inotify_file_entry", "inotify-wd.img"))
    return [("INOTIFY", identity)]


def _fanotify(draft: Draft, _task: Task) -> Opened:
    """A fanotify file with marks on files and on mounts."""
    identity = draft.number("file")
    marks: list[Fields] = []
    for _ in range(draft.noise.below(3)):
        if draft.noise.once_in(2):
            where: Fields = {"type": "MOUNT", "me": {"mnt_id": draft.mount or 1, "path": path(draft.noise)}}
        else:
            where = {"type": "INODE", "ie": {"f_handle": _handle(draft)}}
        marks.append({"id": identity, **where})
    _open_watching(draft, "FANOTIFY", identity, ("mark", marks, "fanotify_file_entry", "fanotify-mark.img"))
    return [("FANOTIFY", identity)]


def _open_watching(
    draft: Draft, type_name: str, identity: int, watched: tuple[str, list[Fields], str, str]
) -> None:
    """Open a file that watches others: they are a field of its message; up to CRIU 1.3 an image."""
    field, entries, message, image = watched
    open_file(draft, type_name, {field: entries}, identity)
    if not draft.has(message, field):
        for entry in entries:
            draft.add(image, entry)


def _handle(draft: Draft) -> Fields:
    """What the kernel finds a file by, which only it understands."""
    words: list[Value] = [draft.noise.bits(64), draft.noise.bits(32), *[0] * (_ANY_HANDLE - 2)]
    return {"bytes": 12, "type": 1, "handle": words, "path": path(draft.noise)}


def _timer(draft: Draft, _task: Task) -> Opened:
    fields: Fields = {"clockid": draft.noise.one_of(_CLOCKS), "settime_flags": draft.noise.below(2)}
    return [("TIMERFD", open_file(draft, "TIMERFD", fields))]


def _namespace(draft: Draft, task: Task) -> Opened:
    """A namespace of the task, as a file."""
    known = [field for field in _NAMESPACE_FLAGS if draft.has("task_kobj_ids_entry", field)]
    if not known:
        return []
    field = draft.noise.one_of(known)
    fields: Fields = {"ns_id": task.namespaces[field], "ns_cflag": _NAMESPACE_FLAGS[field], "flags": 0}
    return [("NS", open_file(draft, "NS", fields))]


def _memory(draft: Draft, _task: Task) -> Opened:
    return [("MEMFD", memory_file(draft, draft.chance.below(3)))]


def _map(draft: Draft, _task: Task) -> Opened:
    """A BPF map, and what is in it."""
    number, count = draft.number("map"), draft.noise.below(4)
    sizes: Fields = {"key_size": 4, "value_size": 8, "max_entries": 16}
    fields: Fields = {"map_id": number, "map_type": 1, "map_name": "counts", "mnt_id": draft.mount, **sizes}
    keys, values = draft.noise.bytes(4 * count), draft.noise.bytes(8 * count)
    if count:
        held: Fields = {"keys_bytes": len(keys), "values_bytes": len(values), "count": count}
        draft.add("bpfmap-data.img", {"map_id": number, **held}, keys + values)
    return [("BPFMAP", open_file(draft, "BPFMAP", fields))]


def _process(draft: Draft, task: Task) -> Opened:
    pid = draft.chance.one_of((task.pid, _NO_PROCESS))
    return [("PIDFD", open_file(draft, "PIDFD", {"nspid": pid}))]


def _plain(type_name: str) -> Callable[[Draft, Task], Opened]:
    """Files that refer to nothing."""
    return lambda draft, _: [(type_name, open_file(draft, type_name, {}))]


KINDS = (
    Maker("REG", _regular),
    Maker("REG", _deleted),
    Maker("REG", _linked),
    Maker("REG", _of_process),
    Maker("PIPE", _pipe),
    Maker("FIFO", _fifo),
    Maker("TTY", _terminal),
    Maker("EVENTPOLL", _epoll),
    Maker("EVENTFD", _plain("EVENTFD")),
    Maker("SIGNALFD", _plain("SIGNALFD")),
    Maker("TIMERFD", _timer),
    Maker("INOTIFY", _inotify),
    Maker("FANOTIFY", _fanotify),
    Maker("NS", _namespace),
    Maker("EXT", _plain("EXT")),
    Maker("MEMFD", _memory),
    Maker("BPFMAP", _map),
    Maker("PIDFD", _process),
)
"""Files of all kinds but sockets, by the type that a schema has to have."""
