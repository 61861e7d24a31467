"""Processes that appeared, ended or changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from dyncrit.explore.diff.records import Changes, Record, compare_records, plain

if TYPE_CHECKING:
    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.files import OpenFile
    from dyncrit.types import JsonObject

_FROM_MEMORY = ("command_line", "environment")


def compare_processes(before: Checkpoint, after: Checkpoint) -> Changes:
    """The changes of processes, matched by pid; their files and memory are not looked at here."""
    first = {process.pid: _record(process) for process in before.processes}
    second = {process.pid: _record(process) for process in after.processes}
    for pid in first.keys() & second.keys():
        for name in _FROM_MEMORY:  # unknown where the dump doesn't hold it, which is no change
            if not (first[pid].fields[name] and second[pid].fields[name]):
                first[pid].fields.pop(name)
                second[pid].fields.pop(name)
    return compare_records(first, second)


def label(process: Process) -> JsonObject:
    """What a process is shown by."""
    return {"pid": process.pid, "comm": process.comm}


def _record(process: Process) -> Record:
    fields: JsonObject = {
        "comm": process.comm,
        "state": process.state,
        "exit_code": process.exit_code,
        "ppid": process.ppid,
        "pgid": process.pgid,
        "sid": process.sid,
        "command_line": process.command_line,
        "environment": process.environment,
        "executable": _path(process.executable),
        "cwd": _path(process.cwd),
        "root": _path(process.root),
        "umask": process.umask,
        "credentials": plain(process.credentials) or {},
        "seccomp": process.seccomp.mode,
        "cgroups": plain(process.cgroups),
        "limits": {limit.name: {"soft": limit.soft, "hard": limit.hard} for limit in process.limits},
        "timers": {_timer_name(timer): timer["interval"] for timer in map(asdict, process.timers)},
        "signal_actions": {action.signal: plain(action) for action in process.signal_actions},
        "signals": plain(process.signals),
        "threads": {
            str(thread.tid): {"comm": thread.comm, "signals": plain(thread.signals)}
            for thread in process.threads
        },
    }
    return Record(label(process), fields)


def _path(file: OpenFile | None) -> str | None:
    return None if file is None else file.path or file.name


def _timer_name(timer: JsonObject) -> str:
    return timer["kind"] if timer["id"] is None else f"{timer['kind']} {timer['id']}"
