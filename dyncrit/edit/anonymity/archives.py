"""Archives of tmpfs: written anew with the same members under other names, filled."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from dyncrit.checkpoint.fields import decode
from dyncrit.checkpoint.storage.compression import Limits, compression_of, unpack
from dyncrit.checkpoint.storage.mapped import map_file
from dyncrit.checkpoint.storage.tar import members
from dyncrit.edit.anonymity.fill import FillerFile

if TYPE_CHECKING:
    from dyncrit.checkpoint.storage.tar import Member
    from dyncrit.edit.anonymity.names import Names

_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}
_LEVEL = 1


class Rewritten(NamedTuple):
    """How many members an archive has, and how many bytes of content were filled."""

    members: int
    size: int


def rewrite_archive(
    data: memoryview, after: BinaryIO, names: Names, place: str, limits: Limits | None = None
) -> Rewritten:
    """Write an archive like the one in ``data``, compressed with gzip as CRIU has it.

    Kinds, sizes, modes, owners by number and times stay; extended attributes and names of owners go, of files
    with holes only what is stored stays, and devices lose their numbers. Raises ImageError where the archive
    is damaged, or more than ``limits`` allow.
    """
    if compression_of(data) is not None:
        with unpack(data, limits or Limits(), place) as file:
            data = map_file(file)
    count = size = 0
    with (
        gzip.GzipFile("", "wb", _LEVEL, after, mtime=0) as packed,
        tarfile.open(fileobj=cast("BinaryIO", packed), mode="w|", format=tarfile.GNU_FORMAT) as archive,
    ):
        for member in members(data, place) if data else ():
            if member.kind not in _TYPES:
                continue
            info = _info(member, names)
            archive.addfile(info, cast("BinaryIO", FillerFile(info.size)))
            count, size = count + 1, size + info.size
    return Rewritten(count, size)


def _info(member: Member, names: Names) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_renamed(member.name, names))
    info.type = _TYPES[member.kind]
    info.size = member.stored if member.kind == "file" else 0
    info.mode, info.uid, info.gid, info.mtime = member.mode, member.user_id, member.group_id, member.modified
    info.linkname = _renamed(member.target, names)
    return info


def _renamed(name: str, names: Names) -> str:
    return decode(names.path(name.encode("utf-8", "surrogateescape")))
