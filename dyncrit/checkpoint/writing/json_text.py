"""JSON texts in which some values change, and not one byte besides."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Place = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def splice(data: bytes, values: Mapping[Place, object], keys: Mapping[Place, str] | None = None) -> bytes:
    """A JSON text with other values at some places, and other names for the ``keys`` at some.

    A place is the way there: keys of objects and indexes of lists, all of which are there.

    >>> splice(b'{ "a": [1, 2],"b": null }', {("a", 1): "x"})
    b'{ "a": [1, "x"],"b": null }'
    """
    encoding = json.detect_encoding(data)
    text = data.decode(encoding, "surrogatepass")
    edits = [(_find(text, place).value, json.dumps(value)) for place, value in values.items()]
    edits += [(_find(text, place).key, json.dumps(key)) for place, key in (keys or {}).items()]
    for span, new in sorted(edits, reverse=True):
        text = text[: span.start] + new + text[span.stop :]
    return text.encode(encoding, "surrogatepass")


class _Span(NamedTuple):
    start: int
    stop: int


class _Item(NamedTuple):
    """An item of an object or a list; ``key`` is empty in a list."""

    step: str | int
    key: _Span
    value: _Span


def _find(text: str, place: Place) -> _Item:
    item = _Item("", _Span(0, 0), _Span(_skip(text, 0), len(text)))
    for step in place:
        # of equal keys the last counts
        item = [inner for inner in _items(text, item.value.start) if inner.step == step][-1]
    return item


def _items(text: str, position: int) -> Iterator[_Item]:
    """The items of what stands at ``position``, an object or a list."""
    is_object = text[position] == "{"
    position = _skip(text, position + 1)
    index = 0
    while text[position] not in "}]":
        step: str | int = index
        key = _Span(position, position)
        if is_object:
            step, end = _DECODER.raw_decode(text, position)
            key = _Span(position, end)
            position = _skip(text, _skip(text, end) + 1)  # the colon
        _, end = _DECODER.raw_decode(text, position)
        yield _Item(step, key, _Span(position, end))
        index += 1
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
