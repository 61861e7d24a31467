"""Control groups: the sets that tasks are in, and the directories that the dump carries, from cgroup.img."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import decode, items, number, optional, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage


class Permissions(NamedTuple):
    """The mode and owner of a directory or a property."""

    mode: int
    uid: int
    gid: int


class Property(NamedTuple):
    """A file of a control group, and its content."""

    name: str
    value: str
    permissions: Permissions | None


class CgroupDirectory(NamedTuple):
    """A control group: its path below the controller's root, and its properties."""

    path: str
    properties: tuple[Property, ...]
    permissions: Permissions | None


class Controller(NamedTuple):
    """A hierarchy: the controllers in it, and its directories, each parent before its children."""

    names: tuple[str, ...]
    directories: tuple[CgroupDirectory, ...]
    threaded: bool


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The control groups of a checkpoint.

    ``sets`` are by the number that ``task_core_entry.cg_set`` (since CRIU 3.18 also
    ``thread_core_entry.cg_set``) refers to: the paths by the names of controllers; "" is the unified
    hierarchy. ``root_set`` is the number of CRIU's own set when it dumped, None where the inventory doesn't
    tell.
    """

    sets: Mapping[int, Mapping[str, str]] = field(default_factory=dict, hash=False)
    controllers: tuple[Controller, ...] = ()
    root_set: int | None = None

    def paths(self, set_id: int) -> Mapping[str, str]:
        """The paths of a set by the names of controllers; none for a set that the images don't have."""
        return self.sets.get(set_id, MappingProxyType({}))


def read_cgroups(images: ImageSet) -> Cgroups:
    """What cgroup.img (since CRIU 1.3) tells; nothing where it isn't: all tasks are in CRIU's groups then."""
    sets: dict[int, Mapping[str, str]] = {}
    controllers: list[Controller] = []
    for message in images.messages("cgroup.img"):
        for entry in items(message, "sets"):
            members = {text(member, "name"): text(member, "path") for member in items(entry, "ctls")}
            if entry.id in sets:
                images.problems.warn("cgroup.img", f"the set {entry.id} is there more than once")
            sets.setdefault(entry.id, MappingProxyType(members))
        controllers += (_controller(entry) for entry in items(message, "controllers"))
    inventory = images.first("inventory.img")
    root_set = None if inventory is None else optional(inventory, "root_cg_set")
    return Cgroups(MappingProxyType(sets), tuple(controllers), root_set)


def _controller(message: DynamicMessage) -> Controller:
    names = tuple(decode(name) if isinstance(name, bytes) else name for name in items(message, "cnames"))
    directories = tuple(
        found for directory in items(message, "dirs") for found in _directories(directory, "")
    )
    return Controller(names, directories, bool(number(message, "is_threaded")))


def _directories(message: DynamicMessage, parent: str) -> Iterator[CgroupDirectory]:
    """A directory and those below it, by names relative to it; protobuf reads 100 levels at most."""
    path = f"{parent.rstrip('/')}/{text(message, 'dir_name').strip('/')}"
    properties = tuple(
        Property(text(entry, "name"), text(entry, "value"), _permissions(entry, "perms"))
        for entry in items(message, "properties")
    )
    yield CgroupDirectory(path, properties, _permissions(message, "dir_perms"))
    for child in items(message, "children"):
        yield from _directories(child, path)


def _permissions(message: DynamicMessage, name: str) -> Permissions | None:
    found = optional(message, name)
    return None if found is None else Permissions(found.mode, found.uid, found.gid)
