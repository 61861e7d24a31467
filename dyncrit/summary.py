"""What an image is, at a glance: type, entries, payload, byte order; or what a raw file is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.codec.framing import is_head, read_frame, record_sizes
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import RawImageError, located

if TYPE_CHECKING:
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject


@dataclass(frozen=True, slots=True)
class Summary:
    """An image's or raw file's description. Sizes are in bytes.

    ``count`` counts entries as CRIT does: the head of a pagemap is not one. ``magic`` is empty for raw files,
    which ``raw`` describes.
    """

    magic: str = ""
    count: int = 0
    size: int = 0
    record_bytes: int = 0
    payload_bytes: int = 0
    byte_order: str = ""
    framing: str = ""
    messages: tuple[str, ...] = ()
    raw: str = ""

    def to_dict(self) -> JsonObject:
        """The description with CRIT's keys first."""
        if self.raw:
            return {"raw": self.raw, "size": self.size}
        return {
            "magic": self.magic,
            "count": self.count,
            "size": self.size,
            "record_bytes": self.record_bytes,
            "payload_bytes": self.payload_bytes,
            "byte_order": self.byte_order,
            "framing": self.framing,
            "messages": list(self.messages),
        }


def summarise(file: BinaryIO, name: str, schema: Schema) -> Summary:
    """Describe a file, an image or not. Memory holds an entry at a time.

    Raises ImageError with the file and place for an image that is damaged.
    """
    source = Source(file, name, lambda start: is_head(start, schema.table))
    count = record_bytes = payload_bytes = 0
    with located(name):
        try:
            frame = read_frame(source, schema.table, os.path.basename(name))  # noqa: PTH119 (may be no path)
        except RawImageError as error:
            return Summary(size=source.size, raw=error.problem)
        image_type = frame.image_type
        if image_type.has_payload:
            for entry in ImageReader(source, frame).entries():
                count += entry.layout.counted
                record_bytes += len(entry.record)
                payload_bytes += entry.payload.size if entry.payload else 0
        else:
            found = 0
            for found, size in enumerate(record_sizes(source, frame), 1):  # noqa: B007 (used behind the loop)
                record_bytes += size
            layouts = image_type.records
            count = sum(layout.counted for layout in layouts[:found])
            count += max(found - len(layouts), 0) * layouts[-1].counted
    return Summary(
        magic=image_type.name,
        count=count,
        size=source.size,
        record_bytes=record_bytes,
        payload_bytes=payload_bytes,
        byte_order=frame.byte_order,
        framing=frame.framing,
        messages=tuple(name for name in dict.fromkeys(image_type.messages) if name),
    )
