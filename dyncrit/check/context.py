"""What the rules of a check work on: the checkpoint, and look-ups that they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import enum_names, optional
from dyncrit.checkpoint.files import FILE_KINDS, FileTable
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.entry import Entry
    from dyncrit.findings import Finding, Rule
    from dyncrit.types import DynamicMessage

_IMAGES = {kind.type: kind.image for kind in FILE_KINDS}
_DEAD = (2, 4, 6)  # TASK_DEAD, TASK_HELPER, TASK_ZOMBIE of criu/include/pid.h


class Check(NamedTuple):
    """A rule and what finds where it doesn't hold.

    ``needs_pages`` says that it looks at pages files, which ``--without-pages`` leaves out; ``needs_depth``
    that it reads what is in them, which only ``--deep`` does.
    """

    rule: Rule
    function: Callable[[Context], Iterator[Finding]]
    needs_pages: bool = False
    needs_depth: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task of pstree.img.

    ``threads`` are the ids of all its threads, its pid first (the thread 0 that zombies are stored with is
    left out). ``core`` is the core_entry of the main one, ``ids`` the task_kobj_ids_entry; None where the
    images lack it.
    """

    pid: int
    ppid: int
    pgid: int
    sid: int
    threads: tuple[int, ...]
    core: DynamicMessage | None
    ids: DynamicMessage | None

    @property
    def is_alive(self) -> bool:
        """Whether it has memory, files and ids: it is no zombie; also if its core image is missing."""
        return self.core is None or self.core.tc.task_state not in _DEAD


class SharedImages(ImageSet):
    """The images of a checkpoint, whose messages are decoded once for all rules.

    ``problems`` holds what keeps images from being read, and nothing else.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint.images.tree, checkpoint.schema, Problems())
        self.read: set[str] = set()
        """The names of those that were read to their end."""
        self._messages: dict[str, list[DynamicMessage]] = {}
        self._first: dict[str, DynamicMessage | None] = {}

    def entries(self, name: str) -> Iterator[Entry]:
        """The entries of an image with their payloads, one by one; read anew each time."""
        yield from super().entries(name)
        self.read.add(name)

    def messages(self, name: str) -> list[DynamicMessage]:
        """The messages of an image's entries; kept, so pagemaps and payloads are better streamed."""
        if name not in self._messages:
            self._messages[name] = super().messages(name)
        return self._messages[name]

    def first(self, name: str, *, required_by: str = "") -> DynamicMessage | None:  # noqa: ARG002 (rules say what is missing)
        """The message of an image's first entry, or None; that an image is missing is left to the rules."""
        if name in self._messages:
            return next(iter(self._messages[name]), None)
        if name not in self._first:
            self._first[name] = super().first(name)
        return self._first[name]


class Context:
    """The checkpoint that is checked, and what several rules look up in it; each made when first asked for.

    ``pages`` and ``deep`` are those of :func:`~dyncrit.check.checking.check`. Images are read by way of
    ``images``, so that what is damaged is reported once, by the rule ``image-readable``: the others take an
    image for what can be read of it, and say nothing of one that is in ``damaged``. Views of ``checkpoint``
    may be used, too; the problems that they take note of are reported where no rule did.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, pages: bool = True, deep: bool = False, limits: Limits | None = None
    ) -> None:
        self.checkpoint = checkpoint
        self.limits = limits
        self.pages = pages
        self.deep = deep
        self.images = SharedImages(checkpoint)
        self._damaged: tuple[int, frozenset[str]] = (0, frozenset())

    def messages(self, name: str) -> list[DynamicMessage]:
        """The messages of an image; none if it isn't there."""
        return self.images.messages(name)

    def first(self, name: str) -> DynamicMessage | None:
        """The first message of an image; None if it isn't there, or is empty."""
        return self.images.first(name)

    @property
    def damaged(self) -> frozenset[str]:
        """The names of the images that turned out to be damaged so far."""
        count = len(self.images.problems)
        if count != self._damaged[0]:
            self._damaged = count, frozenset(problem.place for problem in self.images.problems)
        return self._damaged[1]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all files in the checkpoint's folder."""
        return frozenset(self.images.tree.names())

    @cached_property
    def inventory(self) -> DynamicMessage | None:
        """The inventory_entry."""
        return self.first("inventory.img")

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of pstree.img in its order; of those with the same pid, the first."""
        found: dict[int, Task] = {}
        for message in self.messages("pstree.img"):
            if message.pid not in found:
                found[message.pid] = self._task(message)
        return tuple(found.values())

    @cached_property
    def living(self) -> tuple[Task, ...]:
        """The tasks that have memory, files and ids: all but zombies and dead ones."""
        return tuple(task for task in self.tasks if task.is_alive)

    @cached_property
    def pids(self) -> frozenset[int]:
        """The pids of all tasks."""
        return frozenset(task.pid for task in self.tasks)

    @cached_property
    def cores(self) -> Mapping[int, DynamicMessage]:
        """The core_entry of every thread of every task that has one, by its id."""
        found = {}
        for task in self.tasks:
            for tid in task.threads:
                if (core := self.first(f"core-{tid}.img")) is not None:
                    found[tid] = core
        return found

    @cached_property
    def file_table(self) -> FileTable:
        """The open files, as views know them, from the images that rules share."""
        return FileTable(self.images)

    @property
    def files(self) -> Mapping[tuple[str, int], DynamicMessage]:
        """The entry of each open file, by type (a name of the enum fd_types) and id."""
        return self.file_table.messages

    @cached_property
    def file_ids(self) -> frozenset[int]:
        """The ids of all open files, of whatever type; they are unique over all types."""
        return frozenset(identity for _, identity in self.files)

    def type_name(self, number: int) -> str:
        """The name of a type of files in the enum fd_types; the number as text where it has none."""
        return self._type_names.get(number) or str(number)

    @cached_property
    def _type_names(self) -> Mapping[int, str]:
        return enum_names(self.checkpoint.schema.message_class("fdinfo_entry").DESCRIPTOR, "type")

    def image_of(self, type_name: str) -> str:
        """The name of the image that files of a type stand in: files.img, or their own (CRIU up to 3.3)."""
        return "files.img" if "files.img" in self.names else _IMAGES[type_name]

    def files_of(self, type_name: str) -> Mapping[int, DynamicMessage]:
        """The entries of the open files of one type, by id."""
        return self._files_by_type.get(type_name, {})

    def is_damaged(self, *names: str) -> bool:
        """Whether one of the images is damaged, so that what it doesn't have tells nothing. It reads them."""
        for name in names:
            self.messages(name)
        return not self.damaged.isdisjoint(names)

    @cached_property
    def has_damaged_files(self) -> bool:
        """Whether an image of open files is damaged, so that files which it lacks may have been in it."""
        return self.is_damaged("files.img", *_IMAGES.values())

    @cached_property
    def _files_by_type(self) -> Mapping[str, Mapping[int, DynamicMessage]]:
        found: dict[str, dict[int, DynamicMessage]] = {}
        for (type_name, identity), message in self.files.items():
            found.setdefault(type_name, {})[identity] = message
        return found

    @cached_property
    def fdinfo_names(self) -> Mapping[int, str]:
        """The name of the image with the descriptors of each living task, by pid.

        Tasks without ids, whose image is called by them, aren't in it.
        """
        by_id = self.inventory is None or self.inventory.fdinfo_per_id
        if not by_id:
            return {task.pid: f"fdinfo-{task.pid}.img" for task in self.living}
        return {task.pid: f"fdinfo-{task.ids.files_id}.img" for task in self.living if task.ids is not None}

    @cached_property
    def descriptors(self) -> Mapping[int, Mapping[int, DynamicMessage]]:
        """The fdinfo_entry of each descriptor, by number, of each living task, by pid."""
        tables = {
            name: {message.fd: message for message in self.messages(name)}
            for name in set(self.fdinfo_names.values())
        }
        return {pid: tables[name] for pid, name in self.fdinfo_names.items()}

    @cached_property
    def host_namespaces(self) -> DynamicMessage | None:
        """The task_kobj_ids_entry of CRIU itself when it dumped (since CRIU 0.8); None where unknown."""
        return None if self.inventory is None else optional(self.inventory, "root_ids")

    def _task(self, message: DynamicMessage) -> Task:
        core = self.first(f"core-{message.pid}.img")
        ids = None if core is None else optional(core, "ids")
        if ids is None:
            ids = self.first(f"ids-{message.pid}.img")
        threads = tuple(dict.fromkeys((message.pid, *filter(None, message.threads[1:]))))
        return Task(message.pid, message.ppid, message.pgid, message.sid, threads, core, ids)
