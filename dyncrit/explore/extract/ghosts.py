"""Ghost files: the contents of files that were open but had no name any more."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, number, optional, text
from dyncrit.explore.extract.content import check_whole, content_of, pieces
from dyncrit.explore.extract.item import Item, seconds, type_of
from dyncrit.explore.extract.output import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.entry import Entry
    from dyncrit.explore.extract.output import Output, SparseFile
    from dyncrit.types import DynamicMessage

_IMAGE = re.compile(r"ghost-file-([0-9a-f]{1,16})\.img")
_PERMISSIONS = 0o7777


class _Ghost(NamedTuple):
    """A ghost-file image: its entries, of which the first one is ``message``."""

    image: str
    entries: Iterator[Entry]
    first: Entry

    @property
    def message(self) -> DynamicMessage:
        """The ghost_file_entry."""
        return self.first.message


def extract_ghosts(checkpoint: Checkpoint, output: Output) -> None:
    """Write the ghost files. Links, fifos and devices are only listed; holes stay holes."""
    names = _names(checkpoint)
    images = {
        int(match[1], 16): match[0]
        for name in checkpoint.images.tree.names()
        if (match := _IMAGE.fullmatch(name))
    }
    for ghost_id, image in sorted(images.items()):
        entries = checkpoint.images.entries(image)
        first = next(entries, None)
        # a chunk is the first one where the file's own entry is damaged, which is a problem already
        if first is not None and first.message.DESCRIPTOR.name == "ghost_file_entry":
            _extract(checkpoint, output, _Ghost(image, entries, first), names.get(ghost_id, []))


def _extract(checkpoint: Checkpoint, output: Output, ghost: _Ghost, names: list[str]) -> None:
    number_of = _IMAGE.fullmatch(ghost.image)
    assert number_of is not None  # noqa: S101 (the caller matched it)
    item = _item(ghost, number_of[1], names)
    if item.type != "file":
        output.add(item)
        return

    def write(file: SparseFile) -> Iterator[str]:
        file.require(item.size or 0)
        _write(ghost, file)
        if item.size is not None:
            if file.size > item.size:
                yield f"has data up to byte {file.size}, behind its end"
            file.truncate(item.size)
        check_whole(checkpoint, ghost.image)

    output.save(item, f"ghost-files/{named(item.id, item.name)}", write)


def _write(ghost: _Ghost, file: SparseFile) -> None:
    for piece in pieces(content_of(ghost.first)):
        file.write(piece)
    for chunk in ghost.entries:
        offset = chunk.message.off
        for piece in pieces(content_of(chunk)):
            file.write(piece, offset)
            offset += len(piece)


def _item(ghost: _Ghost, ghost_id: str, names: list[str]) -> Item:
    message = ghost.message
    item = Item(
        kind="ghost-file",
        source=ghost.image,
        id=ghost_id,
        name=names[0] if names else "",
        type=type_of(message.mode),
        size=message.size if is_set(message, "size") else None,
        mode=message.mode & _PERMISSIONS,
        uid=message.uid,
        gid=message.gid,
        accessed=seconds(optional(message, "atim")),
        modified=seconds(optional(message, "mtim")),
        target=text(message, "symlnk_target"),
        notes=tuple(f"also {name}" for name in names[1:]),
    )
    if item.type.endswith("device"):
        device = number(message, "rdev")
        item = replace(item, notes=(*item.notes, f"device {os.major(device)}:{os.minor(device)}"))
    return item


def _names(checkpoint: Checkpoint) -> Mapping[int, list[str]]:
    """The paths that each ghost file had, by its id."""
    names: dict[int, list[str]] = {}
    for file_id, ghost_id in checkpoint.files.ghosts.items():
        file = checkpoint.files.find(file_id)
        known = names.setdefault(ghost_id, [])
        if file is not None and file.path and file.path not in known:
            known.append(file.path)
    return names
