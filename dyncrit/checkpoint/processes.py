"""The processes of a checkpoint: the tree, and what each of them was."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from dyncrit.checkpoint.fields import enum_names, text
from dyncrit.checkpoint.files import Descriptor, OpenFile, read_descriptors
from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.checkpoint.names.numbers import NAMESPACE_FIELDS
from dyncrit.checkpoint.task.credentials import Credentials, read_credentials
from dyncrit.checkpoint.task.dispositions import SignalAction, SignalState, read_actions, read_signal_state
from dyncrit.checkpoint.task.limits import ResourceLimit, read_limits
from dyncrit.checkpoint.task.seccomp import Seccomp, read_seccomp
from dyncrit.checkpoint.task.timers import Timer, read_timers
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.problems import Problems
    from dyncrit.types import ByteOrder, DynamicMessage

State = Literal["alive", "stopped", "zombie", "dead", "unknown"]

_STATES: Mapping[int, State] = {1: "alive", 2: "zombie", 3: "stopped", 4: "dead", 6: "zombie"}
"""By task_core_entry.task_state: TASK_* of criu/include/pid.h.

CRIU writes a zombie as TASK_DEAD, 2; CRIT's map has 3 and 6 the wrong way round. TASK_HELPER, 4, is a process
that had ended but whose session or group lives on.
"""

_MAX_ARGUMENTS = 8 << 20


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread. ``core`` is its core_entry, or None where its image is missing."""

    tid: int
    comm: str
    core: DynamicMessage | None
    credentials: Credentials | None
    seccomp: Seccomp
    signals: SignalState


class Process:
    """A process of the tree; what its images don't hold is None, or empty, and a problem of the checkpoint.

    Zombies and dead processes have no memory, files or ids.
    """

    def __init__(self, checkpoint: Checkpoint, message: DynamicMessage) -> None:
        self._checkpoint = checkpoint
        self._images = checkpoint.images
        self.pid: int = message.pid
        self.ppid: int = message.ppid
        self.pgid: int = message.pgid
        self.sid: int = message.sid
        self.thread_ids = tuple(dict.fromkeys((self.pid, *filter(None, message.threads[1:]))))
        self.parent: Process | None = None
        self.children: list[Process] = []

    def __repr__(self) -> str:
        return f"<Process {self.pid} {self.comm!r}, {self.state}>"

    @cached_property
    def core(self) -> DynamicMessage | None:
        """The core_entry of the main thread."""
        return self._images.first(f"core-{self.pid}.img", required_by=f"process {self.pid}")

    @property
    def comm(self) -> str:
        """The name of the main thread, as ``ps`` shows it."""
        return text(self.core.tc, "comm") if self.core is not None else ""

    @property
    def state(self) -> State:
        """Whether it ran, was stopped, or had ended and was not waited for."""
        return _STATES.get(self.core.tc.task_state, "unknown") if self.core is not None else "unknown"

    @property
    def is_alive(self) -> bool:
        """Whether it has memory, files and ids: running or stopped."""
        return self.state not in ("zombie", "dead")

    @property
    def exit_code(self) -> int:
        """As wait() gives it: the status in bits 8 to 15, the signal that ended it in bits 0 to 6."""
        return self.core.tc.exit_code if self.core is not None else 0

    @property
    def problems(self) -> Problems:
        """Those of the checkpoint that it belongs to."""
        return self._images.problems

    @property
    def byte_order(self) -> ByteOrder:
        """The byte order of the host that was dumped."""
        return self._images.byte_order

    @property
    def architecture(self) -> str:
        """The name of its architecture in the enum core_entry.march (``"X86_64"``); empty if unknown."""
        if self.core is None:
            return ""
        return enum_names(self.core.DESCRIPTOR, "mtype").get(self.core.mtype, "")

    @cached_property
    def threads(self) -> list[Thread]:
        """Its threads; the first is the main one."""
        if not self.is_alive:
            return []
        return [self._thread(tid) for tid in self.thread_ids]

    @cached_property
    def ids(self) -> DynamicMessage | None:
        """The ids of what it shares with others (task_kobj_ids_entry): memory, files, namespaces."""
        if not self.is_alive:
            return None
        if self.core is not None and self.core.HasField("ids"):
            ids: DynamicMessage = self.core.ids
            return ids
        return self._images.first(f"ids-{self.pid}.img")

    @cached_property
    def namespaces(self) -> dict[str, int]:
        """The id of its namespace of each kind (``"net"``, ``"mnt"``), as far as the images tell."""
        if self.ids is None:
            return {}
        ids = self.ids
        return {kind: getattr(ids, field) for field, kind in NAMESPACE_FIELDS.items() if ids.HasField(field)}

    @property
    def credentials(self) -> Credentials | None:
        """User and group ids and capabilities of the main thread."""
        return self.threads[0].credentials if self.threads else None

    @cached_property
    def limits(self) -> list[ResourceLimit]:
        """Its resource limits."""
        return read_limits(self._images, self.pid, self.core, self.architecture)

    @cached_property
    def timers(self) -> list[Timer]:
        """Its POSIX timers, and its interval timers that are armed."""
        return read_timers(self._images, self.pid, self.core, self.architecture)

    @cached_property
    def signal_actions(self) -> list[SignalAction]:
        """What it does on each signal that it doesn't leave to the default."""
        return read_actions(self._images, self.pid, self.core, self.architecture)

    @cached_property
    def signals(self) -> SignalState:
        """The signals that wait for the process as a whole; those of a thread are the thread's."""
        return read_signal_state(
            self._images, f"signal-s-{self.pid}.img", self.core, self.architecture, shared=True
        )

    @property
    def seccomp(self) -> Seccomp:
        """The system call filters of the main thread."""
        return self.threads[0].seccomp if self.threads else Seccomp("disabled")

    @cached_property
    def cgroups(self) -> dict[str, str]:
        """Its path in each cgroup controller."""
        number = 0
        if self.core is not None:
            number = self.core.tc.cg_set or self.core.thread_core.cg_set
        return dict(self._checkpoint.cgroups.paths(number))

    @cached_property
    def descriptors(self) -> list[Descriptor]:
        """Its open files by descriptor number."""
        name = self.descriptors_image
        if name is None:
            return []
        if name not in self._images and self._checkpoint.is_full:
            self._images.problems.error(name, f"missing; the files of process {self.pid} are not known")
        return read_descriptors(self._images, self._checkpoint.files, name)

    @property
    def descriptors_image(self) -> str | None:
        """The name of the image with its descriptors; None if it has none."""
        if not self.is_alive:
            return None
        key = self.ids.files_id if self.ids is not None and self._checkpoint.fdinfo_per_id else self.pid
        return f"fdinfo-{key}.img"

    @property
    def cwd(self) -> OpenFile | None:
        """Its working directory."""
        return self._fs_file("cwd_id")

    @property
    def root(self) -> OpenFile | None:
        """Its root directory."""
        return self._fs_file("root_id")

    @property
    def umask(self) -> int | None:
        """Its file mode creation mask."""
        return self._fs.umask if self._fs is not None and self._fs.HasField("umask") else None

    @property
    def executable(self) -> OpenFile | None:
        """The program that it runs."""
        return self._checkpoint.files.find(self.mm.exe_file_id) if self.mm is not None else None

    @cached_property
    def mm(self) -> DynamicMessage | None:
        """The mm_entry: mappings, and the addresses of code, heap, stack, arguments and environment."""
        if not self.is_alive:
            return None
        return self._images.first(f"mm-{self.pid}.img", required_by=f"the memory of process {self.pid}")

    @cached_property
    def memory(self) -> AddressSpace:
        """Its memory; raises DyncritError where it has none (zombies), or its mm image is missing."""
        if not self.is_alive:
            raise DyncritError(f"has no memory: it is a {self.state} process", f"process {self.pid}")
        return self._checkpoint.spaces.of(self.pid, self.mm)

    @cached_property
    def command_line(self) -> list[str]:
        """Its arguments, read from its memory; empty where the dump doesn't hold them."""
        return self._strings("mm_arg_start", "mm_arg_end", "command line")

    @cached_property
    def environment(self) -> list[str]:
        """Its environment, ``NAME=VALUE`` each, read from its memory as it was when it started."""
        return self._strings("mm_env_start", "mm_env_end", "environment")

    @cached_property
    def _fs(self) -> DynamicMessage | None:
        if not self.is_alive:
            return None
        return self._images.first(
            f"fs-{self.pid}.img", required_by=f"the working directory of process {self.pid}"
        )

    def _fs_file(self, field: str) -> OpenFile | None:
        if self._fs is None:
            return None
        return self._checkpoint.files.find(getattr(self._fs, field))

    def _thread(self, tid: int) -> Thread:
        core = self.core
        if tid != self.pid:
            core = self._images.first(f"core-{tid}.img", required_by=f"thread {tid} of process {self.pid}")
        comm = text(core.thread_core, "comm") if core is not None else ""
        return Thread(
            tid=tid,
            comm=comm or self.comm,
            core=core,
            credentials=read_credentials(self._images, self.pid, core),
            seccomp=read_seccomp(core, self.core),
            signals=read_signal_state(
                self._images, f"signal-p-{tid}.img", core, self.architecture, shared=False
            ),
        )

    def _strings(self, start: str, end: str, what: str) -> list[str]:
        if self.mm is None:
            return []
        first, last = getattr(self.mm, start), getattr(self.mm, end)
        if not 0 < last - first <= _MAX_ARGUMENTS:
            return []
        try:
            data = self.memory.read(first, last - first)
        except PagesError as error:
            if self._checkpoint.has_pages:
                self._images.problems.warn(f"process {self.pid}", f"its {what} can't be read: {error}")
            return []
        except DyncritError:
            return []
        return [part.decode("utf-8", "surrogateescape") for part in data.removesuffix(b"\0").split(b"\0")]


class ProcessTree:
    """The processes of a checkpoint, in the order of pstree.img.

    Iterates over all; ``tree[pid]`` gives one, ``roots`` those whose parent isn't in the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._by_pid: dict[int, Process] = {}
        problems = checkpoint.problems
        for message in checkpoint.images.messages("pstree.img"):
            if message.pid in self._by_pid:
                problems.error("pstree.img", f"process {message.pid} stands in it twice; the first is shown")
                continue
            self._by_pid[message.pid] = Process(checkpoint, message)
        self.roots = self._link(problems)

    def __iter__(self) -> Iterator[Process]:
        return iter(list(self._by_pid.values()))

    def __len__(self) -> int:
        return len(self._by_pid)

    def __contains__(self, pid: object) -> bool:
        return pid in self._by_pid

    def __getitem__(self, pid: int) -> Process:
        """The process with a pid; raises DyncritError, which lists those that are there."""
        if pid in self._by_pid:
            return self._by_pid[pid]
        pids = [str(known) for known in self._by_pid]
        shown = ", ".join(pids[:50]) + (f" and {len(pids) - 50} more" if len(pids) > 50 else "")
        verb = "is" if len(pids) == 1 else "are"
        raise DyncritError(f"no process {pid}; there {verb} {shown or 'none'}")

    def walk(self) -> Iterator[tuple[int, Process]]:
        """Each process with its depth below its root, children behind their parents."""
        stack = [(0, process) for process in reversed(self.roots)]
        while stack:
            depth, process = stack.pop()
            yield depth, process
            stack += [(depth + 1, child) for child in reversed(process.children)]

    def _link(self, problems: Problems) -> list[Process]:
        """Make parents know their children; gives the roots, of which one on a cycle becomes one, too."""
        roots = []
        for process in self:
            parent = self._by_pid.get(process.ppid)
            if parent is not None:
                process.parent = parent
                parent.children.append(process)
                continue
            if process.ppid:
                problems.error("pstree.img", f"process {process.pid}: its parent {process.ppid} is not there")
            roots.append(process)
        linked = {process.pid for root in roots for process in _below(root)}
        for process in self:
            if process.pid not in linked:
                ancestor, parent = _on_cycle(process)
                problems.error("pstree.img", f"process {ancestor.pid} is its own ancestor; shown as a root")
                parent.children.remove(ancestor)
                ancestor.parent = None
                roots.append(ancestor)
                linked.update(below.pid for below in _below(ancestor))
        return roots


def _on_cycle(process: Process) -> tuple[Process, Process]:
    """A process that is its own ancestor, above one that has no root, and its parent."""
    seen = set()
    current = process
    while current.pid not in seen and current.parent is not None:
        seen.add(current.pid)
        current = current.parent
    assert current.parent is not None  # noqa: S101 (there is no root above it)
    return current, current.parent


def _below(process: Process) -> Iterator[Process]:
    """A process and all that descend from it."""
    stack = [process]
    while stack:
        current = stack.pop()
        yield current
        stack += current.children
