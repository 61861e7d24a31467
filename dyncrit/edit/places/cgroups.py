"""``remap cgroup``: control groups below one path are below another.

A set names the group of its tasks in every hierarchy, from the root; ``cgns_prefix`` is how much of it a
cgroup namespace hides. The directories to be made stand as trees beside: a name at the top is from the root,
all others from their parents, and any may have several components (criu/cgroup.c).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dyncrit.checkpoint.fields import decode, items, number, set_text, text
from dyncrit.checkpoint.names.numbers import FILE_SYSTEMS
from dyncrit.edit.places.prefix import PathPrefix, ancestors, below, join
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import Setting, rewrite_messages
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry
    from dyncrit.types import DynamicMessage

CGROUP_IMAGE = "cgroup.img"


@whole
def remap_cgroup(edit: Edit, old: str, new: str) -> list[Touched]:
    """Move the control group ``old`` and all below it to ``new``, in all hierarchies, by whole components.

    Paths are from the root of the hierarchy, as the host sees them. Changed are the groups of tasks, the part
    of them that a cgroup namespace hides, the directories with their settings, and what of a hierarchy is
    mounted. Files that are open below /sys/fs/cgroup are what ``remap_path`` is for.

    Raises DyncritError for paths that aren't absolute, where a directory would take the place of another, and
    where a group would leave its cgroup namespace; ImageError where the set of a task isn't there.
    """
    prefix = PathPrefix.of(old, new)
    require(edit, "cgroup-sets-resolve")
    touched = rewrite_messages(edit, {"cg_member_entry"}, lambda _, member: _moved_member(member, prefix))
    touched += _move_directories(edit, prefix)
    touched += rewrite_messages(edit, {"mnt_entry"}, lambda _, mount: _moved_mount(mount, prefix))
    return touched


def member_settings(member: DynamicMessage, moved: Callable[[str], str | None]) -> Iterator[Setting]:
    """What is to be set where ``moved`` gives the new place of a path: the path, and how much is hidden.

    Raises DyncritError where the group would leave its cgroup namespace.
    """
    path = text(member, "path")
    new = moved(path)
    if new is None:
        return
    what = f"control group of {text(member, 'name') or 'the unified hierarchy'}"
    yield Setting.of_text(member, "path", new, what)
    hidden = number(member, "cgns_prefix")
    if not hidden:
        return
    namespace = path.encode("utf-8", "surrogateescape")[:hidden].decode("utf-8", "surrogateescape")
    new_namespace = moved(namespace) or namespace
    if below(new, new_namespace) is None:
        raise DyncritError(
            f"the control group {path!r} is in a cgroup namespace at {namespace!r}, "
            f"which it would leave for {new!r}"
        )
    length = len(new_namespace.rstrip("/").encode("utf-8", "surrogateescape"))
    if length != hidden:
        yield Setting.of_number(
            member, "cgns_prefix", length, f"bytes hidden by the namespace, of the {what}"
        )


def require_distinct(controllers: list[str], before: list[str], after: list[str]) -> None:
    """Raise DyncritError where a directory came to where another one is."""
    moved = {new for old, new in zip(before, after, strict=True) if old != new}
    seen: set[str] = set()
    for path in after:
        if path in seen and path in moved:
            name = ",".join(controllers) or "the unified hierarchy"
            raise DyncritError(f"the control group {path!r} is already there, in {name}", CGROUP_IMAGE)
        seen.add(path)


def controller_names(controller: DynamicMessage) -> list[str]:
    """The names of the controllers of a hierarchy, the empty one of the unified hierarchy left out."""
    names = (decode(name) if isinstance(name, bytes) else str(name) for name in items(controller, "cnames"))
    return [name for name in names if name]


def directory_paths(controller: DynamicMessage) -> Iterator[str]:
    """The paths of the directories of a hierarchy, each parent before its children."""
    return _paths(controller.dirs, "/")


def _moved_member(member: DynamicMessage, prefix: PathPrefix) -> Iterator[Setting]:
    yield from member_settings(member, prefix.moved)


def _moved_mount(mount: DynamicMessage, prefix: PathPrefix) -> Iterator[Setting]:
    """A mounted hierarchy; of one in a cgroup namespace CRIU stores the root as /, which says nothing."""
    root = text(mount, "root")
    name = FILE_SYSTEMS.get(mount.fstype) or text(mount, "fsname")
    if name in {"cgroup", "cgroup2"} and root != "/" and not number(mount, "ext_mount"):
        new = prefix.moved(root)
        if new is not None:
            what = f"root of the {name} mount at {text(mount, 'mountpoint')!r}"
            yield Setting.of_text(mount, "root", new, what)


def _move_directories(edit: Edit, prefix: PathPrefix) -> list[Touched]:
    touched: list[Touched] = []
    edit.rewrite(CGROUP_IMAGE, partial(_with_directories, prefix=prefix, touched=touched))
    return touched


def _with_directories(
    entries: Iterator[Entry], *, prefix: PathPrefix, touched: list[Touched]
) -> Iterator[Entry]:
    for index, entry in enumerate(entries):
        for controller in items(entry.message, "controllers"):
            names = controller_names(controller)
            moves = _DirectoryMoves(controller, prefix)
            require_distinct(names, moves.before, moves.after)
            where = f"directory of {','.join(names) or 'the unified hierarchy'}"
            touched += (
                Touched(f"{CGROUP_IMAGE} entries[{index}]", where, old, new)
                for old, new in zip(moves.before, moves.after, strict=True)
                if old != new
            )
        yield entry


class _DirectoryMoves:
    """Moves the directories of a hierarchy: ``before`` and ``after`` are their paths, in the same order."""

    def __init__(self, controller: DynamicMessage, prefix: PathPrefix) -> None:
        self.before: list[str] = []
        self.after: list[str] = []
        self._prefix = prefix
        self._heads = controller.dirs
        leaving: list[DynamicMessage] = []
        self._walk(self._heads, "/", "/", leaving)
        for directory in leaving:
            self._heads.add().CopyFrom(directory)
        if self.before != self.after:
            self._put_parents_first()

    def _walk(self, directories: Any, parent: str, new_parent: str, leaving: list[DynamicMessage]) -> None:
        """``leaving`` gets copies of those that are not below their parents any more."""
        gone = []
        for index, directory in enumerate(directories):
            name = text(directory, "dir_name")
            path = join(parent, name.strip("/"))
            new = self._prefix.moved(path) or path
            rest = below(new, new_parent)
            self.before.append(path)
            self.after.append(new)
            new_name = new.lstrip("/") if rest is None else rest
            if new_name != name.strip("/"):
                set_text(directory, "dir_name", new_name)
            self._walk(directory.children, path, new, leaving)
            if rest is None:
                copy = type(directory)()
                copy.CopyFrom(directory)
                leaving.append(copy)
                gone.append(index)
        for index in reversed(gone):
            del directories[index]

    def _put_parents_first(self) -> None:
        """A restore makes directories in order, and passes over the settings of those that are there then."""
        made: set[str] = set()
        for directory in self._heads:
            path = _head_path(directory)
            if path in made:
                self._heads.sort(key=lambda head: _head_path(head).count("/"))
                return
            made.update(folder for folder in ancestors(path) if folder not in {path, "/"})


def _head_path(directory: DynamicMessage) -> str:
    return join("/", text(directory, "dir_name").strip("/"))


def _paths(directories: Any, parent: str) -> Iterator[str]:
    for directory in directories:
        path = join(parent, text(directory, "dir_name").strip("/"))
        yield path
        yield from _paths(directory.children, path)
