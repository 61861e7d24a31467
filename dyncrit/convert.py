"""Converts between images and documents as files, in a stream: what decode and encode do, as a library."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dyncrit.codec.framing import is_head, read_frame
from dyncrit.codec.header import parse_header, show_header
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ERROR_KEY, ImageReader
from dyncrit.codec.source import Source, seekable
from dyncrit.codec.writer import ImageWriter
from dyncrit.errors import DocumentError, RawImageError, located
from dyncrit.jsonio.writer import DocumentWriter

if TYPE_CHECKING:
    from dyncrit.jsonio.writer import Format
    from dyncrit.schema import Schema


class DecodeOptions(NamedTuple):
    """How images become documents.

    ``payloads`` false leaves a size in place of each payload. ``as_message`` names the message of
    all records. ``keep_going`` puts an ``"@error"`` where something can't be read.
    """

    pretty: bool = False
    payloads: bool = True
    format: Format = "json"
    as_message: str = ""
    keep_going: bool = False


def decode_image(
    image: BinaryIO, name: str, output: BinaryIO, schema: Schema, options: DecodeOptions | None = None
) -> list[str]:
    """Write the document of ``image`` to ``output``; gives the errors that ``keep_going`` passed over.

    ``name`` is the image's path, or what errors call it. Memory holds an entry at a time. Raises
    DyncritError with the file and place of what is wrong.
    """
    options = options or DecodeOptions()
    errors: list[str] = []
    source = Source(image, name, lambda start: bool(options.as_message) or is_head(start, schema.table))
    with located(name):
        if options.as_message:
            schema.required_message(options.as_message)
        frame = read_frame(source, schema.table, os.path.basename(name), options.as_message)  # noqa: PTH119 (may be no path)
        codecs = codecs_for(schema, Style(options.pretty, frame.byte_order))
        reader = ImageReader(source, frame, options.as_message)
        batches = reader.documents(codecs, payloads=options.payloads, keep_going=options.keep_going)
        # before anything is written, so that a small image that is damaged leaves no output
        first = next(batches, [])
        writer = DocumentWriter(output, pretty=options.pretty, format=options.format)
        writer.begin(show_header(frame, options.as_message))
        for batch in chain((first,), batches):
            writer.entries(batch)
            if options.keep_going:
                errors += [f"{name}: {entry[ERROR_KEY]}" for entry in batch if ERROR_KEY in entry]
        writer.end()
    return errors


def encode_document(
    document: BinaryIO, name: str, output: BinaryIO, schema: Schema, *, allow_unknown: bool = False
) -> list[str]:
    """Write the image of ``document`` (JSON or NDJSON) to ``output``; gives notes on what CRIU won't read.

    Memory holds an entry at a time. Raises DocumentError with the file and the path of what is wrong.
    ``allow_unknown`` passes over keys that no field has.
    """
    from dyncrit.jsonio.reader import DocumentReader

    with located(name):
        file = seekable(document, lambda start: start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{")
        _refuse_image(file, name, schema)
        reader = DocumentReader(file)
        frame, as_message = parse_header(reader.header, schema.table)
        if as_message:
            schema.required_message(as_message)
        codecs = codecs_for(schema, Style(byte_order=frame.byte_order))
        writer = ImageWriter(frame, codecs, as_message, allow_unknown=allow_unknown)
        output.write(writer.head())
        index = 0
        for batch in reader.entries():
            output.writelines(writer.encode(index, batch))
            index += len(batch)
        return [f"{name}: {note}" for note in writer.notes]


def _refuse_image(file: BinaryIO, name: str, schema: Schema) -> None:
    """Say so where an image was given instead of its document."""
    file.seek(0)
    start = file.read(1)
    if start in (b"{", b"[", b"\xef", b""):
        return
    try:
        frame = read_frame(Source(file, name), schema.table, os.path.basename(name))  # noqa: PTH119
    except RawImageError:
        return  # the JSON reader says what is wrong
    raise DocumentError(f"an image ({frame.image_type.name}), not JSON; `dyncrit decode` makes JSON of it")
