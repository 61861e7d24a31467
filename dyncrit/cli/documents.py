"""JSON documents on stdout that may be longer than memory, or deeper than what writes them elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from dyncrit.cli.streams import open_output

_MAX_INDENT = 64
_BATCH = 1 << 16


def print_document(value: object) -> None:
    """A value as indented JSON on stdout; iterators in it are lists, and read as they are written."""
    with open_output(None, binary=False) as output:
        waiting: list[bytes] = []
        size = 0
        for piece in document_pieces(value):
            waiting.append(piece)
            size += len(piece)
            if size >= _BATCH:
                output.write(b"".join(waiting))
                waiting.clear()
                size = 0
        output.write(b"".join(waiting) + b"\n")


def document_pieces(value: object) -> Iterator[bytes]:
    r"""The text of a value in pieces. Text that isn't UTF-8 (surrogate escapes) is ``\udcXX``.

    It needs no stack of its own for each level: what is nested deeply is told by a list of what is open.
    """
    stack: list[_Open] = []
    yield _begin(value, stack)
    while stack:
        container = stack[-1]
        found = next(container.items, None)
        if found is None:
            stack.pop()
            yield container.end if container.empty else _line(len(stack)) + container.end
            continue
        key, item = found
        separator = b"" if container.empty else b","
        container.empty = False
        yield separator + _line(len(stack)) + (b"" if key is None else _scalar(key) + b": ")
        yield _begin(item, stack)


class _Open:
    """An object or a list that is being written: the items to come, and what closes it."""

    __slots__ = ("empty", "end", "items")

    def __init__(self, items: Iterator[tuple[str | None, Any]], end: bytes) -> None:
        self.items = items
        self.end = end
        self.empty = True


def _begin(value: object, stack: list[_Open]) -> bytes:
    """A value that can be written at once; else its first byte, and the rest goes to ``stack``."""
    if isinstance(value, dict | list):
        try:
            text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
        except TypeError:  # an iterator within, text that isn't UTF-8, or too deep
            if isinstance(value, dict):
                stack.append(_Open(iter(value.items()), b"}"))
                return b"{"
            return _begin(iter(value), stack)
        return text.replace(b"\n", _line(len(stack)))
    if isinstance(value, Iterator):
        stack.append(_Open(((None, item) for item in value), b"]"))
        return b"["
    return _scalar(value)


def _line(depth: int) -> bytes:
    return b"\n" + b"  " * min(depth, _MAX_INDENT)


def _scalar(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode("ascii")
