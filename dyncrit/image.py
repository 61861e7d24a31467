"""An image as an object: entries with live protobuf messages, read, changed and written again."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dyncrit.atomic import open_atomic
from dyncrit.codec import extra
from dyncrit.codec.framing import Frame, default_framing, read_frame
from dyncrit.codec.header import ENTRIES_KEY, parse_header, show_header
from dyncrit.codec.message import codecs_for
from dyncrit.codec.payload import Payload, Submessage
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.render import show_base64
from dyncrit.codec.source import Source
from dyncrit.codec.writer import ImageWriter
from dyncrit.entry import Entry
from dyncrit.errors import DocumentError, ImageError, describe
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from dyncrit.codec.framing import Framing
    from dyncrit.codec.payload import Content, Payload
    from dyncrit.entry import EntryPayload
    from dyncrit.schema import ImageType
    from dyncrit.types import ByteOrder, JsonObject

    PathOrFile: TypeAlias = "str | os.PathLike[str] | BinaryIO"


def load(
    file: PathOrFile, *, schema: Schema | None = None, as_message: str = "", file_name: str | None = None
) -> Image:
    """The image in a file, given by its path or open for reading.

    ``schema`` is by default that of the newest CRIU release. ``as_message`` names the message of all
    records instead of the image table's. ``file_name`` helps to tell the few types that have no magic
    of their own. Raises RawImageError for files that aren't made of records, ImageError for damaged
    ones, and OSError.

    >>> image = load("tests/data/criu-4.2/host/env00/core-66.img")
    >>> image.type.name, image.entries[0].message.tc.comm
    ('CORE', 'env00')
    """
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        with path.open("rb") as opened:
            return _load(opened, str(path), path.name if file_name is None else file_name, schema, as_message)
    name = getattr(file, "name", "")
    name = name if isinstance(name, str) else ""
    return _load(
        file, name or "image", Path(name).name if file_name is None else file_name, schema, as_message
    )


def loads(data: bytes, *, schema: Schema | None = None, as_message: str = "", file_name: str = "") -> Image:
    """The image in ``data``; as :func:`load`."""
    return _load(io.BytesIO(data), file_name or "image", file_name, schema, as_message)


def dump(image: Image, file: PathOrFile) -> None:
    """Write an image to a path, where it appears whole or not at all, or to a file open for writing.

    Entries that weren't changed are written byte for byte as they were read. Raises DocumentError where
    an entry's payload has another size than its message says.
    """
    if isinstance(file, str | os.PathLike):
        with open_atomic(file) as opened:
            opened.writelines(image.pieces())
    else:
        for piece in image.pieces():
            file.write(piece)


def dumps(image: Image) -> bytes:
    """The bytes of an image; as :func:`dump`.

    >>> data = Path("tests/data/criu-4.2/host/env00/core-66.img").read_bytes()
    >>> dumps(loads(data)) == data
    True
    """
    return b"".join(image.pieces())


def iter_entries(file: PathOrFile, *, schema: Schema | None = None, as_message: str = "") -> Iterator[Entry]:
    """The entries of an image one by one, for images that are too large to hold.

    Payloads of over 1 MiB are read from the file only when they are asked for (``payload.pieces()``),
    so before the iteration ends.
    """
    if isinstance(file, str | os.PathLike):
        with Path(file).open("rb") as opened:
            yield from iter_entries(opened, schema=schema, as_message=as_message)
        return
    name = str(getattr(file, "name", "image"))
    schema = schema or Schema.default()
    source = Source(file, name)
    reader = ImageReader(source, read_frame(source, schema.table, Path(name).name, as_message), as_message)
    for entry in reader.entries():
        yield Entry.from_record(entry.record, entry.layout, entry.payload, schema, as_message)


class Image:
    """A whole image: ``entries`` is a list to read and to change.

    ``frame`` tells what stands before them: ``frame.byte_order`` is the dumping host's,
    ``frame.framing`` the release's. ``as_message`` names the message of all entries where it isn't
    the image table's.
    """

    def __init__(
        self, frame: Frame, entries: list[Entry], schema: Schema | None = None, as_message: str = ""
    ) -> None:
        self.frame = frame
        self.entries = entries
        self.schema = schema or Schema.default()
        self.as_message = as_message

    @classmethod
    def new(
        cls,
        type_name: str,
        *,
        schema: Schema | None = None,
        byte_order: ByteOrder = "little",
        framing: Framing | None = None,
    ) -> Image:
        """An image without entries, by its type's name; raises DocumentError if there is no such type."""
        schema = schema or Schema.default()
        frame, _ = parse_header({"magic": type_name}, schema.table)
        return cls(
            Frame(frame.image_type, byte_order, framing or default_framing(frame.image_type)), [], schema
        )

    @property
    def type(self) -> ImageType:
        """The image's row of the image table."""
        return self.frame.image_type

    def add(self, payload: EntryPayload = None, **fields: Any) -> Entry:
        """Append an entry whose message has these fields, and return it."""
        message = self.as_message or self.type.record(len(self.entries)).message
        entry = Entry(self.schema.message_class(message)(**fields), payload)
        self.entries.append(entry)
        return entry

    def to_dict(self, *, pretty: bool = False, payloads: bool = True) -> JsonObject:
        """The image's document, as ``dyncrit decode`` prints it; raises ImageError for a damaged record."""
        codecs = codecs_for(self.schema, Style(pretty, self.frame.byte_order))
        entries = []
        for index, entry in enumerate(self.entries):
            layout = self.type.record(index)
            document = codecs.codec(self.as_message or layout.message).decode(entry.record)
            if layout.payload:
                payload = entry.as_payload(layout.payload)
                if payloads:
                    shown = _materialised(extra.show_payload(layout.payload, payload, codecs))
                else:
                    shown = extra.show_placeholder(layout.payload, payload)
                extra.add_payload(document, shown)
            entries.append(document)
        return {**show_header(self.frame, self.as_message), ENTRIES_KEY: entries}

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], *, schema: Schema | None = None, allow_unknown: bool = False
    ) -> Image:
        """The image that a document describes, plain or pretty; the document is left as it is.

        Raises DocumentError with the path of what is wrong; ``allow_unknown`` passes over keys that
        no field has.
        """
        schema = schema or Schema.default()
        header = {key: value for key, value in document.items() if key != ENTRIES_KEY}
        frame, as_message = parse_header(header, schema.table)
        items = document.get(ENTRIES_KEY)
        if not isinstance(items, list):
            raise DocumentError(f"expected a list, found {describe(items)}", ENTRIES_KEY)
        codecs = codecs_for(schema, Style(byte_order=frame.byte_order))
        writer = ImageWriter(frame, codecs, as_message, allow_unknown=allow_unknown)
        entries = []
        for index, item in enumerate(items):
            layout = frame.image_type.record(index)
            try:
                record, payload = writer.parse(index, _copied(item))
                b"".join(writer.entry(index, record, payload))
            except DocumentError as error:
                raise error.within(f"{ENTRIES_KEY}[{index}]") from None
            entries.append(Entry.from_record(record, layout, payload, schema, as_message))
        return cls(frame, entries, schema, as_message)

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the image, in pieces."""
        codecs = codecs_for(self.schema, Style(byte_order=self.frame.byte_order))
        writer = ImageWriter(self.frame, codecs, self.as_message)
        yield writer.head()
        for index, entry in enumerate(self.entries):
            layout = self.type.record(index).payload
            try:
                yield from writer.entry(index, entry.record, entry.as_payload(layout))
            except DocumentError as error:
                raise error.within(f"{ENTRIES_KEY}[{index}]") from None

    def __repr__(self) -> str:
        return f"<Image {self.type.name}, {len(self.entries)} entries>"


def _load(file: BinaryIO, name: str, file_name: str, schema: Schema | None, as_message: str) -> Image:
    schema = schema or Schema.default()
    source = Source(file, name)
    try:
        frame = read_frame(source, schema.table, file_name, as_message)
        entries = [
            Entry.from_record(item.record, item.layout, _in_memory(item.payload), schema, as_message)
            for item in ImageReader(source, frame, as_message).entries()
        ]
    except ImageError as error:
        raise error.within(name) from None
    return Image(frame, entries, schema, as_message)


def _in_memory(payload: Payload | None) -> Payload | None:
    """A payload that no longer needs its file."""
    if payload is not None:
        value = payload.value
        if isinstance(value, dict):
            payload.value = {name: _content(item) for name, item in value.items()}
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Submessage):
                    item.data = _content(item.data)
        else:
            payload.value = _content(value)
    return payload


def _content(content: Content) -> bytes:
    return content if isinstance(content, bytes) else b"".join(content.pieces())


def _copied(value: Any) -> Any:
    """A copy of a JSON value to be used up."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _materialised(shown: JsonObject) -> JsonObject:
    """A payload's keys with base64 in place of blobs."""

    def text(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: text(item) for key, item in value.items()}
        if isinstance(value, list):
            return [text(item) for item in value]
        return show_base64(b"".join(value.pieces())) if hasattr(value, "pieces") else value

    return {key: text(value) for key, value in shown.items()}
