"""Payloads: the bytes behind a record, read and written as the image table describes them.

The fields that decide about a payload are read from the record by number, so that it is found
whatever the schema knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from dyncrit.codec import wire
from dyncrit.codec.source import PIECE_SIZE, Extent, Source
from dyncrit.errors import DocumentError, describe
from dyncrit.schema.layout import Array, Counted, FieldNumber, Parts, PayloadLayout, Rest, Submessages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dyncrit.types import Blob, ByteOrder

Content: TypeAlias = "bytes | Blob"


class Submessage:
    """A message within a payload, as its bytes, and the data behind it."""

    __slots__ = ("data", "padding", "record")

    def __init__(self, record: bytes, data: Content, padding: bytes = b"") -> None:
        self.record = record
        self.data = data
        self.padding = padding


PayloadValue: TypeAlias = "Content | dict[str, Content] | list[int] | list[Submessage]"


class Payload:
    """A payload: bytes, several named runs of bytes, numbers, or messages, by the kind of its layout.

    ``padding`` holds the bytes that fill it up, where they are not zeros. ``size`` is what it takes in
    the file.
    """

    __slots__ = ("padding", "size", "value")

    def __init__(self, value: PayloadValue, padding: bytes = b"", size: int = 0) -> None:
        self.value = value
        self.padding = padding
        self.size = size


def read_payload(
    layout: PayloadLayout, record: bytes, source: Source, offset: int, byte_order: ByteOrder
) -> Payload | None:
    """The payload at ``offset`` behind ``record``, or None where the record says there is none.

    Content of over 1 MiB is left in the file. Raises ImageError where it runs past the file's end.
    """
    reader = _Reader(source, offset, byte_order)
    numbers = _deciding_numbers(layout, record)
    value: PayloadValue
    if isinstance(layout, Counted | Rest) and _is_absent(layout, numbers):
        return None
    if isinstance(layout, Counted):
        value = reader.content(_total(layout, numbers))
        padding = reader.padding(layout.align)
    elif isinstance(layout, Rest):
        value, padding = reader.content(source.size - offset), b""
    elif isinstance(layout, Parts):
        value = {name: reader.content(numbers.get(length.number, 0)) for name, length in layout.parts}
        padding = b""
    elif isinstance(layout, Array):
        value = reader.integers(numbers.get(layout.counter.number, 0), layout.width)
        padding = reader.padding(layout.align)
    else:
        value = reader.submessages(layout, numbers.get(layout.counter.number, 0))
        padding = b""
    return Payload(value, padding, reader.position - offset)


def content_size(layout: PayloadLayout, payload: Payload) -> int:
    """How many bytes of content a payload has: without padding, and without the lengths in it."""
    value = payload.value
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if not isinstance(value, list):
        return _size(value)
    if isinstance(layout, Array):
        return len(value) * layout.width
    return sum(len(item.record) + _size(item.data) for item in value if isinstance(item, Submessage))


def write_payload(
    layout: PayloadLayout, record: bytes, payload: Payload | None, byte_order: ByteOrder
) -> Iterator[bytes]:
    """The bytes of a payload, in pieces.

    Raises DocumentError where the record's fields say another size or count than the payload has.
    """
    numbers = _deciding_numbers(layout, record)
    if isinstance(layout, Counted | Rest) and _is_absent(layout, numbers):
        if payload is not None and _size(payload.value):  # type: ignore[arg-type]  # these kinds hold content
            assert layout.unless is not None  # noqa: S101 (what made it absent)
            raise DocumentError(f"there is a payload, and {layout.unless.name} says there is none")
        return
    value = payload.value if payload else b""
    padding = payload.padding if payload else b""
    if isinstance(layout, Rest):
        if payload is None:
            raise DocumentError('there is no "extra", as in a document made without payloads (--nopl)')
        yield from _pieces(_content(value))
    elif isinstance(layout, Counted):
        content = _content(value)
        _check_count(
            " + ".join(length.name for length in layout.lengths),
            _total(layout, numbers),
            _size(content),
            "bytes",
        )
        yield from _pieces(content)
        yield _padding(padding, _size(content), layout.align)
    elif isinstance(layout, Parts):
        yield from _write_parts(layout, numbers, value)
    elif isinstance(layout, Array):
        yield from _write_array(layout, numbers, value, padding, byte_order)
    else:
        yield from _write_submessages(layout, numbers, value, byte_order)


def pad_size(size: int, align: int) -> int:
    """How many bytes fill ``size`` up to a multiple of ``align``.

    >>> pad_size(13, 8)
    3
    """
    return -size % align


class _Reader:
    """Reads on from a position in the file, with every length checked first."""

    def __init__(self, source: Source, offset: int, byte_order: ByteOrder) -> None:
        self.source = source
        self.position = offset
        self.byte_order = byte_order
        self.last_size = 0

    def content(self, size: int) -> Content:
        self.source.require(self.position, size, "payload")
        offset = self._advance(size)
        if size > PIECE_SIZE:
            return Extent(self.source, offset, size)
        return self.source.exactly(offset, size, "payload")

    def padding(self, align: int) -> bytes:
        """The bytes up to the next multiple of ``align``; none where they are zeros, as they should be."""
        size = pad_size(self.last_size, align)
        self.source.require(self.position, size, "padding")
        data = self.source.exactly(self.position, size, "padding")
        self.position += size
        return data if any(data) else b""

    def integers(self, count: int, width: int) -> list[int]:
        self.source.require(self.position, count * width, "payload")
        data = self.source.exactly(self._advance(count * width), count * width, "payload")
        order = self.byte_order
        return [int.from_bytes(data[at : at + width], order) for at in range(0, len(data), width)]

    def submessages(self, layout: Submessages, count: int) -> list[Submessage]:
        self.source.require(self.position, count * 4, f"payload of {count} messages, or at least")
        items = []
        for _ in range(count):
            length = int.from_bytes(
                self.source.exactly(self.position, 4, "a message's length"), self.byte_order
            )
            record = self.source.exactly(self.position + 4, length, "message")
            self.position += 4 + length
            data = self.content(
                wire.numbers_at(record, frozenset({layout.length.number})).get(layout.length.number, 0)
            )
            items.append(Submessage(record, data, self.padding(layout.align)))
        return items

    def _advance(self, size: int) -> int:
        offset, self.last_size = self.position, size
        self.position += size
        return offset


def _deciding_numbers(layout: PayloadLayout, record: bytes) -> Mapping[int, int]:
    fields: Iterable[FieldNumber | None]
    if isinstance(layout, Counted):
        fields = (*layout.lengths, layout.unless)
    elif isinstance(layout, Rest):
        fields = (layout.unless,)
    elif isinstance(layout, Parts):
        fields = (length for _, length in layout.parts)
    else:
        fields = (layout.counter,)
    wanted = frozenset(item.number for item in fields if item)
    return wire.numbers_at(record, wanted) if wanted else {}


def _is_absent(layout: Counted | Rest, numbers: Mapping[int, int]) -> bool:
    return layout.unless is not None and bool(numbers.get(layout.unless.number))


def _total(layout: Counted, numbers: Mapping[int, int]) -> int:
    return sum(numbers.get(length.number, 0) for length in layout.lengths)


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.size


def _pieces(content: Content) -> Iterator[bytes]:
    return iter((content,)) if isinstance(content, bytes) else content.pieces()


def _content(value: PayloadValue) -> Content:
    if isinstance(value, list | dict):
        raise DocumentError(f"expected bytes, found {describe(value)}")
    return value


def _check_count(name: str, said: int, found: int, unit: str) -> None:
    if said != found:
        raise DocumentError(f"{name} says {said}, the payload has {found} {unit}")


def _padding(padding: bytes, size: int, align: int) -> bytes:
    wanted = pad_size(size, align)
    if padding and len(padding) != wanted:
        raise DocumentError(f"expected {wanted} bytes of padding, found {len(padding)}")
    return padding or bytes(wanted)


def _write_parts(layout: Parts, numbers: Mapping[int, int], value: PayloadValue) -> Iterator[bytes]:
    parts = value or {}
    if not isinstance(parts, dict) or set(parts) - {name for name, _ in layout.parts}:
        raise DocumentError(
            f"expected {' and '.join(name for name, _ in layout.parts)}, found {describe(parts)}"
        )
    for name, length in layout.parts:
        content = parts.get(name, b"")
        _check_count(length.name, numbers.get(length.number, 0), _size(content), f"bytes of {name}")
        yield from _pieces(content)


def _write_array(
    layout: Array, numbers: Mapping[int, int], value: PayloadValue, padding: bytes, byte_order: ByteOrder
) -> Iterator[bytes]:
    items = value or []
    limit = 1 << 8 * layout.width
    if not isinstance(items, list):
        raise DocumentError(f"expected a list of numbers, found {describe(items)}")
    for index, item in enumerate(items):
        if type(item) is not int or not 0 <= item < limit:
            raise DocumentError(
                f"expected an integer from 0 to {limit - 1}, found {describe(item)}", f"[{index}]"
            )
    _check_count(layout.counter.name, numbers.get(layout.counter.number, 0), len(items), "items")
    yield b"".join([item.to_bytes(layout.width, byte_order) for item in items if isinstance(item, int)])
    yield _padding(padding, len(items) * layout.width, layout.align)


def _write_submessages(
    layout: Submessages, numbers: Mapping[int, int], value: PayloadValue, byte_order: ByteOrder
) -> Iterator[bytes]:
    items = value or []
    if not isinstance(items, list):
        raise DocumentError(f"expected a list of messages, found {describe(items)}")
    _check_count(layout.counter.name, numbers.get(layout.counter.number, 0), len(items), "messages")
    for item in items:
        if not isinstance(item, Submessage):
            raise DocumentError(f"expected a message, found {describe(item)}")
        said = wire.numbers_at(item.record, frozenset({layout.length.number})).get(layout.length.number, 0)
        _check_count(layout.length.name, said, _size(item.data), "bytes")
        yield len(item.record).to_bytes(4, byte_order) + item.record
        yield from _pieces(item.data)
        yield _padding(item.padding, _size(item.data), layout.align)
