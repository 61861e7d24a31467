"""A checkpoint as one thing: its images, its processes, its memory, and what stands around them."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cached_property
from typing import TYPE_CHECKING, Self

from dyncrit.checkpoint.files import FileTable
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.location import Location, locate
from dyncrit.checkpoint.memory.spaces import AddressSpaces
from dyncrit.checkpoint.problems import Problem, Problems
from dyncrit.checkpoint.processes import ProcessTree
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint.cgroups import Cgroups
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.engine.container import Container
    from dyncrit.checkpoint.mounts import MountNamespace
    from dyncrit.checkpoint.namespaces import Namespace
    from dyncrit.checkpoint.release import ReleaseRange
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.checkpoint.statistics import Statistics
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.schema import Schema
    from dyncrit.types import DynamicMessage

_PER_PROCESS = ("mm", "ids", "fs", "pagemap", "creds", "vmas")
"""Images that each process has of its own; core images are there for each thread."""


class Checkpoint:
    """A checkpoint. What is missing or damaged is left out of the views and stands in ``problems``.

    ``parent`` is the one that an incremental dump builds on, or None; then ``no_parent`` tells why.
    """

    def __init__(
        self, location: Location, schema: Schema, path: Path | None = None, limits: Limits | None = None
    ) -> None:
        self.location = location
        self._limits = limits
        self._is_outdated = False
        self.path = path
        """The path that was opened; None for a parent that a link led to."""
        self.schema = schema
        self.name = location.images.name
        self.problems = Problems()
        self.images = ImageSet(location.images, schema, self.problems)
        self.parent: Checkpoint | None = None
        self.no_parent = "there is no link to a parent"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Checkpoint {self.name}, {self.location.kind}>"

    def close(self) -> None:
        """Let go of files and temporary copies, those of its parents included."""
        self.location.root.close()
        if self.parent is not None:
            self.parent.close()

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two checkpoints that are the same folder of images."""
        return self.location.images.identity

    @property
    def chain(self) -> Iterator[Checkpoint]:
        """This checkpoint, its parent, that one's parent, and so on."""
        checkpoint: Checkpoint | None = self
        while checkpoint is not None:
            yield checkpoint
            checkpoint = checkpoint.parent

    @property
    def all_problems(self) -> list[Problem]:
        """Its problems and those of its parents, which say whose they are."""
        found = list(self.problems)
        for parent in itertools.islice(self.chain, 1, None):
            found += [
                problem._replace(place=parent.images.path(problem.place)) for problem in parent.problems
            ]
        return found

    @cached_property
    def inventory(self) -> DynamicMessage | None:
        """The inventory_entry."""
        return self.images.first("inventory.img")

    @property
    def is_full(self) -> bool:
        """Whether it can be restored: pre-dumps hold memory only."""
        return "pstree.img" in self.images

    @property
    def is_pre_dump(self) -> bool:
        """Whether it holds memory only, for another dump to build on."""
        if self.is_full or self.images.numbers("core"):
            return False
        has_memory = any(self.images.numbers(stem) for stem in ("pagemap", "pagemap-shmem", "pages"))
        # CRIU leaves the version out of a pre-dump's inventory
        return has_memory or (self.inventory is not None and not self.inventory.img_version)

    @cached_property
    def has_pages(self) -> bool:
        """Whether there are any memory pages in it."""
        return bool(self.images.numbers("pages"))

    @property
    def fdinfo_per_id(self) -> bool:
        """Whether fdinfo images go by files_id, since CRIU 0.4, and not by pid."""
        return self.inventory is None or self.inventory.fdinfo_per_id

    @cached_property
    def processes(self) -> ProcessTree:
        """The process tree. Images of tasks that it doesn't have are left alone, and said."""
        if not self.is_full and self.images.numbers("core"):
            self.problems.error("pstree.img", "missing; without it, nothing tells which processes there are")
        tree = ProcessTree(self)
        self._find_strangers(tree)
        return tree

    def require_processes(self) -> None:
        """Raise ImageError for what has no processes to show: a pre-dump, or images without pstree.img."""
        if self.is_pre_dump:
            problem = "a pre-dump, which holds memory but no processes (there is no pstree.img)"
            raise ImageError(f"{problem}; give the dump that it was made for", self.name)
        if not self.is_full:
            raise ImageError(
                "pstree.img is missing: without it, nothing tells which processes there are", self.name
            )

    @cached_property
    def files(self) -> FileTable:
        """All open files."""
        return FileTable(self.images)

    @cached_property
    def sockets(self) -> list[Socket]:
        """All sockets, each with the processes and descriptors that hold it."""
        from dyncrit.checkpoint.sockets import read_sockets

        files = ((kind, message) for (kind, _), message in self.files.messages.items())
        sockets = read_sockets(self.images, files)
        holders: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for process in self.processes:
            for descriptor in process.descriptors:
                key = (descriptor.file.type, descriptor.file.id)
                holders.setdefault(key, []).append((process.pid, descriptor.fd))
        return [
            dataclasses.replace(socket, holders=tuple(holders.get((socket.kind, socket.id), ())))
            for socket in sockets
        ]

    @cached_property
    def mounts(self) -> dict[int, MountNamespace]:
        """The mounts of each mount namespace, by its id."""
        from dyncrit.checkpoint.mounts import read_mounts

        return read_mounts(self.images)

    @cached_property
    def namespaces(self) -> list[Namespace]:
        """The namespaces that its processes live in."""
        from dyncrit.checkpoint.namespaces import read_namespaces

        return read_namespaces(self.images, [process.pid for process in self.processes])

    @cached_property
    def cgroups(self) -> Cgroups:
        """Control groups: the sets that processes are in, and the directories."""
        from dyncrit.checkpoint.cgroups import read_cgroups

        return read_cgroups(self.images)

    @cached_property
    def statistics(self) -> Statistics:
        """What CRIU measured when it dumped, and restored; archives of engines have it beside the images."""
        from dyncrit.checkpoint.statistics import read_statistics

        trees = [self.location.images, *([self.location.outer] if self.location.outer else [])]
        return read_statistics(trees, self.schema, self.problems)

    @cached_property
    def releases(self) -> ReleaseRange:
        """The CRIU releases that can have written it, with the evidence."""
        from dyncrit.checkpoint.release import guess_release

        return guess_release(self.images)

    @cached_property
    def container(self) -> Container | None:
        """What the container engine said of it, or None for bare images."""
        if self.location.outer is None:
            return None
        from dyncrit.checkpoint.engine.container import read_container

        return read_container(self.location.outer, self.location.annotations, self.problems)

    @cached_property
    def spaces(self) -> AddressSpaces:
        """The memory of all processes; :attr:`Process.memory` gives that of one."""
        parent = self.parent.spaces if self.parent is not None else None
        return AddressSpaces(self.images, self.files, parent, self.no_parent)

    def edit(self, *, dry_run: bool = False) -> Edit:
        """A change of this checkpoint, to be used as a context manager; with ``dry_run``, nothing is written.

        All changes are made together when the block ends, and none if it raises. Afterwards this object
        shows what is there then, in an archive from the next edit on; what was taken from it before stays.

        >>> from dyncrit.checkpoint import open_checkpoint
        >>> with open_checkpoint("tests/data/demo/tree") as checkpoint:
        ...     with checkpoint.edit(dry_run=True) as edit:
        ...         edit.images.remove("stats-dump")
        ...         [change.name for change in edit.changes]
        ['stats-dump']
        """
        from dyncrit.checkpoint.editing.edit import Edit

        if self._is_outdated:
            self.renew()
        return Edit(self, dry_run=dry_run)

    def was_changed(self) -> None:
        """Take note that an edit was made: what is read from now on is read anew."""
        self._is_outdated = True
        if isinstance(self.location.root, DirectoryTree):  # an archive is unpacked again only if need be
            self.renew()

    def renew(self) -> None:
        """Look at the checkpoint anew, as after a change; its parents stay as they are."""
        if self.path is None:
            return
        self._is_outdated = False
        root = self.location.root
        if isinstance(root, DirectoryTree) and self.location.images is root:  # also one around a lone image
            tree = DirectoryTree(self.path)
            self.location = self.location._replace(images=tree, root=tree)
        else:
            self.location = locate(self.path, self._limits)
        root.close()
        self.problems = Problems()
        self.images = ImageSet(self.location.images, self.schema, self.problems)
        for name, value in vars(type(self)).items():
            if isinstance(value, cached_property):
                vars(self).pop(name, None)

    def _find_strangers(self, tree: ProcessTree) -> None:
        """Say which images are of tasks that pstree.img lacks: left from dumps before, or mixed in."""
        if not self.is_full:
            return
        tasks = {tid for process in tree for tid in (process.pid, *process.thread_ids)}
        strangers = {tid for tid in self.images.numbers("core") if tid not in tasks}
        strangers.update(
            pid for stem in _PER_PROCESS for pid in self.images.numbers(stem) if pid not in tasks
        )
        if strangers:
            shown = ", ".join(map(str, sorted(strangers)[:10])) + (", ..." if len(strangers) > 10 else "")
            self.problems.warn(
                "pstree.img", f"has no task {shown}; images of such, left from other dumps, are passed over"
            )
