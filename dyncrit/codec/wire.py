"""Protobuf's wire format: varints, tags and the fields of a message, without any schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)

MAX_DEPTH = 100
"""How deep messages may nest, as in protobuf's own parsers."""

_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}


class WireField(NamedTuple):
    """One field as it stands on the wire.

    ``value`` is an integer (varints, fixed32 and fixed64) or the content (lengths and groups). The
    field with its tag is ``data[start:end]``.
    """

    number: int
    wire_type: int
    value: int | bytes
    start: int
    end: int


def fields(data: bytes, depth: int = 0) -> Iterator[WireField]:
    """The fields of a message, in the order they stand in.

    Raises ImageError with the byte, counted from the start of ``data``, where they end too early or
    are no protobuf.
    """
    position, end = 0, len(data)
    while position < end:
        start = position
        number, wire_type, position = _read_tag(data, position)
        if wire_type == VARINT:
            value: int | bytes
            value, position = read_varint(data, position)
        elif wire_type == LENGTH:
            length, position = read_varint(data, position)
            if length > end - position:
                raise ImageError(
                    f"field {number} of {length} bytes, {end - position} left in the message", f"byte {start}"
                )
            value = data[position : position + length]
            position += length
        elif size := _FIXED_SIZES.get(wire_type):
            if size > end - position:
                raise ImageError(
                    f"field {number} of {size} bytes, {end - position} left in the message", f"byte {start}"
                )
            value = int.from_bytes(data[position : position + size], "little")
            position += size
        elif wire_type == START_GROUP:
            content_end, after = _group_end(data, position, number, depth + 1)
            value, position = data[position:content_end], after
        else:
            raise ImageError(
                f"field {number} has wire type {wire_type}, which does not start a field", f"byte {start}"
            )
        yield WireField(number, wire_type, value, start, position)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The varint at ``position``, taken as 64 bits, and the position behind it."""
    value = shift = 0
    start = position
    for position in range(start, min(start + 10, len(data))):  # noqa: PLR1704
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
        shift += 7
    problem = "a varint of more than 10 bytes" if len(data) - start >= 10 else "a varint that does not end"
    raise ImageError(problem, f"byte {start}")


def varint(value: int) -> bytes:
    """``value`` as the shortest varint; negative numbers as 64 bits, as protobuf has it.

    >>> varint(300).hex()
    'ac02'
    """
    value &= 0xFFFFFFFFFFFFFFFF
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_field(number: int, wire_type: int, value: int | bytes) -> bytes:
    """A field with its tag, the inverse of :func:`fields` for what is canonical."""
    tag = varint(number << 3 | wire_type)
    if isinstance(value, bytes):
        if wire_type == START_GROUP:
            return tag + value + varint(number << 3 | END_GROUP)
        return tag + varint(len(value)) + value
    if size := _FIXED_SIZES.get(wire_type):
        return tag + fitting(wire_type, value).to_bytes(size, "little")
    return tag + varint(value)


def fitting(wire_type: int, value: int) -> int:
    """As much of a number as a field of a wire type holds: its lower 32 bits, or 64.

    >>> fitting(FIXED32, -1) == 0xFFFFFFFF
    True
    """
    return value & ((1 << 8 * _FIXED_SIZES.get(wire_type, 8)) - 1)


def numbers_at(data: bytes, wanted: frozenset[int]) -> dict[int, int]:
    """The integers that the top-level fields in ``wanted`` hold, the last one where it stands twice."""
    return {
        field.number: field.value
        for field in fields(data)
        if field.number in wanted and isinstance(field.value, int)
    }


def _read_tag(data: bytes, position: int) -> tuple[int, int, int]:
    tag, after = read_varint(data, position)
    number = tag >> 3
    if not 1 <= number < 1 << 29:
        raise ImageError(f"field number {number}, not from 1 to {(1 << 29) - 1}", f"byte {position}")
    return number, tag & 7, after


def _group_end(data: bytes, position: int, number: int, depth: int) -> tuple[int, int]:
    """Where the content of group ``number`` ends, and the position behind its end tag."""
    open_groups = [number]
    while position < len(data):
        start = position
        inner, wire_type, position = _read_tag(data, position)
        if wire_type == VARINT:
            _, position = read_varint(data, position)
        elif wire_type == LENGTH:
            length, position = read_varint(data, position)
            position += length
        elif wire_type in _FIXED_SIZES:
            position += _FIXED_SIZES[wire_type]
        elif wire_type == START_GROUP:
            open_groups.append(inner)
            if depth - 1 + len(open_groups) > MAX_DEPTH:
                raise ImageError(f"groups nested deeper than {MAX_DEPTH}", f"byte {start}")
        elif wire_type == END_GROUP and inner == open_groups.pop():
            if not open_groups:
                return start, position
        else:
            raise ImageError(f"field {inner} ends no group or has wire type {wire_type}", f"byte {start}")
    raise ImageError(f"group {number} does not end", f"byte {position}")
