"""Rules of mounts: each namespace has one tree of them, and files stand on mounts that are in it.

What a restore does is from criu/mount.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import is_set, number, optional, text
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.check.context import Context
    from dyncrit.types import DynamicMessage

MOUNT_TREE = Rule(
    "mount-tree",
    "error",
    "the mounts of a namespace are one tree: one root, no cycle, every parent there, every id once",
    "A restore stops while it builds the tree of mounts.",
)
FILE_MOUNTS = Rule(
    "file-mounts-resolve",
    "error",
    "the mount that a file stands on, or watches, is in mountpoints images",
    "A restore stops when it looks for the mount, or for the namespace that it is in.",
)
_PARTS = {"REG": "reg", "UNIXSK": "usk", "BPFMAP": "bpf"}
"""The types of files that stand on a mount, and their fields in file_entry."""


def _mount_tree(context: Context) -> Iterator[Finding]:
    owners: dict[int, str] = {}
    for key in context.images.numbers("mountpoints"):
        name = f"mountpoints-{key}.img"
        messages = context.messages(name)
        for index, message in enumerate(messages):
            if message.mnt_id in owners:
                where = "" if owners[message.mnt_id] == name else f", in {owners[message.mnt_id]}"
                problem = f"mount {message.mnt_id} is there already{where}"
                yield Finding.of(MOUNT_TREE, problem, name, place=f"entry {index}: mnt_id")
            owners.setdefault(message.mnt_id, name)
        if not context.is_damaged(name):
            yield from _roots({message.mnt_id: message for message in messages}, name)


def _roots(mounts: Mapping[int, DynamicMessage], name: str) -> Iterator[Finding]:
    """Find what is wrong with roots: mounts without a parent, and cycles, of which one mount is named."""
    tops = [mount for mount in mounts.values() if mount.parent_mnt_id not in mounts or _is_own_parent(mount)]
    own = next((mount for mount in tops if text(mount, "mountpoint").strip("./") == ""), None)
    for mount in tops:
        if mount is not own and (own is not None or mount is not tops[0]):
            problem = f"{_shown(mount)}: its parent, mount {mount.parent_mnt_id}, isn't there"
            yield Finding.of(MOUNT_TREE, problem, name, place="parent_mnt_id")
    if own is None and tops:
        problem = f"{_shown(tops[0])} has no parent; expected the root of the namespace there"
        yield Finding.of(MOUNT_TREE, problem, name, place="mountpoint")
    for mount in _on_cycles(mounts, {mount.mnt_id for mount in tops}):
        problem = f"{_shown(mount)} is mounted on itself, by way of its parents"
        yield Finding.of(MOUNT_TREE, problem, name, place="parent_mnt_id")


def _on_cycles(mounts: Mapping[int, DynamicMessage], reached: set[int]) -> Iterator[DynamicMessage]:
    """One mount of each cycle."""
    for start in mounts:
        path: set[int] = set()
        at = start
        while at not in reached:
            reached.add(at)
            path.add(at)
            at = mounts[at].parent_mnt_id
        if at in path:
            yield mounts[at]


def _is_own_parent(mount: DynamicMessage) -> bool:
    return bool(mount.mnt_id == mount.parent_mnt_id)


def _shown(mount: DynamicMessage) -> str:
    return f"mount {mount.mnt_id} at {text(mount, 'mountpoint')!r}"


def _file_mounts(context: Context) -> Iterator[Finding]:
    names = [f"mountpoints-{key}.img" for key in context.images.numbers("mountpoints")]
    if not names or context.is_damaged(*names):
        return
    known = {message.mnt_id for name in names for message in context.messages(name)}
    for kind, identity, place, mount in _mounts_of_files(context):
        if mount >= 0 and mount not in known:
            problem = f"{kind} file {identity:#x}: there is no mount {mount}"
            yield Finding.of(FILE_MOUNTS, problem, context.image_of(kind), place=place)


def _mounts_of_files(context: Context) -> Iterator[tuple[str, int, str, int]]:
    """The type and id of each file that names a mount, the place where it does, and the mount's id."""
    for kind, part in _PARTS.items():
        for identity, message in context.files_of(kind).items():
            if is_set(message, "mnt_id") and not number(message, "ext"):
                yield kind, identity, f"{part}.mnt_id", message.mnt_id
    for identity, message in context.files_of("FANOTIFY").items():
        for index, mark in enumerate(message.mark):
            if (mount := optional(mark, "me")) is not None:
                yield "FANOTIFY", identity, f"ffy.mark[{index}].me.mnt_id", mount.mnt_id


CHECKS: tuple[Check, ...] = (Check(MOUNT_TREE, _mount_tree), Check(FILE_MOUNTS, _file_mounts))
