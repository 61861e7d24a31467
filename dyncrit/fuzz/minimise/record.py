"""A record with fewer fields, and smaller values in those that are left, as far as it is protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.fuzz.minimise.reduction import reduce_bytes, reduce_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from google.protobuf.descriptor import Descriptor

    from dyncrit.codec.wire import WireField

    Keeps = Callable[[bytes], bool]

_MAX_DEPTH = 32


class _Piece(NamedTuple):
    """A field as it stands, with its tag; ``field`` is None for bytes at the end that are no fields."""

    data: bytes
    field: WireField | None


def reduce_fields(content: bytes, message: Descriptor | None, keeps: Keeps, depth: int = 0) -> bytes:
    """The message without the fields that can be left out, and so on in those that are messages.

    Which are is told by the descriptor; what the schema lacks stays whole or goes.
    """
    pieces = reduce_list(_pieces(content), lambda some: keeps(_joined(some)))
    if depth >= _MAX_DEPTH:
        return _joined(pieces)
    for index, piece in enumerate(pieces):
        below = _message_below(piece, message)
        if below is None or piece.field is None or not isinstance(piece.field.value, bytes):
            continue
        less = reduce_fields(piece.field.value, below, _within(pieces, index, keeps), depth + 1)
        if less != piece.field.value:
            pieces[index] = _with_value(piece.field, less)
    return _joined(pieces)


def reduce_values(content: bytes, message: Descriptor | None, keeps: Keeps, depth: int = 0) -> bytes:
    """The message with numbers that are 0, 1 or halved, and texts that are shorter, where that does."""
    pieces = list(_pieces(content))
    for index, piece in enumerate(pieces):
        if piece.field is None:
            tail = reduce_bytes(piece.data, lambda data: keeps(_joined(pieces[:-1]) + data))
            pieces[index] = _Piece(tail, None)
            continue
        here = _within(pieces, index, keeps)
        value = piece.field.value
        below = _message_below(piece, message)
        if isinstance(value, int):
            less: int | bytes = _less(value, here)
        elif below is not None and depth < _MAX_DEPTH:
            less = reduce_values(value, below, here, depth + 1)
        else:
            less = reduce_bytes(value, here)
        if less != value:
            pieces[index] = _with_value(piece.field, less)
    return _joined(pieces)


def _pieces(content: bytes) -> list[_Piece]:
    pieces: list[_Piece] = []
    position = 0
    try:
        for field in wire.fields(content):
            pieces.append(_Piece(content[field.start : field.end], field))
            position = field.end
    except ImageError:
        pieces.append(_Piece(content[position:], None))
    return pieces


def _joined(pieces: Sequence[_Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def _with_value(field: WireField, value: int | bytes) -> _Piece:
    data = wire.encode_field(field.number, field.wire_type, value)
    return _Piece(data, field._replace(value=value))


def _within(pieces: Sequence[_Piece], index: int, keeps: Keeps) -> Callable[[int | bytes], bool]:
    """Whether the message does with another value in the field of that index."""
    field = pieces[index].field
    assert field is not None  # noqa: S101 (only fields have values)
    before, behind = _joined(pieces[:index]), _joined(pieces[index + 1 :])
    return lambda value: keeps(before + _with_value(field, value).data + behind)


def _message_below(piece: _Piece, message: Descriptor | None) -> Descriptor | None:
    if piece.field is None or message is None or piece.field.wire_type != wire.LENGTH:
        return None
    descriptor = message.fields_by_number.get(piece.field.number)
    return descriptor.message_type if descriptor is not None else None


def _less(value: int, keeps: Callable[[int | bytes], bool]) -> int:
    """0, else 1, else the number halved as long as that does."""
    for small in _small(value):
        if keeps(small):
            return small
    while value > 3 and keeps(value // 2):
        value //= 2
    return value


def _small(value: int) -> Iterator[int]:
    return (small for small in (0, 1) if small < value)
