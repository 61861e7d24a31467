"""One entry of an image: a live protobuf message and the payload behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from dyncrit.codec.payload import Payload, Submessage
from dyncrit.errors import DocumentError, ImageError, describe
from dyncrit.schema.layout import Submessages

if TYPE_CHECKING:
    from typing import TypeAlias

    from google.protobuf.message import Message

    from dyncrit.codec.payload import Content
    from dyncrit.schema import Schema
    from dyncrit.schema.layout import PayloadLayout, RecordLayout
    from dyncrit.types import DynamicMessage

    EntryPayload: TypeAlias = "Content | dict[str, Content] | list[int] | list[Entry] | None"


class Entry:
    """One entry of an image: a message, and the payload behind it.

    ``payload`` is None, bytes, a dictionary of named bytes (TCP_STREAM), a list of numbers
    (IPCNS_SEM) or a list of entries (IPCNS_MSG), by the image's type. ``padding`` holds the bytes
    that fill the payload up, where they aren't zeros. An entry whose message is left as it was
    keeps its record byte for byte.
    """

    __slots__ = ("_class", "_message", "_record", "_unchanged", "padding", "payload")

    def __init__(
        self,
        message: Message | type[Message],
        payload: EntryPayload = None,
        *,
        record: bytes | None = None,
        padding: bytes = b"",
    ) -> None:
        """``message`` may be a class; then ``record`` is parsed when the message is first looked at."""
        parsed = None if isinstance(message, type) else message
        self._class = message if isinstance(message, type) else type(message)
        self._message: Message | None = parsed
        self._record = record
        self._unchanged: bytes | None = None
        self.payload = payload
        self.padding = padding

    @classmethod
    def from_record(
        cls, record: bytes, layout: RecordLayout, payload: Payload | None, schema: Schema, as_message: str
    ) -> Entry:
        """The entry that was read as ``record`` and ``payload``."""
        message_class = schema.message_class(as_message or layout.message)
        if payload is None:
            return cls(message_class, record=record)
        value = _entry_payload(layout.payload, payload, schema)
        return cls(message_class, value, record=record, padding=payload.padding)

    @property
    def message(self) -> DynamicMessage:
        """The message, live: what its fields are set to is what will be written.

        Raises ImageError if the record is damaged.
        """
        if self._message is None:
            try:
                self._message = self._class.FromString(self._record or b"")
            except DecodeError as error:
                raise ImageError(
                    f"the record is no {self._class.DESCRIPTOR.name} message: {error}"
                ) from error
            self._unchanged = self._class.SerializePartialToString(self._message)
        return self._message  # type: ignore[return-value]  # every message is dynamic

    @property
    def record(self) -> bytes:
        """The bytes of the message as they will be written: those read, as long as nothing was changed."""
        if self._message is None:
            return self._record or b""
        serialised = self._class.SerializePartialToString(self._message)
        return self._record if self._record is not None and serialised == self._unchanged else serialised

    def __repr__(self) -> str:
        return f"<Entry {self._class.DESCRIPTOR.name}, {len(self.record)} bytes>"

    def as_payload(self, layout: PayloadLayout | None) -> Payload | None:
        """The payload as it is to be written."""
        if self.payload is None:
            return None
        if isinstance(layout, Submessages):
            entries = [item for item in _as_list(self.payload) if isinstance(item, Entry)]
            return Payload([Submessage(item.record, item.data, item.padding) for item in entries])
        return Payload(self.payload, self.padding)  # type: ignore[arg-type]  # lists of entries are gone here

    @property
    def data(self) -> Content:
        """The payload, where it is nothing but bytes; raises DocumentError elsewhere."""
        if self.payload is None or isinstance(self.payload, dict | list):
            raise DocumentError(f"expected bytes behind the message, found {describe(self.payload)}")
        return self.payload


def _entry_payload(layout: PayloadLayout | None, payload: Payload, schema: Schema) -> EntryPayload:
    if not isinstance(layout, Submessages):
        return payload.value  # type: ignore[return-value]  # only these kinds hold messages
    message_class = schema.message_class(layout.message)
    return [
        Entry(message_class, item.data, record=item.record, padding=item.padding)
        for item in _as_list(payload.value)
    ]


def _as_list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise DocumentError(f"expected a list of entries, found {describe(value)}")
    return value
