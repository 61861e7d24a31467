"""Scrubs files without records: memory is filled, archives are written anew, what others wrote is emptied."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.edit.anonymity.archives import rewrite_archive
from dyncrit.edit.anonymity.counting import number_of, told
from dyncrit.edit.anonymity.fill import fill_old_pages, fill_pages
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from dyncrit.checkpoint.editing.staged import StagedFolder
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.edit.anonymity.names import Names

_MAGIC_SIZE = 4
_OLD_MAGIC = 0x56084025  # of pages images up to CRIU 0.4
_OLD_RECORD = 8 + 4096
_PAGE = 4096
_AMDGPU_HEAD = 8


class RawFile(NamedTuple):
    """A file to scrub, and what is needed for it."""

    folder: StagedFolder
    name: str
    names: Names
    limits: Limits | None


def raw_action(format_name: str) -> Callable[[RawFile], Touched | None] | None:
    """What scrubs a raw format, by its name in the image table; None for one that can only be removed."""
    return _ACTIONS.get(format_name)


def _pages(file: RawFile) -> Touched | None:
    return _filled(file)


def _graphics(file: RawFile) -> Touched | None:
    return _filled(file, _AMDGPU_HEAD)


def _filled(file: RawFile, kept: int = 0) -> Touched | None:
    size = file.folder.size(file.name)
    with file.folder.open(file.name) as before, file.folder.write(file.name) as after:
        if _is_old(before, size):
            filled = fill_old_pages(before, size, after)
        else:
            filled = fill_pages(before, size, after, kept)
    return Touched(file.name, number_of(filled, "byte of memory")) if filled else None


def _archive(file: RawFile) -> Touched:
    data, place = file.folder.view(file.name), file.folder.path(file.name)
    with file.folder.write(file.name) as after:
        done = rewrite_archive(data, after, file.names, place, file.limits)
    return Touched(file.name, told(Counter({"byte of data": done.size, "name": done.members})) or "contents")


def _headed(file: RawFile) -> Touched | None:
    """Keep the magic, which tells the format and the byte order, and nothing else."""
    return _cut(file, _MAGIC_SIZE)


def _emptied(file: RawFile) -> Touched | None:
    return _cut(file, 0)


def _cut(file: RawFile, kept: int) -> Touched | None:
    size = file.folder.size(file.name)
    if size <= kept:
        return None
    with file.folder.open(file.name) as before, file.folder.write(file.name) as after:
        after.write(before.read(kept))
    return Touched(file.name, "contents", f"{size} bytes", f"{kept} bytes")


def _is_old(file: BinaryIO, size: int) -> bool:
    """Whether pages are as CRIU up to 0.4 wrote them: a magic, then an address before each page."""
    file.seek(0)
    head = file.read(_MAGIC_SIZE + 8)
    magic, address = (int.from_bytes(part, "little") for part in (head[:_MAGIC_SIZE], head[_MAGIC_SIZE:]))
    whole = size > _MAGIC_SIZE and (size - _MAGIC_SIZE) % _OLD_RECORD == 0
    return whole and magic == _OLD_MAGIC and address % _PAGE == 0


_ACTIONS: Mapping[str, Callable[[RawFile], Touched | None]] = {
    "PAGES": _pages,
    "AMDGPU_PAGES": _graphics,
    "IFADDR": _headed,
    "ROUTE": _headed,
    "RULE": _headed,
    "TMPFS": _archive,
    "IPTABLES": _emptied,
    "NFTABLES": _emptied,
    "NETNF": _emptied,
}
