"""Views of a checkpoint as rows of plain data.

Each view is a list of rows. Their keys are stable; what the images don't tell is null, and lists are empty:

============== ===========================================================================================
view           keys of a row
============== ===========================================================================================
``threads``    pid, tid, comm, state, uid, gid, seccomp, blocked and pending (names of signals)
``mounts``     namespace, id, parent, depth, mountpoint, root, source, file_system, device, flags,
               super_flags, options, propagation, shared, master, external, deleted, plugin
``namespaces`` kind, id, host (whether it is the machine's own), pids, details (the attributes of Uts, User,
               Clocks, Pid, Ipc or Net in :mod:`dyncrit.checkpoint.namespaces`, or null)
``signals``    pid, signal, action (default, ignored, handler), address and flags and mask of the handler,
               blocked_by (tids), pending: a list of tid (null: the process), code, pid, uid
``caps``       pid, tid, uid, gid, euid, egid, suid, sgid, fsuid, fsgid, groups, effective, permitted,
               inheritable, bounding, ambient, secure_bits, no_new_privs, lsm_profile
``cgroups``    pid, controller ("" is the unified hierarchy), path
``timers``     pid, kind, id, clock, value and interval in nanoseconds, signal, notify, overrun
``env``        pid, environment: a list of NAME=VALUE
``limits``     pid, name, soft, hard; null is unlimited
``sockets``    id, ino, kind, family, type, protocol, state, local, remote, peer, backlog, received (bytes of
               each packet that waits), unsent, send_buffer and receive_buffer in bytes, options, holders: a
               list of pid and fd
============== ===========================================================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dyncrit.checkpoint.names.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.mounts import Mount
    from dyncrit.checkpoint.processes import Thread
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.types import JsonObject

_MAX_SIGNAL = 128


def thread_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """Each thread; of a zombie, the main one with what is left of it."""
    for process in processes:
        common = {"pid": process.pid, "state": process.state}
        if not process.is_alive:
            yield _thread_row(common, process.pid, process.comm, None)
        for thread in process.threads:
            yield _thread_row(common, thread.tid, thread.comm, thread)


def mount_rows(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """Each mount of the namespaces that the processes are in, behind the one that it is mounted on."""
    chosen = _mount_namespaces(checkpoint, processes)
    for namespace in checkpoint.mounts.values():
        if namespace.id in chosen:
            for depth, mount in namespace.walk():
                yield {"namespace": namespace.id, "depth": depth, **_mount_row(mount)}


def namespace_rows(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """Each namespace, those that the processes are in if only some are asked for."""
    chosen = {process.pid for process in processes}
    whole = len(chosen) == len(checkpoint.processes)
    for namespace in checkpoint.namespaces:
        if whole or chosen.intersection(namespace.pids):
            yield {
                "kind": namespace.kind,
                "id": namespace.id,
                "host": namespace.host,
                "pids": list(namespace.pids),
                "details": plain(namespace.details),
            }


def signal_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """Each signal of a process that isn't left to the default, is blocked or waits, by number."""
    for process in processes:
        rows: dict[str, JsonObject] = {}
        for action in process.signal_actions:
            row = _signal_row(rows, process, action.signal)
            row["action"], row["flags"], row["mask"] = action.action, list(action.flags), list(action.mask)
            row["address"] = action.address or None
        for tid, state in (
            (None, process.signals),
            *((thread.tid, thread.signals) for thread in process.threads),
        ):
            for name in state.blocked:
                _signal_row(rows, process, name)["blocked_by"].append(tid)
            for signal in state.pending:
                waiting = {"tid": tid, "code": signal.code, "pid": signal.pid, "uid": signal.uid}
                _signal_row(rows, process, signal.signal)["pending"].append(waiting)
        order = {signal_name(number, process.architecture): number for number in range(_MAX_SIGNAL + 1)}
        yield from sorted(rows.values(), key=lambda row: order.get(row["signal"], _MAX_SIGNAL))


def capability_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """The credentials of each thread whose images tell them."""
    for process in processes:
        for thread in process.threads:
            if thread.credentials is not None:
                facts = plain(thread.credentials)
                yield {"pid": process.pid, "tid": thread.tid, **facts, **facts.pop("capabilities")}


def cgroup_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """The path of each process in each controller."""
    for process in processes:
        for controller, path in process.cgroups.items():
            yield {"pid": process.pid, "controller": controller, "path": path}


def timer_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """The timers of each process."""
    for process in processes:
        for timer in process.timers:
            yield {"pid": process.pid, **plain(timer)}


def environment_rows(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """The environment of each process; that of a zombie, and one that its memory doesn't tell, is empty."""
    if not checkpoint.has_pages and checkpoint.parent is None:
        checkpoint.problems.error(
            "", "there is no pages image: environments, which stand in memory, aren't known"
        )
    for process in processes:
        yield {"pid": process.pid, "environment": process.environment}


def environment_lines(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[str]:
    """``env`` as text: the pid of each process, and below it a line for each NAME=VALUE."""
    for row in environment_rows(checkpoint, processes):
        yield str(row["pid"])
        for variable in row["environment"]:
            yield f"\t{variable}"


def limit_rows(_checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """The resource limits of each process."""
    for process in processes:
        for limit in process.limits:
            yield {"pid": process.pid, **plain(limit)}


def socket_rows(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[JsonObject]:
    """Each socket, those that the processes hold if only some are asked for."""
    chosen = {process.pid for process in processes}
    whole = len(chosen) == len(checkpoint.processes)
    names = _names_by_inode(checkpoint)
    for socket in checkpoint.sockets:
        if whole or any(pid in chosen for pid, _ in socket.holders):
            yield socket_row(socket, names)


def sockets_held(checkpoint: Checkpoint, process: Process) -> Iterator[JsonObject]:
    """The sockets of one process: rows of ``sockets``, with its descriptor as ``fd``."""
    known = {(socket.kind, socket.id): socket for socket in checkpoint.sockets}
    names = _names_by_inode(checkpoint)
    for descriptor in process.descriptors:
        socket = known.get((descriptor.file.type, descriptor.file.id))
        if socket is not None:
            yield {"fd": descriptor.fd, **socket_row(socket, names)}


def socket_row(socket: Socket, names: Mapping[int | None, str]) -> JsonObject:
    """A row of ``sockets``. ``names`` are the paths of unix sockets by inode."""
    return {
        "id": socket.id,
        "ino": socket.ino,
        "kind": socket.kind,
        "family": socket.family,
        "type": socket.type,
        "protocol": socket.protocol,
        "state": socket.state,
        "local": _local(socket),
        "remote": _remote(socket, names),
        "peer": socket.peer,
        "backlog": socket.backlog,
        "received": list(socket.received),
        "unsent": socket.unsent,
        "send_buffer": socket.send_buffer,
        "receive_buffer": socket.receive_buffer,
        "options": plain(socket.options),
        "holders": [{"pid": pid, "fd": fd} for pid, fd in socket.holders],
    }


def plain(value: object) -> Any:
    """Data classes and named tuples as objects, tuples as lists, bytes as hexadecimal text, at any depth."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _thread_row(common: JsonObject, tid: int, comm: str, thread: Thread | None) -> JsonObject:
    credentials = thread.credentials if thread is not None else None
    return {
        "pid": common["pid"],
        "tid": tid,
        "comm": comm,
        "state": common["state"],
        "uid": credentials.uid if credentials is not None else None,
        "gid": credentials.gid if credentials is not None else None,
        "seccomp": thread.seccomp.mode if thread is not None else None,
        "blocked": list(thread.signals.blocked) if thread is not None else [],
        "pending": [pending.signal for pending in thread.signals.pending] if thread is not None else [],
    }


def _mount_namespaces(checkpoint: Checkpoint, processes: Sequence[Process]) -> Collection[int]:
    """The keys in ``checkpoint.mounts``: ids of namespaces, pids before CRIU 0.8."""
    if len(processes) == len(checkpoint.processes):
        return checkpoint.mounts.keys()
    return {
        key
        for process in processes
        for key in (process.namespaces.get("mnt"), process.pid)
        if key is not None
    }


def _mount_row(mount: Mount) -> JsonObject:
    facts = plain(mount)
    return {**facts, "propagation": list(mount.propagation)}


def _signal_row(rows: dict[str, JsonObject], process: Process, signal: str) -> JsonObject:
    if signal not in rows:
        rows[signal] = {
            "pid": process.pid,
            "signal": signal,
            "action": "default",
            "address": None,
            "flags": [],
            "mask": [],
            "blocked_by": [],
            "pending": [],
        }
    return rows[signal]


def _names_by_inode(checkpoint: Checkpoint) -> Mapping[int | None, str]:
    return {socket.ino: socket.path for socket in checkpoint.sockets if socket.path}


def _local(socket: Socket) -> str:
    if socket.source is not None:
        return str(socket.source)
    if socket.netlink is not None:
        return f"port {socket.netlink.port}"
    return f"interface {socket.interface_index}" if socket.interface_index else socket.path


def _remote(socket: Socket, names: Mapping[int | None, str]) -> str:
    if socket.destination is not None:
        return str(socket.destination) if socket.destination.port else ""
    if socket.netlink is not None:
        return f"port {socket.netlink.destination_port}" if socket.netlink.destination_port else ""
    return names.get(socket.peer, f"socket:[{socket.peer}]") if socket.peer else ""
