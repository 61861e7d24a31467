"""Rules of tasks: the tree of them, the images that each has, the inventory.

What a restore does is from criu/pstree.c, criu/cr-restore.c and criu/image.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import enum_names
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.check.context import Context, Task

_PSTREE = "pstree.img"
_KNOWN_VERSIONS = (1, 2)
_OWN_IMAGES = ("mm", "fs", "pagemap")

INVENTORY = Rule(
    "inventory-known",
    "error",
    "the inventory is there, and its version is known",
    "A restore refuses images without an inventory, or of a version that it doesn't know.",
)
TREE_PRESENT = Rule(
    "tree-present",
    "error",
    "pstree.img is there and has tasks, unless it is a pre-dump",
    "A restore has nothing to restore.",
)
UNIQUE_TASKS = Rule(
    "task-ids-unique",
    "error",
    "every id of a task or a thread is there once",
    "A restore stops while it reads the tree: a process or thread can't be created twice.",
)
TREE = Rule(
    "task-tree",
    "error",
    "one task is the root; every other has a parent that stands before it",
    "A restore stops: it can't find the parent, or takes the second root for damage.",
)
SESSIONS = Rule(
    "session-leaders",
    "error",
    "the leader of a task's session is among its ancestors, or can be stood in for",
    "A restore stops: a task joins a session only by birth, and no ancestor could have been in it.",
)
GROUPS = Rule(
    "group-leaders",
    "error",
    "the leader of a process group is a process, not a thread",
    "A restore stops at an assertion. (A leader that is gone is stood in for by a helper.)",
)
TASK_IMAGES = Rule(
    "task-images",
    "error",
    "every task has its images, and every thread its core image; zombies have the latter only",
    "A restore stops when it comes to the task, or brings it back without what the image held.",
)
FDINFO = Rule(
    "task-fdinfo",
    "warning",
    "every task has an fdinfo image",
    "The task comes back without open files; that is right only if it had none.",
)
CORE_PARTS = Rule(
    "core-parts",
    "error",
    "core images hold what a process, or a thread, needs",
    "A restore stops when it reads the core image.",
)
ARCHITECTURE = Rule(
    "one-architecture",
    "error",
    "all core images are of one architecture",
    "A restore refuses threads of another architecture than its own.",
)


def _inventory(context: Context) -> Iterator[Finding]:
    name = "inventory.img"
    if context.checkpoint.is_pre_dump:  # of which a restore reads pages only
        return
    if name not in context.names:
        yield Finding.of(INVENTORY, "missing", name)
    elif context.inventory is None:
        if not context.is_damaged(name):
            yield Finding.of(INVENTORY, "it has no entry", name)
    elif context.inventory.img_version not in _KNOWN_VERSIONS:
        found = context.inventory.img_version
        yield Finding.of(
            INVENTORY, f"expected version 1 or 2 of images, found {found}", name, place="img_version"
        )


def _tree_present(context: Context) -> Iterator[Finding]:
    if context.checkpoint.is_pre_dump:
        return
    if _PSTREE not in context.names:
        yield Finding.of(TREE_PRESENT, "missing; it tells which tasks there are", _PSTREE)
    elif not context.tasks and not context.is_damaged(_PSTREE):
        yield Finding.of(TREE_PRESENT, "it has no tasks", _PSTREE)


def _unique_tasks(context: Context) -> Iterator[Finding]:
    seen: set[int] = set()
    living = {task.pid for task in context.living}  # CRIU leaves the first thread of a zombie to chance
    for index, message in enumerate(context.messages(_PSTREE)):
        if message.pid in seen:
            text = f"the pid {message.pid} is there already"
            yield Finding.of(UNIQUE_TASKS, text, _PSTREE, place=f"entry {index}: pid")
        seen.add(message.pid)
        for place, tid in enumerate(message.threads[1:], 1):
            if tid and tid in seen:
                text = f"process {message.pid}: the thread id {tid} is there already"
                yield Finding.of(UNIQUE_TASKS, text, _PSTREE, place=f"entry {index}: threads[{place}]")
            seen.add(tid)
        if message.threads and message.threads[0] not in (0, message.pid) and message.pid in living:
            text = f"process {message.pid}: its first thread is {message.threads[0]}, expected itself"
            yield Finding.of(UNIQUE_TASKS, text, _PSTREE, place=f"entry {index}: threads[0]")


def _tree(context: Context) -> Iterator[Finding]:
    if context.is_damaged(_PSTREE):
        return
    seen: set[int] = set()
    root = None
    for task in context.tasks:
        text = ""
        if task.ppid:
            if task.ppid not in seen:
                later = "stands behind it" if task.ppid in context.pids else "isn't there"
                text = f"its parent {task.ppid} {later}"
        elif root is not None:
            text = f"it has no parent; process {root} is the root already"
        else:
            root = task.pid
        if text:
            yield Finding.of(TREE, f"process {task.pid}: {text}", _PSTREE, place="ppid")
        seen.add(task.pid)


def _sessions(context: Context) -> Iterator[Finding]:
    """Find tasks whose session no ancestor leads.

    Children of the root whose leader is gone get a helper as their leader; where the parent is of the same
    session, what is to be said of it is said of the parent.
    """
    above: list[int] = []
    leaders: set[int] = set()
    for depth, task, parent in _walk(context):
        for pid in above[depth:]:
            leaders.discard(pid)
        del above[depth:]
        is_inherited = parent is None or depth <= 1 or task.sid in (task.pid, parent.sid)
        if not is_inherited and task.sid not in leaders:
            text = f"process {task.pid}: the leader of its session {task.sid} is none of its ancestors"
            yield Finding.of(SESSIONS, text, _PSTREE, place="sid")
        above.append(task.pid)
        leaders.add(task.pid)


def _walk(context: Context) -> Iterator[tuple[int, Task, Task | None]]:
    """Each task below a root with its depth and its parent, children behind their parents."""
    children: dict[int, list[Task]] = {}
    for task in context.tasks:
        children.setdefault(task.ppid, []).append(task)
    waiting: list[tuple[int, Task, Task | None]] = [(0, task, None) for task in children.get(0, ())]
    while waiting:
        depth, task, parent = waiting.pop()
        yield depth, task, parent
        if task.pid:
            waiting += ((depth + 1, child, task) for child in children.get(task.pid, ()))


def _groups(context: Context) -> Iterator[Finding]:
    threads = {tid for task in context.tasks for tid in task.threads[1:]} - context.pids
    for task in context.tasks:
        for field, value in (("pgid", task.pgid), ("sid", task.sid)):
            if value in threads:
                text = f"process {task.pid}: its {field} {value} is a thread's id"
                yield Finding.of(GROUPS, text, _PSTREE, place=field)


def _task_images(context: Context) -> Iterator[Finding]:
    for task in context.tasks:
        whose = f"process {task.pid}" if task.is_alive else f"process {task.pid}, a zombie,"
        wanted = [f"core-{task.pid}.img"]
        own = [f"{stem}-{task.pid}.img" for stem in _OWN_IMAGES]
        is_zombie = not task.is_alive or (task.core is None and context.names.isdisjoint(own))
        if not is_zombie:
            wanted += own
            if task.ids is None:
                wanted.append(f"ids-{task.pid}.img")
            wanted += _before_core(task)
        yield from _missing(context, wanted, whose)
        for tid in task.threads[1:] if task.is_alive else ():
            yield from _missing(context, [f"core-{tid}.img"], f"thread {tid} of process {task.pid}")


def _before_core(task: Task) -> Iterator[str]:
    """Images of what later releases have in the core image: timers since CRIU 1.3, creds 2.0, actions 3.1."""
    core = task.core
    if core is None or not core.HasField("tc"):  # which is another rule's affair
        return
    if not core.thread_core.HasField("creds"):
        yield f"creds-{task.pid}.img"
    if not core.tc.sigactions:
        yield f"sigacts-{task.pid}.img"
    if not core.tc.HasField("timers"):
        yield f"itimers-{task.pid}.img"


def _missing(context: Context, names: Iterable[str], whose: str) -> Iterator[Finding]:
    for name in names:
        if name not in context.names:
            yield Finding.of(TASK_IMAGES, f"missing; {whose} needs it", name)
        elif context.first(name) is None and name not in context.damaged:
            yield Finding.of(TASK_IMAGES, f"it has no entry; {whose} needs one", name)


def _fdinfo(context: Context) -> Iterator[Finding]:
    said: set[str] = set()
    for pid, name in context.fdinfo_names.items():
        if name not in context.names and name not in said:
            said.add(name)
            yield Finding.of(FDINFO, f"missing; it tells the open files of process {pid}", name)


def _core_parts(context: Context) -> Iterator[Finding]:
    for task in context.tasks:
        for tid in task.threads:
            core = context.cores.get(tid)
            if core is None:
                continue
            needed = ["tc"] if tid == task.pid else []
            needed += ["thread_core"] if task.is_alive else []
            for field in needed:
                if not core.HasField(field):
                    whose = f"process {tid}" if tid == task.pid else f"thread {tid} of process {task.pid}"
                    yield Finding.of(CORE_PARTS, f"{whose} has none", f"core-{tid}.img", place=field)


def _architecture(context: Context) -> Iterator[Finding]:
    first = next(iter(context.cores.items()), None)
    if first is None:
        return
    tid, expected = first[0], first[1].mtype
    names = enum_names(first[1].DESCRIPTOR, "mtype")
    for other, core in context.cores.items():
        if core.mtype != expected:
            found = names.get(core.mtype, core.mtype)
            text = f"found {found}, where core-{tid}.img has {names.get(expected, expected)}"
            yield Finding.of(ARCHITECTURE, text, f"core-{other}.img", place="mtype")


CHECKS: tuple[Check, ...] = (
    Check(INVENTORY, _inventory),
    Check(TREE_PRESENT, _tree_present),
    Check(UNIQUE_TASKS, _unique_tasks),
    Check(TREE, _tree),
    Check(SESSIONS, _sessions),
    Check(GROUPS, _groups),
    Check(TASK_IMAGES, _task_images),
    Check(FDINFO, _fdinfo),
    Check(CORE_PARTS, _core_parts),
    Check(ARCHITECTURE, _architecture),
)
