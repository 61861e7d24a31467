"""How files get into a checkpoint: one of any type, those with a path, memory files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.files import FILE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.messages import Fields

Opened = list[tuple[str, int]]
"""The types and ids of files that descriptors are to be opened for."""

_FILES = "files.img"
_KINDS = {kind.type: kind for kind in FILE_KINDS}


class Maker(NamedTuple):
    """What makes open files of ``type``, and maybe of types that are older, and gives those to be opened."""

    type: str
    make: Callable[[Draft, Task], Opened]


def open_file(draft: Draft, type_name: str, fields: Fields, file_id: int | None = None) -> int:
    """Add an open file; gives its id."""
    kind = _KINDS[type_name]
    file_id = draft.number("file") if file_id is None else file_id
    entry: Fields = {"id": file_id, **fields}
    if draft.knows(_FILES):
        draft.add(_FILES, {"type": kind.type, "id": file_id, kind.field: entry})
    else:
        draft.add(kind.image, entry)
    return file_id


def regular_file(draft: Draft, name: str, mode: int = 0o100644, flags: int = 0) -> int:
    """Add an open file, or directory, with a path; gives its id."""
    fields: Fields = {
        "name": name,
        "flags": flags,
        "pos": draft.noise.below(4096),
        "mnt_id": draft.mount,
        "size": draft.noise.bits(16),
        "mode": mode,
    }
    return open_file(draft, "REG", fields)


def memory_file(draft: Draft, pages: int) -> int:
    """Add a memory file of so many pages, which is shared memory without a path; gives its id."""
    number, inode = draft.number("segment"), draft.number("memfd")
    if pages:
        draft.segments[number] = pages * draft.page
    name = draft.noise.one_of(("", "shm", "jit-cache"))
    fields: Fields = {
        "name": name,
        "size": pages * draft.page,
        "shmid": number,
        "inode_id": inode,
        "seals": 0,
    }
    draft.add("memfd.img", fields)
    return open_file(draft, "MEMFD", {"inode_id": inode, "flags": 2, "pos": 0})


def content(draft: Draft) -> bytes:
    """Some bytes."""
    return draft.noise.bytes(draft.noise.below(draft.knobs.payload + 1))
