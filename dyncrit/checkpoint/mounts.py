"""Mounts: the tree of each mount namespace that was dumped, from mountpoints-ID.img."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import number, optional, text
from dyncrit.checkpoint.names.numbers import FILE_SYSTEMS, mount_options, propagation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.checkpoint.problems import Problems
    from dyncrit.types import DynamicMessage

_MINOR_BITS = 20  # of a device number within the kernel


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount, as in /proc/PID/mountinfo.

    ``root`` is what of the file system is mounted (for an external mount, its name), ``mountpoint`` where;
    ``device`` is "major:minor". ``file_system`` is the type's name, "unknown" where CRIU didn't know it.
    ``flags`` are those of the mount, ``super_flags`` those of the file system (since CRIU 1.8, else ""), as
    text; ``options`` are the file system's own. ``shared`` and ``master`` are the numbers of its peer group
    and of the one that it is a slave of, None without. ``external`` is the name under which the mount has
    to be given at the restore, None for one that CRIU mounts itself.
    """

    id: int
    parent: int
    mountpoint: str
    root: str
    source: str
    file_system: str
    device: str
    flags: str
    options: str
    super_flags: str = ""
    propagation: tuple[str, ...] = ()
    shared: int | None = None
    master: int | None = None
    external: str | None = None
    deleted: bool = False
    plugin: bool = False


@dataclass(frozen=True, slots=True)
class MountNamespace:
    """The mounts of a namespace by id, in the order in which they were mounted.

    ``roots`` are the mounts without a parent in it; ``children`` the mounts on each mount.
    """

    id: int
    mounts: Mapping[int, Mount] = field(hash=False)
    roots: tuple[int, ...]
    children: Mapping[int, tuple[int, ...]] = field(hash=False)

    def walk(self) -> Iterator[tuple[int, Mount]]:
        """Every mount once, with its depth in the tree: each behind its parent."""
        waiting = [(0, root) for root in reversed(self.roots)]
        while waiting:
            depth, mount = waiting.pop()
            yield depth, self.mounts[mount]
            waiting += ((depth + 1, child) for child in reversed(self.children.get(mount, ())))


def read_mounts(images: ImageSet) -> dict[int, MountNamespace]:
    """The mount namespaces by id; before CRIU 0.8, by the pid of the task whose namespace it was.

    Mounts whose parent is not there, or that are their own ancestors, are shown as roots, and said to
    ``images.problems``.
    """
    return {number: _namespace(images, number) for number in images.numbers("mountpoints")}


def _namespace(images: ImageSet, namespace: int) -> MountNamespace:
    name = f"mountpoints-{namespace}.img"
    mounts: dict[int, Mount] = {}
    for message in reversed(images.messages(name)):  # CRIU writes the latest mount first
        if message.mnt_id in mounts:
            images.problems.error(name, f"mount {message.mnt_id} is there more than once; one is shown")
        mounts[message.mnt_id] = _mount(message)
    roots = _roots(mounts, name, images.problems)
    children: dict[int, list[int]] = {}
    for mount in mounts.values():
        if mount.id not in roots:
            children.setdefault(mount.parent, []).append(mount.id)
    below = MappingProxyType({parent: tuple(found) for parent, found in children.items()})
    return MountNamespace(namespace, MappingProxyType(mounts), tuple(roots), below)


def _roots(mounts: Mapping[int, Mount], place: str, problems: Problems) -> dict[int, None]:
    """The roots, in order: the namespace's own, mounts that lack their parent, and one of each cycle."""
    orphans = [mount for mount in mounts.values() if mount.parent not in mounts or mount.parent == mount.id]
    own = next((mount for mount in orphans if mount.mountpoint.strip("./") == ""), None)
    for mount in orphans:
        if mount is not own:
            where = f"mount {mount.id} at {mount.mountpoint!r}"
            problems.warn(place, f"{where}: its parent, mount {mount.parent}, isn't there")
    roots = dict.fromkeys(([own.id] if own else []) + [mount.id for mount in orphans])
    reached = set(roots)
    for mount in mounts.values():
        path: list[int] = []
        at = mount.id
        while at not in reached:
            reached.add(at)
            path.append(at)
            at = mounts[at].parent
        if at in path:
            problems.error(
                place, f"mount {at} at {mounts[at].mountpoint!r} is mounted on itself, by way of its parents"
            )
            roots[at] = None
    return roots


def _mount(message: DynamicMessage) -> Mount:
    device, flags = message.root_dev, message.flags
    super_flags = optional(message, "sb_flags")
    external = text(message, "ext_key") or (text(message, "root") if number(message, "ext_mount") else None)
    return Mount(
        id=message.mnt_id,
        parent=message.parent_mnt_id,
        mountpoint=text(message, "mountpoint"),
        root=text(message, "root"),
        source=text(message, "source"),
        file_system=text(message, "fsname") or FILE_SYSTEMS.get(message.fstype, "unknown"),
        device=f"{device >> _MINOR_BITS}:{device & (1 << _MINOR_BITS) - 1}",
        flags=mount_options(flags),
        options=text(message, "options").rstrip(","),
        super_flags="" if super_flags is None else mount_options(super_flags),
        propagation=tuple(propagation(flags)),
        shared=number(message, "shared_id") or None,
        master=number(message, "master_id") or None,
        external=external or None,
        deleted=bool(number(message, "deleted")),
        plugin=bool(number(message, "with_plugin")),
    )
