"""Tasks: the tree of them, and the images of each but those of its memory and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
from dyncrit.fuzz.generate.checkpoint.surroundings import unshare
from dyncrit.fuzz.generate.numbers import address
from dyncrit.fuzz.generate.words import PROGRAMS

if TYPE_CHECKING:
    from dyncrit.fuzz.generate.messages import Fields, Value

_ALIVE, _ZOMBIE = 1, 6  # TASK_ALIVE, TASK_ZOMBIE of criu/include/pid.h
_FILTERED = 2  # seccomp_mode FILTER of images/core.proto
_SIGNALS = 64
_UNCHANGEABLE = (9, 19)  # SIGKILL and SIGSTOP, whose actions CRIU leaves out
_LIMITS = 16
_SIGINFO = 128  # the size of siginfo_t
_UNLIMITED = (1 << 64) - 1
_EMPTY_TIMER: Fields = {"isec": 0, "iusec": 0, "vsec": 0, "vusec": 0}
_CREDENTIALS = ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid")
_CAPABILITIES = ("cap_inh", "cap_prm", "cap_eff", "cap_bnd")


def grow_tree(draft: Draft) -> list[Task]:
    """The tasks, parents before their children, and pstree.img."""
    chance = draft.chance
    count = chance.between(1, draft.knobs.tasks)
    pid = 1 + chance.below(100)
    tasks: list[Task] = []
    for index in range(count):
        parents = [task for task in tasks if not task.is_zombie]
        parent = chance.one_of(parents) if index else None
        threads = tuple(range(pid, pid + chance.between(1, draft.knobs.threads)))
        task = Task(pid, 0, pid, pid, threads, draft.number("files_id"), draft.namespaces)
        if parent is not None:
            _join(draft, task, parent)
        tasks.append(task)
        pid += len(threads) + chance.below(3)
    for task in tasks:
        fields = {"pid": task.pid, "ppid": task.ppid, "pgid": task.pgid, "sid": task.sid}
        draft.add("pstree.img", {**fields, "threads": task.threads})
    return tasks


def _join(draft: Draft, task: Task, parent: Task) -> None:
    """Make a task a child: maybe of the same session and group, with the same files, or dead."""
    chance = draft.chance
    task.ppid = parent.pid
    if not chance.once_in(3):
        task.sid = parent.sid
        task.pgid = parent.pgid if chance.once_in(2) else task.pid
    task.namespaces = parent.namespaces
    if chance.once_in(6):
        task.is_zombie, task.threads = True, (task.pid,)
    elif chance.once_in(4):
        task.files_id, task.descriptors = parent.files_id, parent.descriptors
    else:
        unshare(draft, task)


def add_process(draft: Draft, task: Task) -> None:
    """Add the core images of a task and its threads, and what older releases have beside them."""
    name = draft.noise.one_of(PROGRAMS)[:15]
    for tid in task.threads:
        entry: dict[str, Value] = {"mtype": draft.host.name}
        if tid == task.pid:
            entry["tc"] = _task_core(draft, task, name)
        if not task.is_zombie:
            entry[draft.registers] = _registers(draft)
            entry["thread_core"] = _thread_core(draft, name)
        draft.add(f"core-{tid}.img", entry)
    if task.is_zombie:
        return
    ids = {"vm_id": draft.number("vm_id"), "files_id": task.files_id, "fs_id": draft.number("fs_id")}
    draft.add(f"ids-{task.pid}.img", {**ids, "sighand_id": draft.number("sighand_id"), **task.namespaces})
    _add_older(draft, task)


def _task_core(draft: Draft, task: Task, name: str) -> Fields:
    status = draft.noise.one_of((0, 0x100, 9))
    core: dict[str, Value] = {
        "task_state": _ZOMBIE if task.is_zombie else _ALIVE,
        "exit_code": status if task.is_zombie else 0,
        "personality": 0,
        "comm": name,
    }
    if task.is_zombie:
        return core
    timers: Fields = {
        **dict.fromkeys(("real", "virt", "prof"), _EMPTY_TIMER),
        "posix": [_posix_timer(draft, index) for index in range(draft.noise.below(3))],
    }
    core.update(
        {
            "timers": timers,
            "rlimits": {"rlimits": [_limit(draft) for _ in range(_LIMITS)]},
            "sigactions": _actions(draft),
            "signals_s": {"signals": _signals(draft)},
            "cg_set": 1,
            "loginuid": draft.noise.one_of((0, 1000, 0xFFFFFFFF)),
            "oom_score_adj": draft.noise.between(-1000, 1000),
        }
    )
    return core


def _thread_core(draft: Draft, name: str) -> Fields:
    core: dict[str, Value] = {
        "futex_rla": address(draft.noise),
        "futex_rla_len": 24,
        "sched_nice": draft.noise.below(20),
        "sched_policy": 0,
        "creds": _credentials(draft),
        "signals_p": {"signals": _signals(draft)},
        "comm": name,
        "cg_set": 1,
    }
    if draft.filters and draft.has("thread_core_entry", "seccomp_mode") and draft.chance.once_in(2):
        core.update({"seccomp_mode": _FILTERED, "seccomp_filter": draft.noise.below(draft.filters)})
    return core


def _registers(draft: Draft) -> Fields:
    """The lists among the registers of a thread, which are as long as they are; the others are required."""
    words = [draft.noise.bits(8) for _ in range(8)]
    return {
        part: {name: (words * 9)[:count] for name, count in lists.items()}
        for part, lists in draft.host.lists.items()
    }


def _posix_timer(draft: Draft, index: int) -> Fields:
    """A timer that sends a signal."""
    return {
        "it_id": index,
        "clock_id": draft.noise.one_of((0, 1, 7)),
        "si_signo": draft.noise.between(1, 64),
        "it_sigev_notify": 0,
        "overrun": 0,
    }


def _signals(draft: Draft) -> list[Value]:
    """Signals that wait, each a siginfo_t."""
    return [
        {"siginfo": draft.noise.between(1, 64).to_bytes(4, draft.host.byte_order) + bytes(_SIGINFO - 4)}
        for _ in range(max(draft.noise.below(4) - 2, 0))
    ]


def _credentials(draft: Draft) -> Fields:
    user = draft.noise.one_of((0, 0, 1000, 65534))
    capabilities = [0xFFFFFFFF if user == 0 else 0, 0x1FF if user == 0 else 0]
    return {
        **dict.fromkeys(_CREDENTIALS, user),
        **dict.fromkeys(_CAPABILITIES, capabilities),
        "secbits": 0,
        "groups": [user] if draft.noise.once_in(2) else [],
    }


def _limit(draft: Draft) -> Fields:
    most = draft.noise.one_of((_UNLIMITED, 1024, 8 << 20))
    return {"cur": min(most, 1024), "max": most}


def _actions(draft: Draft) -> list[bytes]:
    """What is done on each signal, as messages; that of a few is a handler."""
    default: Fields = {"sigaction": 0, "flags": 0, "restorer": 0, "mask": 0}
    record = draft.messages.generate("sa_entry", default)
    actions = [record] * (_SIGNALS - len(_UNCHANGEABLE))
    for _ in range(draft.noise.below(4)):
        handler: Fields = {**default, "sigaction": address(draft.noise), "restorer": address(draft.noise)}
        record = draft.messages.generate("sa_entry", {**handler, "flags": 0x4000000})
        actions[draft.noise.below(len(actions))] = record
    return actions


def _add_older(draft: Draft, task: Task) -> None:
    """Add the images of what later releases have in the core image."""
    if not draft.has("thread_core_entry", "creds"):
        draft.add(f"creds-{task.pid}.img", _credentials(draft))
    if not draft.has("task_core_entry", "sigactions"):
        for action in _actions(draft):
            draft.add(f"sigacts-{task.pid}.img", action)
    if not draft.has("task_core_entry", "timers"):
        for _ in range(3):
            draft.add(f"itimers-{task.pid}.img", _EMPTY_TIMER)
        for index in range(draft.noise.below(3) if draft.has("posix_timer_entry") else 0):
            draft.add(f"posix-timers-{task.pid}.img", _posix_timer(draft, index))
        for _ in range(_LIMITS):
            draft.add(f"rlimit-{task.pid}.img", _limit(draft))
