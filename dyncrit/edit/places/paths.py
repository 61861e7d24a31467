"""``remap path``: files, mounts and sockets below one path are to be found below another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import optional, text
from dyncrit.edit.places.mounts import MountMoves
from dyncrit.edit.places.prefix import AbstractPrefix, parse_prefix
from dyncrit.edit.places.socket_names import moved_socket, renamed_abstract
from dyncrit.edit.places.text_fields import fields_holding
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import Setting, rewrite_messages
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.files import OpenFile
    from dyncrit.checkpoint.processes import Process
    from dyncrit.edit.places.prefix import PathPrefix
    from dyncrit.edit.touched import Touched
    from dyncrit.types import DynamicMessage


@whole
def remap_path(edit: Edit, old: str, new: str) -> list[Touched]:
    """Move what the processes know by ``old`` to ``new``: it itself and all below it, by whole components.

    Paths are as the processes see them, in their mount namespaces. Changed are open files (working and root
    directories, programs and mapped files are such, by their ids), deleted ones and hard links that stand in
    for them, watched paths, mounts (mountpoint, what is bound, source, key, overlay directories), and unix
    sockets. Where both begin with ``@``, they are abstract names of unix sockets, and nothing else changes.

    What the processes hold in memory is left alone, and so are contents that the checkpoint carries
    (archives of tmpfs mounts) and the files of the container engine. Raises DyncritError for paths that
    aren't absolute, for mounts that can't follow, and for names of sockets that get too long; ImageError
    where a reference that the change follows is broken.
    """
    prefix = parse_prefix(old, new)
    if isinstance(prefix, AbstractPrefix):
        return rewrite_messages(edit, {"unix_sk_entry"}, lambda _, socket: renamed_abstract(socket, prefix))
    require(edit, *_RULES)
    before = edit.preview()
    moves = MountMoves(before.mounts, prefix)
    roles = _roles(before)

    def plan(image: str, message: DynamicMessage) -> Iterator[Setting]:
        if message.DESCRIPTOR.name == "mnt_entry":
            yield from moves.settings(image, message)
        elif message.DESCRIPTOR.name == "unix_sk_entry":
            yield from _with_mount(message, list(moved_socket(message, prefix)), moves)
        else:
            yield from _with_mount(message, list(_moved_paths(message, prefix, roles)), moves)

    return rewrite_messages(edit, _PLACES.keys(), plan)


_PLACES = fields_holding("path", "mount root", "mount options", "key", "socket")

_MOST_ROLES = 3
_RULES = (
    "paths-resolve",
    "mappings-resolve",
    "remaps-resolve",
    "fifos-resolve",
    "terminals-resolve",
    "file-ids-unique",
    "file-types",
    "mount-tree",
    "file-mounts-resolve",
)
"""Paths of tasks, mappings, FIFOs, terminals and deleted files are those of the files that they name."""


def _moved_paths(message: DynamicMessage, prefix: PathPrefix, roles: Mapping[int, str]) -> Iterator[Setting]:
    for row in _PLACES[message.DESCRIPTOR.name]:
        new = prefix.moved(text(message, row.field))
        if new is not None:
            role = roles.get(message.id, "") if row.message == "reg_file_entry" else ""
            yield Setting.of_text(message, row.field, new, row.what + role)


def _with_mount(message: DynamicMessage, settings: list[Setting], moves: MountMoves) -> Iterator[Setting]:
    """What is to be set, and the mount that the file is on then, where the images tell it."""
    yield from settings
    mount = optional(message, "mnt_id")
    if settings and mount is not None:
        before, after = settings[0].before, settings[0].after
        if (new := moves.mount_of(mount, before, after)) is not None:
            yield Setting.of_number(message, "mnt_id", new, f"mount that {after!r} is on")


def _roles(checkpoint: Checkpoint) -> dict[int, str]:
    """What files are to processes, by the ids of the files, as the end of what they are called."""
    found: dict[int, list[str]] = {}
    for process in checkpoint.processes:
        for file, role in _files_of(process):
            if file is not None and file.type == "REG":
                found.setdefault(file.id, []).append(f"{role} of {process.pid}")
    return {number: f" ({_list(roles)})" for number, roles in found.items()}


def _list(roles: list[str]) -> str:
    more = f", and {len(roles) - _MOST_ROLES} more" if len(roles) > _MOST_ROLES else ""
    return ", ".join(roles[:_MOST_ROLES]) + more


def _files_of(process: Process) -> Iterator[tuple[OpenFile | None, str]]:
    yield process.executable, "program"
    yield process.cwd, "working directory"
    yield process.root, "root directory"
