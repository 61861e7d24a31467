"""An image taken apart into what stands in the file: a head and entries, as bytes that nothing has to fit."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dyncrit.codec.framing import Frame, length_packer, read_frame, write_head
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from dyncrit.schema import Schema

MAX_ENTRIES = 1 << 20
"""An image of empty records, taken apart, takes twenty times its size in memory, and each copy as much."""


@dataclass(slots=True)
class RawEntry:
    """An entry as it stands in the file: ``payload`` are all bytes behind the record, padding included.

    ``length`` is what stands in front of the record, where it isn't the record's size.
    """

    record: bytes
    payload: bytes = b""
    length: int | None = None


@dataclass(slots=True)
class Anatomy:
    """An image taken apart. ``tail`` are bytes behind the last entry; ``head`` may be anything."""

    frame: Frame
    head: bytes
    entries: list[RawEntry] = field(default_factory=list)
    tail: bytes = b""

    @classmethod
    def of(cls, data: bytes, schema: Schema, name: str = "") -> Anatomy:
        """Take an image apart; raises ImageError where it isn't whole, RawImageError for raw files.

        ``name`` is its file name, which tells the few types that have no magic of their own. One of more than
        ``MAX_ENTRIES`` entries is refused, too.
        """
        source = Source(io.BytesIO(data), name or "image")
        frame = read_frame(source, schema.table, name)
        size = frame.image_type.length_size
        entries = []
        for item in ImageReader(source, frame).entries():
            end = item.offset + size + len(item.record)
            payload = data[end : end + item.payload.size] if item.payload is not None else b""
            entries.append(RawEntry(item.record, payload))
            if len(entries) > MAX_ENTRIES:
                raise ImageError(
                    f"more than {MAX_ENTRIES} entries, the most that are taken apart", name or "image"
                )
        return cls(frame, data[: frame.size], entries)

    @classmethod
    def new(cls, frame: Frame) -> Anatomy:
        """An image without entries."""
        return cls(frame, write_head(frame.image_type, frame.byte_order, frame.framing))

    def copy(self) -> Anatomy:
        """A copy to be changed."""
        entries = [RawEntry(entry.record, entry.payload, entry.length) for entry in self.entries]
        return Anatomy(self.frame, self.head, entries, self.tail)

    def assemble(self) -> bytes:
        """The bytes of the image."""
        packer = length_packer(self.frame)
        mask = (1 << 8 * packer.size) - 1
        parts = [self.head]
        for entry in self.entries:
            length = len(entry.record) if entry.length is None else entry.length
            parts += (packer.pack(length & mask), entry.record, entry.payload)
        parts.append(self.tail)
        return b"".join(parts)

    def message_name(self, index: int) -> str:
        """The name of the message that the entry's record holds, by the image table."""
        return self.frame.image_type.record(index).message
