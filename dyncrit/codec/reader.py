"""Reads an image entry by entry: record, payload, and the document of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec import extra, framing
from dyncrit.codec.payload import Payload, read_payload
from dyncrit.codec.render import show_base64
from dyncrit.codec.walk import BYTES_KEY
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.codec.framing import Frame
    from dyncrit.codec.message import Codecs
    from dyncrit.codec.source import Source
    from dyncrit.schema.layout import RecordLayout
    from dyncrit.types import JsonObject

ERROR_KEY = "@error"

_BATCH_BYTES = 1 << 16


class ReadEntry(NamedTuple):
    """An entry as it stands in the file.

    ``position`` counts entries from 0; ``offset`` is the byte where its record's length begins.
    """

    position: int
    offset: int
    record: bytes
    layout: RecordLayout
    payload: Payload | None = None


class ImageReader:
    """The entries of one image. Memory holds one of them at a time, and payloads in pieces.

    ``as_message`` names the message of all records, where the image table's is not wanted.
    """

    def __init__(self, source: Source, frame: Frame, as_message: str = "") -> None:
        self.source = source
        self.frame = frame
        self.as_message = as_message

    def entries(self) -> Iterator[ReadEntry]:
        """Each entry in turn. Raises ImageError, with the place, where one is not there as a whole."""
        image_type = self.frame.image_type
        if not image_type.has_payload:
            for index, (offset, record) in enumerate(framing.records(self.source, self.frame)):
                yield ReadEntry(index, offset, record, image_type.record(index))
            return
        offset, index = self.frame.size, 0
        while offset < self.source.size:
            record = framing.read_record(self.source, self.frame, offset, index)
            layout = image_type.record(index)
            end = offset + image_type.length_size + len(record)
            payload = None
            if layout.payload:
                try:
                    payload = read_payload(layout.payload, record, self.source, end, self.frame.byte_order)
                except ImageError as error:
                    raise error.within(framing.entry_place(index, offset)) from None
            yield ReadEntry(index, offset, record, layout, payload)
            offset = end + (payload.size if payload else 0)
            index += 1

    def documents(
        self, codecs: Codecs, *, payloads: bool = True, keep_going: bool = False
    ) -> Iterator[list[JsonObject]]:
        """The documents of all entries, in lists of about 64 KiB of records.

        With ``keep_going``, an entry that can't be read is a document with ``"@error"``, and so is the place
        where the image can't be read any further.
        """
        try:
            if self.frame.image_type.has_payload:
                yield from self._with_payloads(codecs, payloads, keep_going)
            else:
                yield from self._plain(codecs, keep_going)
        except ImageError as error:
            if not keep_going:
                raise
            yield [{ERROR_KEY: str(error)}]

    def _plain(self, codecs: Codecs, keep_going: bool) -> Iterator[list[JsonObject]]:
        """Entries without payloads, which can be very many: nothing is made for each but its document."""
        batch: list[bytes] = []
        offsets: list[int] = []
        first = size = 0
        heads = len(self.frame.image_type.records) - 1  # records whose message may be another than the rest's
        try:
            for offset, record in framing.records(self.source, self.frame):
                offsets.append(offset)
                batch.append(record)
                size += len(record) + 8
                if size >= _BATCH_BYTES or first < heads:
                    yield self._decode_batch(codecs, first, offsets, batch, keep_going)
                    first, size = first + len(batch), 0
                    batch, offsets = [], []
        except ImageError:
            if keep_going:
                yield self._decode_batch(codecs, first, offsets, batch, keep_going)
            raise
        yield self._decode_batch(codecs, first, offsets, batch, keep_going)

    def _decode_batch(
        self, codecs: Codecs, first: int, offsets: list[int], batch: list[bytes], keep_going: bool
    ) -> list[JsonObject]:
        codec = codecs.codec(self.as_message or self.frame.image_type.record(first).message)
        try:
            return codec.decode_all(batch)
        except ImageError:
            pass
        documents = []
        for index, (offset, record) in enumerate(zip(offsets, batch, strict=True), first):
            try:
                documents.append(codec.decode(record))
            except ImageError as error:
                documents.append(self._damaged(error, index, offset, record, keep_going))
        return documents

    def _with_payloads(self, codecs: Codecs, payloads: bool, keep_going: bool) -> Iterator[list[JsonObject]]:
        for entry in self.entries():
            codec = codecs.codec(self.as_message or entry.layout.message)
            try:
                document = codec.decode(entry.record)
            except ImageError as error:
                document = self._damaged(error, entry.position, entry.offset, entry.record, keep_going)
            try:
                if entry.layout.payload and payloads:
                    extra.add_payload(
                        document, extra.show_payload(entry.layout.payload, entry.payload, codecs)
                    )
                elif entry.layout.payload:
                    extra.add_payload(document, extra.show_placeholder(entry.layout.payload, entry.payload))
            except ImageError as error:
                document = self._damaged(error, entry.position, entry.offset, entry.record, keep_going)
            yield [document]

    def _damaged(
        self, error: ImageError, index: int, offset: int, record: bytes, keep_going: bool
    ) -> JsonObject:
        error = error.within(framing.entry_place(index, offset))
        if not keep_going:
            raise error
        return {ERROR_KEY: str(error), BYTES_KEY: show_base64(record)}
