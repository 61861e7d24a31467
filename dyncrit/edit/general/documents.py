"""The documents of an image's entries, as they stand in an edit, and back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.codec import extra
from dyncrit.codec.header import show_header
from dyncrit.codec.kept import encode_changed, settle
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.codec.walk import missing_required
from dyncrit.codec.writer import ImageWriter
from dyncrit.edit.general.path import ENTRIES
from dyncrit.edit.general.shapes import message_plan
from dyncrit.entry import Entry
from dyncrit.errors import DocumentError, describe, located

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.codec.framing import Frame
    from dyncrit.codec.plan import MessagePlan
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject

_MOST_SHOWN = 10


class EntryCoder:
    """Entries of one image to plain documents, and back."""

    def __init__(self, frame: Frame, schema: Schema) -> None:
        style = Style(byte_order=frame.byte_order)
        self.frame = frame
        self.schema = schema
        self.codecs = codecs_for(schema, style)
        self.planner = Planner(style)

    def plan(self, index: int) -> MessagePlan:
        """The plan of an entry's message."""
        return message_plan(self.planner, self.schema, self.frame.image_type.record(index).message)

    def decode(self, index: int, entry: Entry) -> JsonObject:
        """The document of an entry; payloads of over 1 MiB in it are blobs. Raises ImageError."""
        layout = self.frame.image_type.record(index)
        document = self.codecs.codec(layout.message).decode(entry.record)
        if layout.payload:
            payload = entry.as_payload(layout.payload)
            extra.add_payload(document, extra.show_payload(layout.payload, payload, self.codecs))
        return document

    def encode(self, index: int, document: JsonObject) -> Entry:
        """The entry that a document describes; fields that weren't changed keep their bytes.

        Raises DocumentError with the path of what doesn't fit.
        """
        layout = self.frame.image_type.record(index)
        payload = extra.take_payload(layout.payload, document, self.codecs) if layout.payload else None
        record = encode_changed(self.plan(index), document)
        return Entry.from_record(record, layout, payload, self.schema, "")

    def missing(self, index: int, document: JsonObject) -> list[str]:
        """The paths of required fields that a document lacks, so that CRIU would not read it."""
        return missing_required(self.plan(index), document)


class ShownImage(NamedTuple):
    """An image as documents: its header, and its entries in batches, to be read within the block."""

    header: JsonObject
    batches: Iterator[list[JsonObject]]


@contextmanager
def shown_image(edit: Edit, name: str, *, pretty: bool) -> Iterator[ShownImage]:
    """The documents of an image as it stands in the edit; payloads of over 1 MiB in them are blobs.

    Raises ImageError where the image is damaged, also while the batches are read.
    """
    with edit.images.open(name) as file, located(edit.images.path(name)):
        source = Source(file, edit.images.path(name))
        frame = read_image_frame(source, name, edit.schema)
        codecs = codecs_for(edit.schema, Style(pretty, frame.byte_order))
        yield ShownImage(show_header(frame), ImageReader(source, frame).documents(codecs))


def image_frame(edit: Edit, name: str) -> Frame:
    """The frame of an image as it stands in the edit; raises ImageError, or FileNotFoundError."""
    with edit.images.open(name) as file, located(edit.images.path(name)):
        return read_image_frame(Source(file, edit.images.path(name)), name, edit.schema)


def write_image(edit: Edit, name: str, header: JsonObject, batches: Iterable[list[JsonObject]]) -> bool:
    """Put documents, plain or pretty, in place of an image's entries; says if any changed.

    The documents are used up. Raises DocumentError for what doesn't fit, for another header than the image's,
    and for entries that lack required fields, unless the image as it is lacks them, too.
    """
    frame = image_frame(edit, name)
    coder = EntryCoder(frame, edit.schema)
    refuse_header(header, frame)
    writer = ImageWriter(frame, coder.codecs)
    lacks: dict[str, int] = {}
    index = 0
    before = edit.images.changes
    with edit.images.write(name) as output:
        output.write(writer.head())
        for batch in batches:
            settled = [_settled(coder, number, item, lacks) for number, item in enumerate(batch, index)]
            output.writelines(writer.encode(index, settled))
            index += len(batch)
        if lacks:
            _refuse_lacks(edit, name, coder, lacks)
    return edit.images.changes != before


def refuse_header(header: JsonObject, frame: Frame) -> None:
    """Raise DocumentError if a document's header isn't the image's."""
    expected = show_header(frame)
    for key in {**expected, **header}:
        if header.get(key) != expected.get(key):
            found = describe(header[key]) if key in header else "nothing"
            problem = f"what kind of image it is can't be changed: expected {describe(expected.get(key))}"
            raise DocumentError(f"{problem}, found {found}", key)


def lacking(missing: Iterable[str]) -> str:
    """What is said of required fields that are missing."""
    named = list(missing)
    shown = ", ".join(named[:_MOST_SHOWN]) + (", ..." if len(named) > _MOST_SHOWN else "")
    return f"lacks fields that the schema requires, so CRIU would not read it: {shown}"


def _settled(coder: EntryCoder, index: int, document: JsonObject, lacks: dict[str, int]) -> JsonObject:
    if not isinstance(document, dict):
        raise DocumentError(f"expected an object, found {describe(document)}", f"{ENTRIES}[{index}]")
    try:
        document = settle(coder.plan(index), document)
    except DocumentError as error:
        raise error.within(f"{ENTRIES}[{index}]") from None
    for path in coder.missing(index, document):
        lacks.setdefault(path, index)
    return document


def _refuse_lacks(edit: Edit, name: str, coder: EntryCoder, lacks: dict[str, int]) -> None:
    """Raise DocumentError for what is missing now and isn't in any entry of the image as it stands."""
    known: set[str] = set()
    for index, entry in enumerate(edit.entries(name)):
        known.update(coder.missing(index, coder.decode(index, entry)))
    if found := {path: index for path, index in lacks.items() if path not in known}:
        index = min(found.values())
        raise DocumentError(lacking(path for path, at in found.items() if at == index), f"{ENTRIES}[{index}]")
