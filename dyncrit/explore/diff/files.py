"""Descriptors that were opened, closed or changed, by process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.explore.diff.records import Changes, Record, compare_records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.files import Descriptor, OpenFile
    from dyncrit.types import JsonObject

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "REG": ("size", "mode"),
    "EVENTFD": ("counter",),
    "SIGNALFD": ("sigmask",),
}
"""Fields that tell of the file's state, by its type."""


def compare_files(before: Checkpoint, after: Checkpoint) -> Changes:
    """The changes of descriptors of processes that are in both, matched by number.

    An id of CRIU's is not compared: it is another in each dump.
    """
    return compare_records(_records(before, after), _records(after, before))


def _records(checkpoint: Checkpoint, other: Checkpoint) -> dict[tuple[int, int], Record]:
    return {
        (process.pid, descriptor.fd): _record(process, descriptor)
        for process in checkpoint.processes
        if process.pid in other.processes and other.processes[process.pid].is_alive
        for descriptor in process.descriptors
    }


def _record(process: Process, descriptor: Descriptor) -> Record:
    file = descriptor.file
    name = _name(file)
    fields: JsonObject = {
        "type": file.type,
        "name": name,
        "position": file.position,
        "flags": file.flags,
        "close_on_exec": descriptor.close_on_exec,
        "deleted": file.deleted,
    }
    for field in _FIELDS.get(file.type, ()):
        fields[field] = getattr(file.message, field, None)
    label = {"pid": process.pid, "fd": descriptor.fd, "type": file.type, "name": name}
    return Record(label, fields)


def _name(file: OpenFile) -> str:
    """The name, without the file's id where it has one."""
    if file.path is not None or file.message is None:
        return file.name
    return file.name.replace(f"[{file.id}]", "").replace(f"[packet {file.id}]", "").rstrip(":")
