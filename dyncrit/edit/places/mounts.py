"""Mounts whose paths change: mountpoints, what is bound, and on which mount things are then.

``mnt_entry.root`` is a path within a file system. What it is as a process sees it is found by another mount
of the same device that shows it; for an external one, it is a path of the host's (criu/mount.c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import number, text
from dyncrit.edit.places.prefix import ancestors, below, join
from dyncrit.edit.rewriting import Setting
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.mounts import Mount, MountNamespace
    from dyncrit.edit.places.prefix import PathPrefix
    from dyncrit.types import DynamicMessage

PATH_OPTIONS = frozenset({"lowerdir", "upperdir", "workdir", "lowerdir+", "datadir+"})
"""Options of overlay mounts that are paths; with several, colons stand between them."""


class MountMoves:
    """What becomes of the mounts of all namespaces when everything below a path is elsewhere."""

    def __init__(self, namespaces: Mapping[int, MountNamespace], prefix: PathPrefix) -> None:
        """Raises DyncritError where something else is mounted at a new mountpoint."""
        self._prefix = prefix
        self._moves = {number: _moves(namespace, prefix) for number, namespace in namespaces.items()}

    def settings(self, image: str, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a mnt_entry. Raises DyncritError where a bind mount can't follow."""
        moves = self._moves.get(_number(image))
        mount = moves.namespace.mounts.get(message.mnt_id) if moves is not None else None
        if moves is None or mount is None:  # an image whose number isn't written as CRIU does, and reads
            return
        of = f"of mount {mount.id} at {mount.mountpoint!r}"
        if mount.id in moves.mountpoints:
            yield Setting.of_text(message, "mountpoint", moves.mountpoints[mount.id], f"mountpoint {of}")
        if (parent := moves.parents.get(mount.id)) is not None:
            yield Setting.of_number(message, "parent_mnt_id", parent, f"parent {of}")
        root = self._new_root(message, mount, moves)
        if root is not None and root != mount.root:
            yield Setting.of_text(message, "root", root, f"root {of}")
        for name, what in (("source", "source"), ("ext_key", "external key")):
            new = self._prefix.moved(text(message, name))
            if new is not None:
                yield Setting.of_text(message, name, new, f"{what} {of}")
        options = moved_options(text(message, "options"), self._prefix)
        if options != text(message, "options"):
            yield Setting.of_text(message, "options", options, f"options {of}")

    def mount_of(self, mount: int, before: str, after: str) -> int | None:
        """The mount that a file is on when its path changes; None if it is the same, or can't be told."""
        for moves in self._moves.values():
            if mount in moves.namespace.mounts:
                new = moves.holder_after(after)
                return new if new != mount and moves.holder_before(before) == mount else None
        return None

    def _new_root(self, message: DynamicMessage, mount: Mount, moves: _Moves) -> str | None:
        if mount.root == "/" or mount.file_system in _CGROUPS:
            return None
        if number(message, "ext_mount"):  # up to CRIU 2.12: the key of an external mount
            return self._prefix.moved(mount.root)
        for viewer, rest in moves.views(mount):
            new = self._prefix.moved(join(viewer.mountpoint, rest))
            if new is None:
                continue
            new_rest = below(new, viewer.mountpoint)
            if new_rest is not None:
                return join(viewer.root, new_rest)
            if mount.external is None:
                raise DyncritError(
                    f"{join(viewer.mountpoint, rest)!r} is bound to {mount.mountpoint!r} (mount {mount.id}); "
                    f"{new!r} is not on the file system that it is on, so that the mount can't follow"
                )
        on_device = not mount.device.startswith("0:")
        return self._prefix.moved(mount.root) if on_device and not moves.is_shown(mount) else None


def moved_options(options: str, prefix: PathPrefix) -> str:
    """The options of a mount with the paths in them moved.

    >>> from dyncrit.edit.places.prefix import PathPrefix
    >>> moved_options("rw,lowerdir=/a/1:/b,upperdir=/a/2", PathPrefix("/a", "/c"))
    'rw,lowerdir=/c/1:/b,upperdir=/c/2'
    """
    return ",".join(_moved_option(option, prefix) for option in re.split(r"(?<!\\),", options))


_CGROUPS = frozenset({"cgroup", "cgroup2"})


@dataclass(frozen=True, slots=True)
class _Moves:
    """A mount namespace: the new mountpoints and parents of mounts, and what stands where."""

    namespace: MountNamespace
    mountpoints: dict[int, str]
    parents: dict[int, int]
    before: dict[str, int]
    after: dict[str, int]
    _viewers: dict[tuple[str, str], dict[str, Mount]] = field(default_factory=dict)
    """By device and root that is shown: those that stay and that the path is below, one of a mountpoint."""

    def holder_before(self, path: str) -> int | None:
        """The mount that a path is on, as it was."""
        return _holder(path, self.before)

    def holder_after(self, path: str) -> int | None:
        """The mount that a path is on, as it will be."""
        return _holder(path, self.after)

    def views(self, mount: Mount) -> Iterator[tuple[Mount, str]]:
        """The mounts that show what a mount binds where it may move, with the path of that below each."""
        for folder in ancestors(mount.root):
            if folder != mount.root:
                for viewer in self._viewers.get((mount.device, folder), {}).values():
                    yield viewer, below(mount.root, folder) or ""

    def is_shown(self, mount: Mount) -> bool:
        """Whether any mount shows what a mount binds."""
        folders = (folder for folder in ancestors(mount.root) if folder != mount.root)
        return any((mount.device, folder) in self._viewers for folder in folders)


def _moves(namespace: MountNamespace, prefix: PathPrefix) -> _Moves:
    mounts = [mount for _, mount in namespace.walk()]
    moved = {
        mount.id: new
        for mount in mounts
        if mount.mountpoint != "/" and (new := prefix.moved(mount.mountpoint)) is not None
    }
    staying = {mount.mountpoint: mount.id for mount in mounts if mount.id not in moved}
    for old, new in moved.items():
        if new in staying:
            raise DyncritError(
                f"mount {old} at {namespace.mounts[old].mountpoint!r} can't move to {new!r}: "
                f"mount {staying[new]} is there"
            )
    viewers: dict[tuple[str, str], dict[str, Mount]] = {}
    for mount in mounts:
        shown = viewers.setdefault((mount.device, mount.root), {})
        if mount.id not in moved and below(prefix.old, mount.mountpoint) is not None:
            shown.setdefault(mount.mountpoint, mount)
    return _Moves(
        namespace,
        moved,
        dict(_new_parents(namespace, moved, staying)),
        {mount.mountpoint: mount.id for mount in mounts},
        {moved.get(mount.id, mount.mountpoint): mount.id for mount in mounts},
        viewers,
    )


def _new_parents(
    namespace: MountNamespace, moved: Mapping[int, str], staying: Mapping[str, int]
) -> Iterator[tuple[int, int]]:
    """The mounts whose new place is on another mount than the old one was."""
    for old, new in moved.items():
        mount = namespace.mounts[old]
        if mount.parent in moved or mount.parent not in namespace.mounts:
            continue
        parent = _holder(new, staying)
        if parent is not None and parent not in {mount.parent, _holder(mount.mountpoint, staying)}:
            yield old, parent


def _holder(path: str, mounts: Mapping[str, int]) -> int | None:
    """The mount that a path is on: the one at the nearest folder that it is in."""
    return next((mounts[folder] for folder in ancestors(path) if folder in mounts), None)


def _moved_option(option: str, prefix: PathPrefix) -> str:
    name, equals, value = option.partition("=")
    if name not in PATH_OPTIONS:
        return option
    paths = re.split(r"(?<!\\):", value)
    return name + equals + ":".join(prefix.moved(path) or path for path in paths)


def _number(image: str) -> int:
    return int(image.removeprefix("mountpoints-").removesuffix(".img"))
