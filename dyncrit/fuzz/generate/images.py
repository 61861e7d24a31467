"""Images of any type of the image table, whole: head, records, payloads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.codec.framing import Frame, default_framing, write_head
from dyncrit.errors import DyncritError, SchemaError, did_you_mean
from dyncrit.fuzz.anatomy import Anatomy, RawEntry
from dyncrit.fuzz.generate.knobs import DEFAULT_KNOBS, Knobs
from dyncrit.fuzz.generate.messages import MessageGenerator
from dyncrit.fuzz.generate.payloads import MadePayload, make_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dyncrit.codec.framing import Framing
    from dyncrit.fuzz.chance import Chance
    from dyncrit.schema import ImageType, Schema
    from dyncrit.schema.layout import RecordLayout
    from dyncrit.types import ByteOrder

ALL = "all"
"""Stands for all types that a schema has messages for."""


class ImageGenerator:
    """Makes images. The same schema, knobs and choices of ``chance`` give the same bytes everywhere.

    All of them are whole: they are read to their end, and written again to the same bytes.

    >>> from dyncrit.fuzz.chance import Chance
    >>> from dyncrit.schema import Schema
    >>> ImageGenerator(Schema.default(), Chance(1)).generate("PIPES_DATA", count=0).hex()
    '1943565409374556'
    """

    def __init__(self, schema: Schema, chance: Chance, knobs: Knobs = DEFAULT_KNOBS) -> None:
        self.schema = schema
        self.chance = chance
        self.knobs = knobs
        self.messages = MessageGenerator(schema, chance, knobs)

    def seeded(self, chance: Chance) -> ImageGenerator:
        """A generator with another source of choices, that shares what this one knows of message types."""
        other = ImageGenerator(self.schema, chance, self.knobs)
        other.messages = self.messages.seeded(chance)
        return other

    def generate(
        self,
        image_type: str | ImageType,
        *,
        framing: Framing | None = None,
        byte_order: ByteOrder = "little",
        count: int | None = None,
    ) -> bytes:
        """The bytes of an image with ``count`` entries, or up to as many as the knobs say.

        By default its head is as CRIU writes it today. There are fewer entries where the format has room for
        one only. Raises DyncritError for a type that there isn't, and SchemaError for one that the schema has
        no messages for.
        """
        return self.anatomy(image_type, framing=framing, byte_order=byte_order, count=count).assemble()

    def anatomy(
        self,
        image_type: str | ImageType,
        *,
        framing: Framing | None = None,
        byte_order: ByteOrder = "little",
        count: int | None = None,
    ) -> Anatomy:
        """As :meth:`generate`, but the image's parts."""
        row = find_type(self.schema, image_type) if isinstance(image_type, str) else image_type
        framing = framing or default_framing(row)
        size = len(write_head(row, byte_order, framing))
        anatomy = Anatomy.new(Frame(row, byte_order, framing, size))
        left = self.chance.below(self.knobs.entries + 1) if count is None else count
        if row.magic is None:
            left = 1  # the length of the only record is what such files are told by
        while left:
            layout = row.record(len(anatomy.entries))
            if anatomy.entries and self.schema.message(layout.message) is None:
                break
            entry, is_last = self._entry(layout, byte_order)
            anatomy.entries.append(entry)
            left -= layout.counted
            if is_last:
                break
        return anatomy

    def _entry(self, layout: RecordLayout, byte_order: ByteOrder) -> tuple[RawEntry, bool]:
        message = self.schema.required_message(layout.message)
        made = MadePayload(b"", {})
        if layout.payload is not None:
            made = make_payload(layout.payload, message, self.messages, byte_order)
        return RawEntry(self.messages.generate(message, made.fields), made.data), made.is_last


def known_types(schema: Schema) -> list[ImageType]:
    """The types of images that a schema has messages for, in the order of the image table."""
    return [row for row in schema.table.types if schema.message(row.record(0).message) is not None]


def find_type(schema: Schema, name: str) -> ImageType:
    """The type with a name or alias, whatever its case.

    Raises DyncritError, with the nearest name, where there is none, and SchemaError where the schema lacks
    its messages.
    """
    row = schema.table.by_name(name) or schema.table.by_name(name.upper())
    if row is None:
        hint = did_you_mean(name.upper(), schema.table.names)
        raise DyncritError(f"no image type {name!r:.60}{hint}")
    message = row.record(0).message
    if not message or schema.message(message) is None:
        raise SchemaError(f"no message {message!r}, of which {row.name} images are", schema.source.name)
    return row


def find_types(schema: Schema, names: Iterable[str]) -> list[ImageType]:
    """The types with these names, each once; :data:`ALL` stands for all that the schema knows."""
    found = {}
    for name in names:
        rows = known_types(schema) if name == ALL else [find_type(schema, name)]
        found.update({row.name: row for row in rows})
    return list(found.values())


def file_name(image_type: ImageType, digits: str) -> str:
    """A file name for the image with a number: one that tells the type only where nothing else does.

    >>> from dyncrit.schema.images import IMAGE_TYPES
    >>> file_name(IMAGE_TYPES[0], "0007")
    '0007.img'
    """
    if image_type.magic is not None or not image_type.files:
        return f"{digits}.img"
    return _CONVERSION.sub(digits, image_type.files[0])


def usual_name(image_type: ImageType, digits: str = "1") -> str:
    """What CRIU calls an image of the type, with a number where it puts one.

    >>> from dyncrit.schema.images import IMAGE_TYPES
    >>> usual_name(IMAGE_TYPES[4])
    'core-1.img'
    """
    if not image_type.files:
        return f"{image_type.name.lower()}.img"
    return _CONVERSION.sub(digits, image_type.files[0])


_CONVERSION = re.compile(r"%0?\d*l?[dusx]")
