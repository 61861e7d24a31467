"""Open files of many types, and what tasks have open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.files import FILE_KINDS
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.messages import Fields, Value

    Opened = list[tuple[str, int]]
    """The types and ids of files that descriptors are to be opened for."""

_KINDS = {kind.type: kind for kind in FILE_KINDS}
_FILES = "files.img"
_DIRECTORY = 0o200000
_OLD_GHOST = 1 << 31  # REMAP_GHOST of criu/files-reg.c, before there was a remap_type
_ESTABLISHED, _CLOSED, _LISTENING = 1, 7, 10
_UNIX, _INTERNET, _STREAM, _TCP = 1, 2, 1, 6
_EPOLLIN = 1
_NO_PROCESS = -1
_READ_LOCK, _POSIX_LOCK = 0, 1


def open_file(draft: Draft, type_name: str, fields: Fields, file_id: int | None = None) -> int:
    """Add an open file; gives its id."""
    kind = _KINDS[type_name]
    file_id = draft.number("file") if file_id is None else file_id
    entry: Fields = {"id": file_id, **fields}
    if draft.knows(_FILES):
        draft.add(_FILES, {"type": kind.type, "id": file_id, kind.field: entry})
    else:
        draft.add(kind.image, entry)
    return file_id


def regular_file(draft: Draft, name: str, mode: int = 0o100644, flags: int = 0) -> int:
    """Add an open file, or directory, with a path; gives its id."""
    fields: Fields = {
        "name": name,
        "flags": flags,
        "pos": draft.noise.below(4096),
        "mnt_id": draft.mount,
        "size": draft.noise.bits(16),
        "mode": mode,
    }
    return open_file(draft, "REG", fields)


def add_files(draft: Draft, task: Task) -> None:
    """Add the open files of a task, its working directory and root, and its table of descriptors."""
    folders = [regular_file(draft, name, 0o40755, _DIRECTORY) for name in (path(draft.noise), "/")]
    fields: Fields = {"cwd_id": folders[0], "root_id": folders[1], "umask": 0o22}
    draft.add(f"fs-{task.pid}.img", fields)
    name = f"fdinfo-{task.files_id}.img"
    draft.image(name)
    opened = len(task.descriptors)
    if opened:
        return  # it shares the table of its parent
    kinds = [kind for kind in _MAKERS if _is_known(draft, kind.type)]
    wanted = draft.chance.below(draft.knobs.files + 1)
    while len(task.descriptors) < wanted:
        task.descriptors += draft.chance.one_of(kinds).make(draft, task)
    for number, (type_name, file_id) in enumerate(task.descriptors):
        entry: Fields = {"id": file_id, "flags": draft.noise.below(2), "type": type_name, "fd": number}
        draft.add(name, entry)
    _add_lock(draft, task)


def _is_known(draft: Draft, type_name: str) -> bool:
    kind = _KINDS[type_name]
    if draft.knows(_FILES):
        return draft.has("file_entry", kind.field)
    return draft.knows(kind.image)


def _add_lock(draft: Draft, task: Task) -> None:
    is_locked = task.descriptors and draft.has("task_core_entry", "timers") and draft.chance.once_in(4)
    if is_locked:
        fields: Fields = {
            "flag": _POSIX_LOCK,
            "type": _READ_LOCK,
            "pid": task.pid,
            "fd": draft.chance.below(len(task.descriptors)),
            "start": 0,
            "len": draft.noise.bits(12),
        }
        draft.add("filelocks.img", fields)


def _regular(draft: Draft, _task: Task) -> Opened:
    flags = draft.noise.one_of((0, 1, 2, 0o2002))
    return [("REG", regular_file(draft, path(draft.noise), flags=flags))]


def _deleted(draft: Draft, _task: Task) -> Opened:
    """A file without a name any more, with its content."""
    identity = regular_file(draft, path(draft.noise) + "/gone")
    number = draft.number("ghost")
    name = f"ghost-file-{number:x}.img"
    remap: dict[str, Value] = {"orig_id": identity, "remap_id": number, "remap_type": "GHOST"}
    if not draft.has("remap_file_path_entry", "remap_type"):
        remap["remap_id"] = number | _OLD_GHOST
    draft.add("remap-fpath.img", remap)
    owner: Fields = {"uid": 0, "gid": 0, "mode": 0o100600}
    if draft.has("ghost_chunk_entry") and draft.chance.once_in(2):
        _add_chunks(draft, name, owner)
    else:
        draft.add(name, owner, _content(draft))
    return [("REG", identity)]


def _add_chunks(draft: Draft, name: str, owner: Fields) -> None:
    contents = [_content(draft) for _ in range(draft.chance.below(3))]
    ends = [0]
    for content in contents:
        ends.append(ends[-1] + len(content) + 4096)
    draft.add(name, {**owner, "chunks": True, "size": ends[-1]})
    for offset, content in zip(ends, contents, strict=False):
        draft.add(name, {"off": offset, "len": len(content)}, content)


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
        data = _content(draft)
        draft.add(name, {"pipe_id": number, "bytes": len(data)}, data)


def _unix_pair(draft: Draft, _task: Task) -> Opened:
    """Two unix sockets that are each other's other end, with packets on their way."""
    inodes = [draft.number("inode"), draft.number("inode")]
    opened = []
    for inode, peer in (inodes, inodes[::-1]):
        fields: dict[str, Value] = {"ino": inode, "peer": peer, "type": _STREAM, "state": _ESTABLISHED}
        fields.update({"flags": 2, "uflags": 0, "backlog": 0, "name": b""})
        opened.append(("UNIXSK", open_file(draft, "UNIXSK", fields)))
    for _ in range(draft.chance.below(3)):
        data = _content(draft)
        receiver = draft.chance.one_of(opened)[1]
        draft.add("sk-queues.img", {"id_for": receiver, "length": len(data)}, data)
    return opened


def _listener(draft: Draft, _task: Task) -> Opened:
    name = b"\0" * draft.chance.below(2) + path(draft.noise).encode()
    fields: Fields = {"ino": draft.number("inode"), "peer": 0, "type": _STREAM, "state": _LISTENING}
    fields = {**fields, "flags": 2, "uflags": 0, "backlog": 128, "name": name}
    return [("UNIXSK", open_file(draft, "UNIXSK", fields))]


def _internet(draft: Draft, _task: Task) -> Opened:
    """A TCP socket: a connection with what was on its way, one that listens, or one that does nothing."""
    inode = draft.number("inode")
    state = draft.chance.one_of((_LISTENING, _CLOSED, _ESTABLISHED))
    fields: Fields = {
        "ino": inode,
        "family": _INTERNET,
        "type": _STREAM,
        "proto": _TCP,
        "state": state,
        "src_addr": [0x0100007F],
        "dst_addr": [0x0100007F if state == _ESTABLISHED else 0],
        "flags": 2,
    }
    if state == _ESTABLISHED:
        parts = [_content(draft), _content(draft)]
        lengths: Fields = {"inq_len": len(parts[0]), "outq_len": len(parts[1])}
        draft.add(f"tcp-stream-{inode:x}.img", lengths, b"".join(parts))
    return [("INETSK", open_file(draft, "INETSK", fields))]


def _terminal(draft: Draft, _task: Task) -> Opened:
    """A pseudo terminal, of which the tree has no other end."""
    number = draft.number("terminal")
    device = regular_file(draft, f"/dev/pts/{number}", 0o20620, 2)
    fields: Fields = {"tty_info_id": number, "regf_id": device, "flags": 2}
    identity = open_file(draft, "TTY", fields)
    info: Fields = {"id": number, "type": "PTY", "sid": 0, "pgrp": 0, "pty": {"index": number}}
    draft.add("tty-info.img", info)
    return [("TTY", identity)]


def _epoll(draft: Draft, task: Task) -> Opened:
    """An epoll file that watches some of the descriptors before it."""
    identity = draft.number("file")
    count = draft.chance.below(min(len(task.descriptors), 3) + 1)
    targets: list[Value] = [
        {"id": identity, "tfd": draft.chance.below(len(task.descriptors)), "events": _EPOLLIN}
        for _ in range(count)
    ]
    open_file(draft, "EVENTPOLL", {"tfd": targets}, identity)
    if not draft.has("eventpoll_file_entry", "tfd"):
        for target in targets:
            assert isinstance(target, dict)  # noqa: S101 (all of them are)
            draft.add("eventpoll-tfd.img", target)
    return [("EVENTPOLL", identity)]


def _process(draft: Draft, task: Task) -> Opened:
    pid = draft.chance.one_of((task.pid, _NO_PROCESS))
    return [("PIDFD", open_file(draft, "PIDFD", {"nspid": pid}))]


def _plain(type_name: str) -> Callable[[Draft, Task], Opened]:
    """Files that refer to nothing."""
    return lambda draft, _: [(type_name, open_file(draft, type_name, {}))]


def _content(draft: Draft) -> bytes:
    return draft.noise.bytes(draft.noise.below(draft.knobs.payload + 1))


class _Maker(NamedTuple):
    """What makes open files, of which all of ``type`` have to be known, and gives those to be opened."""

    type: str
    make: Callable[[Draft, Task], Opened]


_MAKERS = (
    _Maker("REG", _regular),
    _Maker("REG", _deleted),
    _Maker("PIPE", _pipe),
    _Maker("FIFO", _fifo),
    _Maker("UNIXSK", _unix_pair),
    _Maker("UNIXSK", _listener),
    _Maker("INETSK", _internet),
    _Maker("TTY", _terminal),
    _Maker("EVENTPOLL", _epoll),
    _Maker("EVENTFD", _plain("EVENTFD")),
    _Maker("SIGNALFD", _plain("SIGNALFD")),
    _Maker("TIMERFD", _plain("TIMERFD")),
    _Maker("INOTIFY", _plain("INOTIFY")),
    _Maker("NETLINKSK", _plain("NETLINKSK")),
    _Maker("PIDFD", _process),
)
