"""What an image type looks like, as data: its head, its records and the payload behind a record.

These classes hold no behaviour but their defaults (named tuples, since dataclasses take a millisecond each
to define). The rows that use them are in
:mod:`dyncrit.schema.images`; the code that acts on them is :mod:`dyncrit.codec.payload`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Head = Literal["none", "common", "service"]
"""What stands before the magic since CRIU 1.6: nothing, IMG_COMMON or IMG_SERVICE."""


class FieldNumber(NamedTuple):
    """A field that decides about a payload; read by number, so that no schema is needed for it."""

    name: str
    number: int


class Counted(NamedTuple):
    """Bytes whose count is the sum of ``lengths``, then zeros up to a multiple of ``align``.

    Nothing of it is there when the field ``unless`` is true.
    """

    lengths: tuple[FieldNumber, ...]
    align: int = 1
    unless: FieldNumber | None = None


class Parts(NamedTuple):
    """Several runs of counted bytes, one after the other, each with a name in the document."""

    parts: tuple[tuple[str, FieldNumber], ...]


class Rest(NamedTuple):
    """All bytes to the end of the file; nothing (and no ``extra`` key) when ``unless`` is true."""

    unless: FieldNumber | None = None


class Array(NamedTuple):
    """``counter`` unsigned integers of ``width`` bytes in host byte order, padded to ``align``."""

    counter: FieldNumber
    width: int
    align: int = 1


class Submessages(NamedTuple):
    """``counter`` times a u32 length, a ``message`` of that length, and its data padded to ``align``.

    The field ``length`` of the message counts the data.
    """

    counter: FieldNumber
    message: str
    length: FieldNumber
    align: int = 1


PayloadLayout = Counted | Parts | Rest | Array | Submessages


class RecordLayout(NamedTuple):
    """A record: the message it holds and the payload behind it, if any.

    A record that only introduces those behind it is not ``counted`` among the entries by ``info``.
    """

    message: str
    payload: PayloadLayout | None = None
    counted: bool = True


class ImageType(NamedTuple):
    """A row of the image table: one type of image made of records.

    ``magic`` is None for files without one. ``records`` describes the first record, the second and
    so on; the last one serves for all that follow. ``files`` are names as CRIU's C code formats
    them (``core-%u.img``). ``aliases`` are names the magic has or had elsewhere. ``length_size`` is
    the width in bytes of the length before each record.
    """

    name: str
    magic: int | None
    records: tuple[RecordLayout, ...]
    files: tuple[str, ...] = ()
    head: Head = "common"
    aliases: tuple[str, ...] = ()
    length_size: int = 4

    def record(self, index: int) -> RecordLayout:
        """The layout of record ``index``, counted from 0."""
        return self.records[min(index, len(self.records) - 1)]

    @property
    def messages(self) -> tuple[str, ...]:
        """The names of the messages that records of this type hold."""
        return tuple(record.message for record in self.records)

    @property
    def has_payload(self) -> bool:
        """Whether any record of this type can have bytes behind it."""
        return any(record.payload for record in self.records)


class RawFormat(NamedTuple):
    """A row of the raw table: a file beside the images that has no records.

    ``starts`` are the bytes it begins with (any of them), as far as it can be told by content. A format
    that shares its magic with an image type has ``magic``, and ``record_size`` bytes a record behind it.
    """

    name: str
    describes: str
    files: tuple[str, ...] = ()
    starts: tuple[bytes, ...] = ()
    magic: int | None = None
    record_size: int = 0
