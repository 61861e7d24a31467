"""The fast codec: protobuf's C code parses and serialises, generated functions read the attributes.

It handles *plain* records only: those that re-serialise byte for byte from what the schema knows. Whatever
else turns up, in a record or in a document, is left to :mod:`dyncrit.codec.walk` by raising
:class:`~dyncrit.codec.decoders.NotPlain` (or what protobuf raises).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, EncodeError

from dyncrit.codec import unknown, wire
from dyncrit.codec.decoders import Decoders, NotPlain
from dyncrit.codec.preparers import Preparers
from dyncrit.errors import DyncritError
from dyncrit.schema.engine import message_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dyncrit.codec.plan import MessagePlan
    from dyncrit.types import JsonObject

LEFT_TO_WALK = (
    NotPlain,
    DecodeError,
    EncodeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    SystemError,  # protobuf 5.29, for a list of texts that are not UTF-8
    DyncritError,
)
"""What can be raised by the functions that are made here when a record or document isn't plain."""


class DirectCodec:
    """Decodes and encodes plain records of one message type, in batches where there are many.

    A batch is one message that repeats the type: protobuf parses, compares and serialises all of its records
    in a few calls.
    """

    def __init__(self, plan: MessagePlan) -> None:
        self._plan = plan
        self._class: Any = plan.message_class
        self._batch_class: Any = None
        self._prefixes = _BatchPrefixes()
        self._decoders = Decoders()
        self._decode = self._decoders.simple(plan)
        self._prepare = Preparers().preparer(plan)

    def decode(self, record: bytes) -> JsonObject:
        """The document of a plain record, or of one with unknown fields behind all known ones.

        Raises one of LEFT_TO_WALK for others.
        """
        message = self._class.FromString(record)
        if not message.IsInitialized():
            raise NotPlain  # and SerializeToString() may crash over it, where the message has maps
        message.DiscardUnknownFields()
        known = message.SerializePartialToString()
        if known == record:
            return self._decode(message)
        if not record.startswith(known):
            raise NotPlain
        strangers = self._strangers(record[len(known) :])
        return {**self._decode(message), unknown.KEY: strangers}

    def decode_all(self, records: Sequence[bytes]) -> list[JsonObject]:
        """The documents of plain records; raises one of LEFT_TO_WALK if any is another."""
        parts: list[bytes] = []
        prefixes = self._prefixes
        for record in records:
            parts += (prefixes[len(record)], record)
        data = b"".join(parts)
        batch = self._batch().FromString(data)
        if not batch.IsInitialized():
            raise NotPlain
        batch.DiscardUnknownFields()
        if batch.SerializePartialToString() != data:
            raise NotPlain
        return [*map(self._decoders.generated(self._plan), batch.items)]

    def encode(self, document: JsonObject) -> bytes:
        """The record of a document; raises one of LEFT_TO_WALK if it isn't plain.

        Values in the document may be replaced by what protobuf takes for them.
        """
        self._prepare(document)
        encoded: bytes = self._class(**document).SerializePartialToString()
        return encoded

    def encode_all(self, documents: list[JsonObject], *, complete: bool = False) -> list[bytes]:
        """The records of documents, as :meth:`encode`; if ``complete``, only with all required fields."""
        for document in documents:
            self._prepare(document)
        batch = self._batch()(items=documents)
        if complete and not batch.IsInitialized():
            raise NotPlain
        data = batch.SerializePartialToString()
        records: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            length = data[position + 1]
            position += 2
            if length >= 0x80:
                length, position = wire.read_varint(data, position - 1)
            records.append(data[position : position + length])
            position += length
        return records

    def _batch(self) -> Any:
        """The class of the batch message, put into the message's pool when it is first wanted."""
        if self._batch_class is None:
            from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

            descriptor = self._plan.descriptor
            name = f"Batch_{descriptor.full_name.encode().hex()}"
            file = FileDescriptorProto(
                name=f"dyncrit/{name}.proto", package="dyncrit", dependency=[descriptor.file.name]
            )
            file.message_type.add(name=name).field.add(
                name="items",
                number=1,
                label=FieldDescriptorProto.LABEL_REPEATED,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".{descriptor.full_name}",
            )
            pool = descriptor.file.pool
            pool.AddSerializedFile(file.SerializeToString())
            self._batch_class = message_class(pool.FindMessageTypeByName(f"dyncrit.{name}"))
        return self._batch_class

    def _strangers(self, tail: bytes) -> list[JsonObject]:
        if len(tail) > unknown.MAX_FIELDS:
            raise NotPlain  # it may hold more fields than are shown
        fields = list(wire.fields(tail))
        shown = [unknown.show_field(field) for field in fields]
        if unknown.parse_fields(shown) != tail or any(
            field.number in self._plan.by_number for field in fields
        ):
            raise NotPlain
        return shown


class _BatchPrefixes(dict[int, bytes]):
    """The tag and length that stand before a record of some size in a batch."""

    def __missing__(self, size: int) -> bytes:
        prefix = b"\x0a" + wire.varint(size)
        if size < 0x4000:
            self[size] = prefix
        return prefix
