"""``remap id``: a container goes by another id, in control groups, mounts, files and sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import items, text
from dyncrit.edit.places.cgroups import (
    CGROUP_IMAGE,
    controller_names,
    directory_paths,
    member_settings,
    require_distinct,
)
from dyncrit.edit.places.rewriting import Setting, rewrite_messages
from dyncrit.edit.places.socket_names import socket_setting
from dyncrit.edit.places.text_fields import fields_holding
from dyncrit.edit.places.tokens import Token
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.editing.staged import StagedFolder
    from dyncrit.types import DynamicMessage


def remap_container_id(edit: Edit, old: str, new: str) -> list[Touched]:
    """Put the container id ``new`` where ``old`` stands as a whole: between other than letters and digits.

    Changed are control groups and their directories, mounts (root, source, options, key, mountpoint), paths
    of files and watches, unix sockets, keys of external namespaces, and strings in the JSON files of the
    container engine beside the images. An abbreviated id is another id: give it as well if it is used. The
    host name, which engines make of the first 12 digits, is left alone, as is what processes hold in memory.

    Raises DyncritError for what is no id, and for names of sockets that get too long.
    """
    token = Token.of(old, new)
    before = _directories(edit)
    touched = rewrite_messages(edit, _PLACES.keys(), lambda _, message: _renamed(message, token))
    for (names, paths), (_, new_paths) in zip(before, _directories(edit), strict=True):
        require_distinct(names, paths, new_paths)
    for folder in (edit.images, edit.outer):
        if folder is not None:
            touched += _renamed_in_documents(folder, token)
    return touched


_PLACES = fields_holding(
    "path", "mount root", "mount options", "key", "socket", "cgroup path", "cgroup directory"
)
_MAX_JSON = 16 << 20
_JSON_STARTS = (b"{", b"[")


def _renamed(message: DynamicMessage, token: Token) -> Iterator[Setting]:
    for row in _PLACES[message.DESCRIPTOR.name]:
        if row.holds == "cgroup path":
            yield from member_settings(message, token.replaced)
            continue
        new = token.replaced(text(message, row.field))
        if new is None:
            continue
        if row.holds == "socket":
            yield socket_setting(message, new)
        else:
            yield Setting.of_text(message, row.field, new, row.what)


def _directories(edit: Edit) -> list[tuple[list[str], list[str]]]:
    """The names of the controllers of each hierarchy, and the paths of its directories."""
    return [
        (controller_names(controller), list(directory_paths(controller)))
        for entry in edit.entries(CGROUP_IMAGE)
        for controller in items(entry.message, "controllers")
    ]


def _renamed_in_documents(folder: StagedFolder, token: Token) -> Iterator[Touched]:
    for name in folder.names():
        if name.endswith(".img") or folder.size(name) > _MAX_JSON:
            continue
        document = _json_text(bytes(folder.view(name)))
        if document is None:
            continue
        changed, count = token.replaced_in_json(document)
        if count:
            with folder.write(name) as file:
                file.write(changed.encode())
            times = "once" if count == 1 else f"{count} times"
            yield Touched(name, f"container id in JSON, {times}", token.old, token.new)


def _json_text(data: bytes) -> str | None:
    """The text of a file if it is a JSON document, as the engines' are."""
    if not data.lstrip(b" \t\r\n").startswith(_JSON_STARTS):
        return None
    try:
        json.loads(data)
        return data.decode()
    except (ValueError, RecursionError):
        return None
