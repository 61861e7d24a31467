"""Pagemap entries of all releases: read as CRIU reads them, and written as their neighbours are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.message import DecodeError

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.codec import framing
from dyncrit.codec.source import Source
from dyncrit.errors import DyncritError, ImageError
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.types import DynamicMessage

PARENT, LAZY, PRESENT = 1, 2, 4  # criu/include/pagemap.h


class Style(NamedTuple):
    """Which fields entries have: the number of pages as since CRIU 4.2, flags as since 3.5."""

    is_wide: bool
    has_flags: bool


class EntryFormat:
    """Reads and makes pagemap entries for pages of ``page_size`` bytes.

    The newest schema is used whichever was chosen: it has the fields of all releases.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._message: Any = Schema.default().message_class("pagemap_entry")

    def parse(self, offset: int, record: bytes) -> DynamicMessage:
        """The entry that is the record at an offset; raises ImageError if it is none."""
        try:
            message: DynamicMessage = self._message.FromString(record)
        except DecodeError as error:
            raise ImageError(f"no pagemap_entry: {error}", f"byte {offset}") from error
        return message

    def bounds(self, entry: DynamicMessage) -> tuple[int, int]:
        """The addresses that an entry covers; the end is exclusive."""
        count = int(entry.nr_pages or entry.compat_nr_pages)
        return entry.vaddr, entry.vaddr + count * self.page_size

    def flags(self, entry: DynamicMessage) -> int:
        """What an entry's flags come to, as CRIU reads those of all releases."""
        if entry.in_parent:
            return PARENT
        return int(entry.flags) if entry.HasField("flags") else PRESENT

    def part(self, entry: DynamicMessage, start: int, end: int, *, present: bool = False) -> bytes:
        """The record of a part of an entry, all else kept but that its pages are here, if they are."""
        part = self._message()
        part.CopyFrom(entry)
        self._set_bounds(part, start, end, is_wide=entry.HasField("nr_pages"))
        if present:
            part.ClearField("in_parent")
            if entry.HasField("flags"):
                part.flags = entry.flags & ~PARENT | PRESENT
        return bytes(part.SerializePartialToString())

    def new(self, style: Style, start: int, end: int) -> bytes:
        """The record of a new entry, whose pages are here."""
        entry = self._message()
        self._set_bounds(entry, start, end, is_wide=style.is_wide)
        if style.has_flags:
            entry.flags = PRESENT
        return bytes(entry.SerializePartialToString())

    def style(self, edit: Edit, name: str) -> Style:
        """How entries are written in a pagemap: as its first, or as that of any other of the checkpoint.

        Where there is none, so that all releases read it: the number of pages as up to CRIU 4.1, and flags.
        """
        others = (other for other in edit.images.names() if other.startswith("pagemap-") and other != name)
        for candidate in (name, *others):
            try:
                for index, (offset, record) in enumerate(records(edit, candidate)):
                    if index:
                        entry = self.parse(offset, record)
                        return Style(entry.HasField("nr_pages"), entry.HasField("flags"))
            except DyncritError:
                continue  # another's image, which is damaged
        return Style(is_wide=False, has_flags=True)

    def _set_bounds(self, entry: Any, start: int, end: int, *, is_wide: bool) -> None:
        count = (end - start) // self.page_size
        entry.vaddr = start
        if is_wide or count >= 1 << 32:
            entry.compat_nr_pages, entry.nr_pages = 0, count
        else:
            entry.compat_nr_pages = count


def pages_image(edit: Edit, name: str) -> str:
    """The name of the pages image of a pagemap; raises ImageError where its head doesn't tell."""
    head: Any = Schema.default().message_class("pagemap_head")
    for _, record in records(edit, name):
        try:
            return f"pages-{head.FromString(record).pages_id}.img"
        except DecodeError as error:
            raise ImageError(f"no pagemap_head: {error}") from error
    raise ImageError("it has no pagemap_head, which would tell the pages image")


def records(edit: Edit, name: str) -> Iterator[tuple[int, bytes]]:
    """The records of a pagemap image with their offsets in it, the head first."""
    with edit.images.open(name) as file:
        source = Source(file, edit.images.path(name))
        yield from framing.records(source, read_image_frame(source, name, edit.schema))
