"""``remap id``: a container goes by another id, in control groups, mounts, files and sockets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import MAX_DOCUMENT_SIZE
from dyncrit.checkpoint.fields import items, text
from dyncrit.edit.engine_files import json_files
from dyncrit.edit.places.cgroups import (
    CGROUP_IMAGE,
    controller_names,
    directory_paths,
    member_settings,
    require_distinct,
)
from dyncrit.edit.places.id_in_text import Token
from dyncrit.edit.places.socket_names import socket_setting
from dyncrit.edit.places.text_fields import fields_holding
from dyncrit.edit.rewriting import Setting, rewrite_messages
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.types import DynamicMessage


@whole
def remap_container_id(edit: Edit, old: str, new: str) -> list[Touched]:
    """Put the container id ``new`` where ``old`` stands as a whole: between other than letters and digits.

    Changed are control groups and their directories, mounts (root, source, options, key, mountpoint), paths
    of files and watches, unix sockets, keys of external namespaces, and strings in the JSON files of the
    container engine beside the images. An abbreviated id is another id: give it as well if it is used. The
    host name, which engines make of the first 12 digits, is left alone, as is what processes hold in memory.

    Raises DyncritError for what is no id, for names of sockets that get too long, and for JSON of over
    64 MiB with the id in it, before anything is changed.
    """
    token = Token.of(old, new)
    _require_documents(edit, token)
    before = _directories(edit)
    touched = rewrite_messages(edit, _PLACES.keys(), lambda _, message: _renamed(message, token))
    for (names, paths), (_, new_paths) in zip(before, _directories(edit), strict=True):
        require_distinct(names, paths, new_paths)
    return [*touched, *_renamed_in_documents(edit, token)]


_PLACES = fields_holding(
    "path", "mount root", "mount options", "key", "socket", "cgroup path", "cgroup directory"
)


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


def _require_documents(edit: Edit, token: Token) -> None:
    """Raise DyncritError for a JSON file with the id in it that is too large to be changed."""
    for folder, name in (file for file in json_files(edit) if file.is_large):
        if re.search(re.escape(token.old.encode()), folder.view(name)):
            raise DyncritError(
                f"has the id {token.old!r} in JSON of {folder.size(name)} bytes, more than the "
                f"{MAX_DOCUMENT_SIZE} that can be changed; nothing was changed",
                folder.path(name),
            )


def _renamed_in_documents(edit: Edit, token: Token) -> Iterator[Touched]:
    for file in json_files(edit):
        text = None if file.is_large else file.valid_text()
        if text is None:
            continue
        changed, count = token.replaced_in_json(text)
        if count:
            file.write(changed)
            times = "once" if count == 1 else f"{count} times"
            yield Touched(file.name, f"container id in JSON, {times}", token.old, token.new)
