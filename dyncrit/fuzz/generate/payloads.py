"""Payloads of every kind of layout, and the fields of the record in front that count them."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.payload import pad_size
from dyncrit.schema.layout import Array, Counted, Parts, Rest, Submessages

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from dyncrit.fuzz.generate.messages import MessageGenerator, Value
    from dyncrit.schema.layout import FieldNumber, PayloadLayout
    from dyncrit.types import ByteOrder


class MadePayload(NamedTuple):
    """A payload: its bytes, and the fields of its record that have to be as they are for it.

    ``is_last`` says that no entry can stand behind it.
    """

    data: bytes
    fields: dict[str, Value]
    is_last: bool = False


class _Making(NamedTuple):
    """What payloads are made with: the type of the record in front is ``record``."""

    messages: MessageGenerator
    record: Descriptor
    byte_order: ByteOrder

    def content(self, length: FieldNumber, fields: dict[str, Value]) -> bytes:
        """Bytes that the field ``length`` counts; none where the schema lacks it."""
        name = _name(self.record, length)
        if name is None:
            return b""
        data = _some_bytes(self.messages)
        fields[name] = len(data)
        return data

    def is_absent(self, unless: FieldNumber | None, fields: dict[str, Value]) -> bool:
        """Choose whether a payload is left out, where a field can say so."""
        name = _name(self.record, unless) if unless is not None else None
        if name is None:
            return False
        absent = self.messages.chance.below(4) == 3
        fields[name] = True if absent else None
        return absent


def make_payload(
    layout: PayloadLayout, record: Descriptor, messages: MessageGenerator, byte_order: ByteOrder
) -> MadePayload:
    """A payload for a record of the type ``record``; of fields that the schema lacks, nothing is counted."""
    return _make(layout, _Making(messages, record, byte_order))


@singledispatch
def _make(layout: PayloadLayout, making: _Making) -> MadePayload:
    raise AssertionError(layout, making)  # all kinds of layouts are below


@_make.register
def _(layout: Counted, making: _Making) -> MadePayload:
    fields: dict[str, Value] = {}
    if making.is_absent(layout.unless, fields):
        return MadePayload(b"", fields)
    data = b"".join([making.content(length, fields) for length in layout.lengths])
    return MadePayload(data + bytes(pad_size(len(data), layout.align)), fields)


@_make.register
def _(layout: Parts, making: _Making) -> MadePayload:
    fields: dict[str, Value] = {}
    return MadePayload(b"".join([making.content(length, fields) for _, length in layout.parts]), fields)


@_make.register
def _(layout: Rest, making: _Making) -> MadePayload:
    fields: dict[str, Value] = {}
    if making.is_absent(layout.unless, fields):
        return MadePayload(b"", fields)
    return MadePayload(_some_bytes(making.messages), fields, is_last=True)


@_make.register
def _(layout: Array, making: _Making) -> MadePayload:
    name = _name(making.record, layout.counter)
    if name is None:
        return MadePayload(b"", {})
    count = making.messages.chance.below(making.messages.knobs.payload // layout.width + 1)
    data = making.messages.chance.bytes(count * layout.width)
    return MadePayload(data + bytes(pad_size(len(data), layout.align)), {name: count})


@_make.register
def _(layout: Submessages, making: _Making) -> MadePayload:
    name = _name(making.record, layout.counter)
    inner = making.messages.schema.message(layout.message)
    if name is None or inner is None:
        return MadePayload(b"", {} if name is None else {name: 0})
    count = making.messages.chance.below(making.messages.knobs.repeated + 1)
    within = making._replace(record=inner)
    return MadePayload(b"".join([_submessage(layout, within) for _ in range(count)]), {name: count})


def _submessage(layout: Submessages, making: _Making) -> bytes:
    fields: dict[str, Value] = {}
    data = making.content(layout.length, fields)
    record = making.messages.generate(making.record, fields)
    padding = bytes(pad_size(len(data), layout.align))
    return len(record).to_bytes(4, making.byte_order) + record + data + padding


def _some_bytes(messages: MessageGenerator) -> bytes:
    return messages.chance.bytes(messages.chance.below(messages.knobs.payload + 1))


def _name(record: Descriptor, field: FieldNumber) -> str | None:
    """What the schema calls a field that the image table knows by its number."""
    found = record.fields_by_number.get(field.number)
    return found.name if found is not None else None
