"""Streams of netlink messages: what ``ip addr save`` and connection tracking gave CRIU, message by message.

A message is a head of 16 bytes (length, type, flags, sequence, port), a fixed part that its type tells, and
attributes of 2 bytes each for length and type, from <linux/netlink.h>.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dyncrit.errors import RawImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.types import ByteOrder

HEAD = 16
_ATTRIBUTE_HEAD = 4
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_MAX_MESSAGE = 1 << 20
"""The kernel's messages are of some KiB."""


class Message(NamedTuple):
    """A message: where it begins in the file, its type, and all of its bytes."""

    offset: int
    type: int
    data: bytes


class Attribute(NamedTuple):
    """An attribute: its type, and where its value begins and ends in the message."""

    type: int
    start: int
    end: int


def messages(file: BinaryIO, order: ByteOrder, place: str) -> Iterator[Message]:
    """The messages from where a file stands to its end; the file may be moved in between.

    Raises RawImageError, about ``place``, where they don't fit together.
    """
    offset = file.tell()
    while True:
        file.seek(offset)
        head = file.read(HEAD)
        if not head:
            return
        size = int.from_bytes(head[:4], order)
        if len(head) < HEAD or not HEAD <= size <= _MAX_MESSAGE:
            raise RawImageError(f"no netlink message at byte {offset}", place)
        data = head + file.read(size - HEAD)
        if len(data) < size:
            raise RawImageError(f"the netlink message at byte {offset} is cut off", place)
        yield Message(offset, int.from_bytes(head[4:6], order), data)
        offset += _aligned(size)


def attributes(message: Message, start: int, end: int, order: ByteOrder, place: str) -> Iterator[Attribute]:
    """The attributes in a part of a message; raises RawImageError as :func:`messages`."""
    while start + _ATTRIBUTE_HEAD <= end:
        size = int.from_bytes(message.data[start : start + 2], order)
        if size < _ATTRIBUTE_HEAD or start + size > end:
            raise RawImageError(f"no attribute at byte {message.offset + start}", place)
        kind = int.from_bytes(message.data[start + 2 : start + 4], order) & _TYPE_MASK
        yield Attribute(kind, start + _ATTRIBUTE_HEAD, start + size)
        start += _aligned(size)


def _aligned(size: int) -> int:
    return size + 3 & ~3
