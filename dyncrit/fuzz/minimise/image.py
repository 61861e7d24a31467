"""Makes an image smaller: entries, payloads, fields, values, in this order; of what is no image, bytes."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from dyncrit.codec import wire
from dyncrit.codec.framing import read_frame
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import ImageError
from dyncrit.fuzz.anatomy import Anatomy, RawEntry
from dyncrit.fuzz.minimise.budget import Budget
from dyncrit.fuzz.minimise.record import reduce_fields, reduce_values
from dyncrit.fuzz.minimise.reduction import reduce_bytes, reduce_list
from dyncrit.fuzz.mutate.payloads import deciding_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.schema import Schema

_ROUNDS = 3


def minimise(
    data: bytes, name: str, schema: Schema, is_same: Callable[[bytes], bool], *, budget: Budget | None = None
) -> bytes:
    """The least image that was found, for which ``is_same`` is true as it is for ``data``.

    ``name`` is its file name. Damaged images are taken apart up to where they are damaged. When the budget
    is used up, what was reached until then is the result; what ``is_same`` raises is passed on.
    """
    given = budget or Budget()

    def keeps(candidate: bytes) -> bool:
        return given.take() and is_same(candidate)

    anatomy = dissect(data, name, schema)
    if anatomy is None or anatomy.assemble() != data:
        return reduce_bytes(data, keeps)
    reducer = _Reducer(anatomy, schema, keeps)
    before = -1
    for _ in range(_ROUNDS):
        if before == reducer.size or given.is_over:
            break
        before = reducer.size
        reducer.reduce()
    return reducer.anatomy.assemble()


def dissect(data: bytes, name: str, schema: Schema) -> Anatomy | None:
    """An image taken apart as far as it is whole, the rest its tail; None for what has no image's head."""
    source = Source(io.BytesIO(data), name or "image")
    try:
        frame = read_frame(source, schema.table, name)
    except ImageError:
        return None
    size = frame.image_type.length_size
    anatomy = Anatomy(frame, data[: frame.size])
    end = frame.size
    try:
        for item in ImageReader(source, frame).entries():
            start = item.offset + size + len(item.record)
            behind = start + (item.payload.size if item.payload is not None else 0)
            if behind > len(data):
                break
            anatomy.entries.append(RawEntry(item.record, data[start:behind]))
            end = behind
    except ImageError:
        pass
    anatomy.tail = data[end:]
    return anatomy


class _Reducer:
    """``anatomy`` is the least that was found so far."""

    def __init__(self, anatomy: Anatomy, schema: Schema, keeps: Callable[[bytes], bool]) -> None:
        self.anatomy = anatomy
        self._schema = schema
        self._keeps = keeps

    @property
    def size(self) -> int:
        """The bytes of the least image."""
        return len(self.anatomy.assemble())

    def reduce(self) -> None:
        """All sorts of reductions, once."""
        self._reduce_tail()
        self._reduce_entries()
        for reduce in (reduce_fields, reduce_values):
            for index, entry in enumerate(self.anatomy.entries):
                self._reduce_payload(index)
                message = self._schema.message(self.anatomy.message_name(index))
                entry.record = reduce(entry.record, message, partial(self._with, entry))

    def _reduce_tail(self) -> None:
        tail = self.anatomy.tail

        def does(less: bytes) -> bool:
            return self._try(Anatomy(self.anatomy.frame, self.anatomy.head, self.anatomy.entries, less))

        if tail:
            self.anatomy.tail = reduce_bytes(tail, does)

    def _reduce_entries(self) -> None:
        """Without the entries that can be left out; records of an image whose types go by place included."""
        anatomy = self.anatomy
        anatomy.entries = reduce_list(
            anatomy.entries,
            lambda some: self._try(Anatomy(anatomy.frame, anatomy.head, list(some), anatomy.tail)),
        )

    def _reduce_payload(self, index: int) -> None:
        """Without the payload, or half of it, and the number that tells of it made to fit; then zeros."""
        entry = self.anatomy.entries[index]
        if not entry.payload:
            return
        layout = self.anatomy.frame.image_type.record(index).payload
        numbers = frozenset(field.number for field in deciding_fields(layout))
        for share in (0, 1):
            while entry.payload:
                left = len(entry.payload) // 2 * share
                record = _scaled(entry.record, numbers, share)
                if not self._with(entry, record, entry.payload[:left]):
                    break
                entry.record, entry.payload = record, entry.payload[:left]
        entry.payload = entry.payload and reduce_bytes(
            entry.payload, lambda payload: self._with(entry, entry.record, payload)
        )

    def _with(self, entry: RawEntry, record: bytes, payload: bytes | None = None) -> bool:
        """Whether the image does with another record (and payload) in an entry."""
        before = entry.record, entry.payload
        entry.record = record
        entry.payload = entry.payload if payload is None else payload
        try:
            return self._try(self.anatomy)
        finally:
            entry.record, entry.payload = before

    def _try(self, anatomy: Anatomy) -> bool:
        return self._keeps(anatomy.assemble())


def _scaled(record: bytes, numbers: frozenset[int], share: int) -> bytes:
    """A record whose fields of these numbers are half of what they were, or 0 with no share."""
    return b"".join(_scaled_fields(record, numbers, share))


def _scaled_fields(record: bytes, numbers: frozenset[int], share: int) -> Iterator[bytes]:
    end = 0
    try:
        for field in wire.fields(record):
            end = field.end
            if field.number not in numbers or not isinstance(field.value, int):
                yield record[field.start : field.end]
            else:
                yield wire.encode_field(field.number, field.wire_type, field.value // 2 * share)
    except ImageError:
        yield record[end:]
