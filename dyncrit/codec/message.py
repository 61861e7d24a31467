"""The message codec: the bytes of a record <-> its document. The one place that chooses an engine."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from google.protobuf.message import DecodeError

from dyncrit.codec import direct, kept, walk
from dyncrit.codec.decoders import is_direct
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.protojson import from_protojson, uses_json_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor

    from dyncrit.codec.plan import MessagePlan
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject


class MessageCodec(Protocol):
    """Codes the records of one message type in one style; loses nothing in either direction.

    Documents given to be encoded are used up: values in them may be replaced.
    """

    def decode(self, record: bytes) -> JsonObject:
        """The document of a record. Raises ImageError where it is no message."""

    def decode_all(self, records: Sequence[bytes]) -> list[JsonObject]:
        """The documents of many records. Raises ImageError where one is no message."""

    def encode(self, document: JsonObject, *, allow_unknown: bool = False) -> bytes:
        """The record of a document. Raises DocumentError where it doesn't fit."""

    def missing_required(self, document: JsonObject, record: bytes) -> list[str]:
        """The paths of required fields that a document, encoded as ``record``, lacks: CRIU won't read it."""

    def encode_all(self, documents: list[JsonObject]) -> list[bytes] | None:
        """The records of many documents, or None where they have to be encoded one by one."""


class PythonCodec:
    """The codec in Python: the fast path where a record is plain, the careful one elsewhere."""

    def __init__(self, plan: MessagePlan) -> None:
        self._plan = plan
        self._direct = direct.DirectCodec(plan) if plan.fields and is_direct(plan) else None

    def decode(self, record: bytes) -> JsonObject:
        """See :class:`MessageCodec`."""
        if self._direct:
            try:
                return self._direct.decode(record)
            except direct.LEFT_TO_WALK:
                pass
        return walk.decode_record(self._plan, record)

    def decode_all(self, records: Sequence[bytes]) -> list[JsonObject]:
        """See :class:`MessageCodec`."""
        if self._direct and len(records) > 1:
            try:
                return self._direct.decode_all(records)
            except direct.LEFT_TO_WALK:
                pass
        return [self.decode(record) for record in records]

    def encode(self, document: JsonObject, *, allow_unknown: bool = False) -> bytes:
        """See :class:`MessageCodec`."""
        if self._direct:
            try:
                return self._direct.encode(document)
            except direct.LEFT_TO_WALK:
                pass
        if uses_json_names(self._plan, document):
            document = from_protojson(self._plan, document)
        if allow_unknown or walk.BYTES_KEY not in document:
            return walk.encode_record(self._plan, document, allow_unknown=allow_unknown)
        return kept.encode_changed(self._plan, document)

    def missing_required(self, document: JsonObject, record: bytes) -> list[str]:
        """See :class:`MessageCodec`."""
        with suppress(DecodeError):
            if self._plan.message_class.FromString(record).IsInitialized():
                return []
        if uses_json_names(self._plan, document):
            document = from_protojson(self._plan, document)
        return walk.missing_required(self._plan, document)

    def encode_all(self, documents: list[JsonObject]) -> list[bytes] | None:
        """See :class:`MessageCodec`."""
        if self._direct and len(documents) > 1:
            try:
                return self._direct.encode_all(documents, complete=True)
            except direct.LEFT_TO_WALK:
                pass
        return None


class Codecs:
    """The codecs of a schema's messages in one style, each made when it is first asked for."""

    def __init__(self, schema: Schema, style: Style) -> None:
        self.schema = schema
        self.style = style
        self._planner = Planner(style)
        self._made: dict[str, MessageCodec] = {}

    def codec(self, message: str) -> MessageCodec:
        """The codec of the message with this name; of one without fields where the schema lacks it."""
        if message not in self._made:
            descriptor = self.schema.message(message) or self.schema.required_message("")
            self._made[message] = make_codec(self._planner, descriptor)
        return self._made[message]


def make_codec(planner: Planner, descriptor: Descriptor) -> MessageCodec:
    """The codec for one message type; another engine would be chosen here."""
    return PythonCodec(planner.plan(descriptor))


@lru_cache(maxsize=16)
def codecs_for(schema: Schema, style: Style) -> Codecs:
    """The codecs of a schema in one style, kept while they are in use."""
    return Codecs(schema, style)
