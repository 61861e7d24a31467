"""Encodes a record that was changed such that the fields that weren't keep their bytes.

A record of CRIU's own comes back from its document byte for byte. Of one with ``"@bytes"``, which does not
(fields in another order, over-long numbers, socket names that quoted-printable can't show), only the fields
that are different now are encoded anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dyncrit.codec import unknown, wire
from dyncrit.codec.render import show_base64
from dyncrit.codec.walk import BYTES_KEY, decode_record, encode_message, kept_bytes
from dyncrit.errors import DocumentError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import JsonObject


def encode_changed(plan: MessagePlan, document: JsonObject) -> bytes:
    """The record of a document, plain or pretty, whose ``"@bytes"`` are those before it was changed.

    Raises DocumentError with the field path of a value that doesn't fit.
    """
    fields = {key: value for key, value in document.items() if key != BYTES_KEY}
    encoded = encode_message(plan, fields)
    if BYTES_KEY not in document:
        return encoded
    kept = kept_bytes(document[BYTES_KEY])
    try:
        before = decode_record(plan, kept)
    except ImageError:
        return encoded if fields else kept  # they are no record, and say nothing about fields
    before.pop(BYTES_KEY, None)
    if not before and kept:
        if not fields:
            return kept
        raise DocumentError("the record has too many unknown fields to be shown, so it can't be changed")
    return _merge(plan, kept, before, fields)


def settle(plan: MessagePlan, document: JsonObject) -> JsonObject:
    """A document that encodes to what :func:`encode_changed` gives, with the keys beside its fields."""
    if BYTES_KEY not in document:
        return document
    more = {key: value for key, value in document.items() if not _is_field(plan, key)}
    record = encode_changed(plan, {key: value for key, value in document.items() if key not in more})
    shown = decode_record(plan, record)
    if BYTES_KEY in shown and not set(shown) - {BYTES_KEY}:
        shown = {BYTES_KEY: show_base64(record)}
    return {**shown, **more}


def _is_field(plan: MessagePlan, key: str) -> bool:
    return key in plan.by_name or key in (unknown.KEY, BYTES_KEY)


def _merge(plan: MessagePlan, data: bytes, before: JsonObject, after: JsonObject) -> bytes:
    """The bytes of a message, with those fields encoded anew that differ."""
    if before.get(unknown.KEY) != after.get(unknown.KEY):
        return encode_message(plan, after)
    changed = {
        field.number: field
        for field in plan.fields
        if _encoded(plan, before, field) != _encoded(plan, after, field)
    }
    pieces: list[bytes] = []
    waiting: dict[int, Iterator[bytes]] = {}
    for item in wire.fields(data):
        field = changed.get(item.number)
        if field is None or not _belongs(field, item):
            pieces.append(data[item.start : item.end])
            continue
        if item.number not in waiting:
            waiting[item.number] = iter(_merged_field(plan, field, data, before, after))
        pieces.append(next(waiting[item.number], b""))
    for number, field in changed.items():
        pieces += waiting.get(number, (_encoded(plan, after, field),))
    return b"".join(pieces)


def _merged_field(
    plan: MessagePlan, field: FieldPlan, data: bytes, before: JsonObject, after: JsonObject
) -> list[bytes]:
    """A field that differs: message by message if there are as many as before, else as a whole."""
    occurrences = [
        item for item in wire.fields(data) if item.number == field.number and _belongs(field, item)
    ]
    olds, news = _listed(before, field), _listed(after, field)
    if field.message is None or not len(olds) == len(news) == len(occurrences):
        return [_encoded(plan, after, field)]
    return [
        wire.encode_field(item.number, item.wire_type, _merge(field.message, item.value, old, new))
        for item, old, new in zip(occurrences, olds, news, strict=True)
        if isinstance(item.value, bytes)
    ]


def _listed(document: Mapping[str, Any], field: FieldPlan) -> list[Any]:
    value = document.get(field.name)
    if value is None:
        return []
    return value if field.repeated else [value]


def _encoded(plan: MessagePlan, document: JsonObject, field: FieldPlan) -> bytes:
    return encode_message(plan, {field.name: document[field.name]}) if field.name in document else b""


def _belongs(field: FieldPlan, item: wire.WireField) -> bool:
    """Whether a field on the wire is one that the schema knows, packed or not."""
    if item.wire_type == field.scalar.wire_type:
        return True
    return field.repeated and item.wire_type == wire.LENGTH and field.message is None
