"""Writes an image entry by entry: from a document, or from records and payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.codec import extra, framing
from dyncrit.codec.payload import Payload, write_payload
from dyncrit.codec.reader import ERROR_KEY
from dyncrit.codec.walk import BYTES_KEY
from dyncrit.errors import DocumentError, ImageError, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.codec.framing import Frame
    from dyncrit.codec.message import Codecs
    from dyncrit.types import JsonObject


_MAX_NOTES = 10


class ImageWriter:
    """Makes the bytes of an image with a given frame.

    ``as_message`` names the message of all records instead of the image table's; ``allow_unknown``
    passes over keys that no field has. ``notes`` tells of what was written and CRIU would not read,
    as far as it could be seen, by :meth:`encode`.
    """

    def __init__(
        self, frame: Frame, codecs: Codecs, as_message: str = "", *, allow_unknown: bool = False
    ) -> None:
        self.frame = frame
        self.codecs = codecs
        self.as_message = as_message
        self.allow_unknown = allow_unknown
        self.notes: list[str] = []
        self._pack_length = framing.length_packer(frame).pack

    def head(self) -> bytes:
        """The bytes before the first record."""
        return framing.write_head(self.frame.image_type, self.frame.byte_order, self.frame.framing)

    def encode(self, first: int, documents: list[JsonObject]) -> Iterator[bytes]:
        """The bytes of consecutive entries, of which the first has the index ``first``.

        The documents are used up. Raises DocumentError with the entry's index and the field path of what
        is wrong.
        """
        image_type = self.frame.image_type
        if not image_type.has_payload and first >= len(image_type.records) - 1:
            codec = self.codecs.codec(self.as_message or image_type.record(first).message)
            if (records := codec.encode_all(documents)) is not None:
                pack = self._pack_length
                yield b"".join([part for record in records for part in (pack(len(record)), record)])
                return
        for index, document in enumerate(documents, first):
            try:
                record, payload = self.parse(index, document)
                self._note_missing(index, document, record)
                yield from self.entry(index, record, payload)
            except DocumentError as error:
                raise error.within(f"entries[{index}]") from None

    def parse(self, index: int, document: JsonObject) -> tuple[bytes, Payload | None]:
        """The record and payload of one entry's document, which is used up."""
        if type(document) is not dict or ERROR_KEY in document:
            document = _without_error(document)
        layout = self.frame.image_type.record(index)
        payload = extra.take_payload(layout.payload, document, self.codecs) if layout.payload else None
        codec = self.codecs.codec(self.as_message or layout.message)
        return codec.encode(document, allow_unknown=self.allow_unknown), payload

    def entry(self, index: int, record: bytes, payload: Payload | None) -> Iterator[bytes]:
        """The bytes of one entry. Raises DocumentError where record and payload contradict each other."""
        yield self._pack_length(len(record)) + record
        if layout := self.frame.image_type.record(index).payload:
            try:
                yield from write_payload(layout, record, payload, self.frame.byte_order)
            except ImageError as error:
                raise DocumentError(
                    f"the record is no message, so its payload can't be placed: {error}"
                ) from error
        elif payload is not None:
            raise DocumentError(f"{self.frame.image_type.name} entries have no payload", extra.KEY)

    def _note_missing(self, index: int, document: JsonObject, record: bytes) -> None:
        if len(self.notes) >= _MAX_NOTES:
            return
        codec = self.codecs.codec(self.as_message or self.frame.image_type.record(index).message)
        if missing := codec.missing_required(document, record):
            named = ", ".join(missing[:_MAX_NOTES])
            self.notes.append(f"entries[{index}]: lacks fields that the schema requires: {named}")


def _without_error(document: JsonObject) -> JsonObject:
    """A damaged entry's document without the error, if its bytes are there to be written again."""
    if not isinstance(document, dict):
        raise DocumentError(f"expected an object, found {describe(document)}")
    if BYTES_KEY not in document:
        raise DocumentError(
            f"what stands here could not be decoded, so it can't be encoded: {document[ERROR_KEY]!s:.200}"
        )
    return {key: value for key, value in document.items() if key != ERROR_KEY}
