"""Headers of tar members, changed in the bytes that have to change and in no others."""

from __future__ import annotations

import tarfile
import time
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.storage.tar import BLOCK_SIZE, header_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint.storage.tar import Member

# Fields of a header, by the layout of POSIX.1-2008 (ustar) and GNU tar's src/tar.h.
_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_TARGET = slice(157, 257)
_MAGIC = slice(257, 265)
_SPARSE = slice(386, 495)

_PAX = frozenset({b"x", b"X"})
_WITH_CONTENT = _PAX | {b"g", b"L", b"K"}
_EXTENSIONS = _WITH_CONTENT | {b"V"}
_OF_ALL = frozenset({b"g", b"V"})
"""Global records and the name of the archive, which are about more than the member behind them."""

_GNU_MAGIC = b"ustar  \0"
_OCTAL_LIMIT = 8**11
_SPARSE_NAME = b"GNU.sparse.name"
_SECURITY_LABELS = frozenset({b"SCHILY.xattr.security.selinux", b"RHT.security.selinux"})


class Header(NamedTuple):
    """A header block and, of an extended one, what stands behind it."""

    block: bytes
    content: bytes = b""

    @property
    def kind(self) -> bytes:
        """The type flag."""
        return self.block[_TYPE]

    def pack(self) -> bytes:
        """The bytes of it in an archive."""
        return self.block + self.content + bytes(-len(self.content) % BLOCK_SIZE)


def headers_of(data: memoryview, member: Member) -> list[Header]:
    """The headers of a member: its extended ones, and last that of the file itself."""
    position = member.header
    found: list[Header] = []
    while not found or found[-1].kind in _EXTENSIONS:
        block = bytes(data[position : position + BLOCK_SIZE])
        position += BLOCK_SIZE
        size = (header_number(block[_SIZE]) or 0) if block[_TYPE] in _WITH_CONTENT else 0
        found.append(Header(block, bytes(data[position : position + size])))
        position += size + -size % BLOCK_SIZE
    return found


def as_file(headers: Sequence[Header], size: int) -> list[Header]:
    """The same for a plain file of ``size`` bytes, whatever it was: a sparse one, a hard link."""
    *extended, main = headers
    is_link = main.kind == b"1"
    found = [
        _file_records(header) if header.kind in _PAX else header
        for header in extended
        if not (is_link and header.kind == b"K")
    ]
    block = bytearray(main.block)
    if is_link:
        block[_TARGET] = bytes(100)
    if main.kind == b"S":
        block[_SPARSE] = bytes(_SPARSE.stop - _SPARSE.start)
    if main.kind in {b"1", b"S"}:
        block[_TYPE] = b"0"
    block[_SIZE] = _number(size)
    return [*(header for header in found if header is not None), Header(_sealed(block))]


def renamed(headers: Sequence[Header], old: str, new: str) -> list[Header]:
    """The same with another name, of the same length, in place of the last step of the path."""
    before, after = old.encode(), new.encode()
    return [
        Header(_sealed(bytearray(header.block.replace(before, after))), header.content.replace(before, after))
        for header in headers
    ]


def retargeted(headers: Sequence[Header], old: str, new: str) -> list[Header]:
    """The same for a link, with another name of the same length in what it says."""
    before, after = old.encode(), new.encode()
    found = []
    for header in headers:
        block, content = bytearray(header.block), header.content
        if header.kind in _PAX:
            records = [
                (key, value.replace(before, after) if key == b"linkpath" else value)
                for key, value in _records(content)
            ]
            content = _packed(records)
        elif header.kind == b"K":
            content = content.replace(before, after)
        elif header.kind not in _EXTENSIONS:
            block[_TARGET] = bytes(block[_TARGET]).replace(before, after)
        found.append(Header(_sealed(block), content))
    return found


def shared_headers(headers: Sequence[Header]) -> list[Header]:
    """Those that are about more than the member, and stay when it goes."""
    return [header for header in headers if header.kind in _OF_ALL]


def new_headers(name: str, size: int, neighbour: Member, headers: Sequence[Header]) -> bytes:
    """The headers of a new file, made as those of a neighbour: its owner, mode, format and security label."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = neighbour.mode if neighbour.kind == "file" else neighbour.mode & 0o666
    info.uid, info.gid = neighbour.user_id, neighbour.group_id
    info.uname, info.gname = neighbour.user, neighbour.group
    info.mtime = int(time.time())
    if headers[-1].block[_MAGIC] == _GNU_MAGIC:
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    records = (record for header in headers if header.kind in _PAX for record in _records(header.content))
    labels = {key.decode(): value for key, value in records if key in _SECURITY_LABELS}
    info.pax_headers = {key: value.decode("utf-8", "surrogateescape") for key, value in labels.items()}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _file_records(header: Header) -> Header | None:
    """A pax header without what is about size, holes or a link's target; None if nothing is left of it."""
    records = list(_records(header.content))
    said = dict(records)
    kept = [
        (key, value)
        for key, value in records
        if key not in {b"size", b"linkpath"} and not key.startswith(b"GNU.sparse.")
    ]
    if _SPARSE_NAME in said:
        kept = [(b"path", said[_SPARSE_NAME]), *(record for record in kept if record[0] != b"path")]
    if kept == records:
        return header
    content = _packed(kept)
    block = bytearray(header.block)
    block[_SIZE] = _number(len(content))
    return Header(_sealed(block), content) if content else None


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header, whose form was checked when the archive was opened."""
    position = 0
    while position < len(content) and content[position] != 0:
        digits, _, _ = content[position : position + 20].partition(b" ")
        end = position + int(digits)
        key, _, value = content[position + len(digits) + 1 : end - 1].partition(b"=")
        yield key, value
        position = end


def _packed(records: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(map(_record, records))


def _record(record: tuple[bytes, bytes]) -> bytes:
    text = b" " + b"=".join(record) + b"\n"
    length = len(text)
    while len(text) + len(str(length)) != length:  # the length counts its own digits
        length = len(text) + len(str(length))
    return str(length).encode() + text


def _number(size: int) -> bytes:
    """A size in a header: octal, or in base 256 where that is too short."""
    return b"%011o\0" % size if size < _OCTAL_LIMIT else b"\x80" + size.to_bytes(11, "big")


def _sealed(block: bytearray) -> bytes:
    """A header with its checksum put right; one whose sum hasn't changed keeps its own way to write it."""
    before = header_number(bytes(block[_CHECKSUM]))
    block_sum = sum(block) - sum(block[_CHECKSUM]) + 8 * 0x20
    if before != block_sum:
        block[_CHECKSUM] = b"%06o\0 " % block_sum
    return bytes(block)
