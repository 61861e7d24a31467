"""What tasks have open, and lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.generate.checkpoint.kinds import KINDS
from dyncrit.fuzz.generate.checkpoint.opening import regular_file
from dyncrit.fuzz.generate.checkpoint.sockets import SOCKETS
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.checkpoint.opening import Opened
    from dyncrit.fuzz.generate.messages import Fields

_DIRECTORY = 0o200000
_POSIX, _FLOCK, _LEASE = 1, 2, 32  # FL_POSIX, FL_FLOCK, FL_LEASE of criu/include/file-lock.h
_READ_LOCK, _WRITE_LOCK = 0, 1


def add_files(draft: Draft, task: Task) -> None:
    """Add the open files of a task, its working directory and root, and its table of descriptors."""
    folders = [regular_file(draft, name, 0o40755, _DIRECTORY) for name in (path(draft.noise), "/")]
    fields: Fields = {"cwd_id": folders[0], "root_id": folders[1], "umask": 0o22}
    draft.add(f"fs-{task.pid}.img", fields)
    name = f"fdinfo-{task.files_id}.img"
    draft.image(name)
    if task.descriptors:
        return  # it shares the table of its parent
    _open(draft, task)
    for number, (type_name, file_id) in enumerate(task.descriptors):
        entry: Fields = {"id": file_id, "flags": draft.noise.below(2), "type": type_name, "fd": number}
        draft.add(name, entry)
    _add_lock(draft, task)


def _open(draft: Draft, task: Task) -> None:
    """Open files of all kinds; now and then one that is open already."""
    makers = [maker.make for maker in (*KINDS, *SOCKETS) if maker.type in draft.file_types]
    wanted = draft.chance.below(draft.knobs.files + 1)
    while len(task.descriptors) < wanted:
        made = draft.chance.one_of((*makers, _again))(draft, task)
        task.descriptors += made
        draft.opened += made


def _again(draft: Draft, _task: Task) -> Opened:
    return [draft.chance.one_of(draft.opened)] if draft.opened else []


def _add_lock(draft: Draft, task: Task) -> None:
    if task.descriptors and draft.chance.once_in(4):
        fields: Fields = {
            "flag": draft.noise.one_of((_POSIX, _FLOCK, _LEASE)),
            "type": draft.noise.one_of((_READ_LOCK, _WRITE_LOCK)),
            "pid": task.pid,
            "fd": draft.chance.below(len(task.descriptors)),
            "start": 0,
            "len": draft.noise.bits(12),
        }
        is_one = draft.has("task_core_entry", "timers")  # both are of v1.3
        draft.add("filelocks.img" if is_one else f"filelocks-{task.pid}.img", fields)
