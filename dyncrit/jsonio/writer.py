"""Writes documents: a header, then entries in batches, with blobs streamed as base64."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import orjson

from dyncrit.jsonio.base64text import base64_string

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dyncrit.types import Blob, JsonObject

Format = Literal["json", "ndjson"]

_SLICE = 1000

FORMAT_KEY = "@format"
"""Tells, in the first line of NDJSON, that entries follow in lines of their own."""


class DocumentWriter:
    r"""Writes one document to a file: :meth:`begin`, :meth:`entries` any number of times, :meth:`end`.

    The text is UTF-8; strings with bytes that aren't (surrogate escapes) are written as ``\udcXX``.
    """

    def __init__(self, file: BinaryIO, *, pretty: bool = False, format: Format = "json") -> None:  # noqa: A002
        self._write = file.write
        self._lines = format == "ndjson"
        self._pretty = pretty and not self._lines
        self._option = orjson.OPT_INDENT_2 if self._pretty else 0
        self._token = os.urandom(16).hex()
        self._first = True

    def begin(self, header: JsonObject) -> None:
        """Write what stands before the entries."""
        if self._lines:
            self._write(orjson.dumps({**header, FORMAT_KEY: "ndjson"}) + b"\n")
        elif self._pretty:
            self._write(orjson.dumps(header, option=self._option)[:-2] + b',\n  "entries": [')
        else:
            self._write(orjson.dumps(header)[:-1] + b',"entries":[')

    def entries(self, documents: Sequence[JsonObject]) -> None:
        """Write entries."""
        if not documents:
            return
        if self._lines:
            for document in documents:
                self._entry(document)
                self._write(b"\n")
            return
        if not self._first:
            self._write(b",")
        self._first = False
        if len(documents) == 1:
            self._entry(documents[0])
        else:
            self._write_items(documents, 2)

    def end(self) -> None:
        """Write what stands behind the entries."""
        if self._pretty:
            self._write(b"]\n}\n" if self._first else b"\n  ]\n}\n")
        elif not self._lines:
            self._write(b"]}\n")

    def _entry(self, document: JsonObject) -> None:
        """Write one entry; its long lists, and their items, are never text all at once."""
        long_lists = {
            key: value for key, value in document.items() if type(value) is list and len(value) > _SLICE
        }
        if not long_lists:
            self._write_value(document, 2)
            return
        separator, colon = (b"\n      ", b": ") if self._pretty else (b"", b":")
        self._write(b"\n    {" if self._pretty else b"{")
        for index, (key, value) in enumerate(document.items()):
            self._write((b"," if index else b"") + separator + orjson.dumps(key) + colon)
            if key in long_lists:
                self._write_list(value)
            else:
                self._write_value(value, 3, inline=True)
        self._write(b"\n    }" if self._pretty else b"}")

    def _write_list(self, items: list[Any]) -> None:
        self._write(b"[")
        for start in range(0, len(items), _SLICE):
            self._write(b"," if start else b"")
            self._write_items(items[start : start + _SLICE], 4)
        self._write(b"\n      ]" if self._pretty else b"]")

    def _write_items(self, items: Sequence[Any], level: int) -> None:
        """Write the items of a list with commas between them, all at once where none needs care."""
        try:
            text = orjson.dumps(items, option=self._option)
        except TypeError:  # a blob, or a string with surrogate escapes
            for index, item in enumerate(items):
                self._write(b"," if index else b"")
                self._write_value(item, level)
            return
        self._write(text[1:-2].replace(b"\n", b"\n" + b"  " * (level - 1)) if self._pretty else text[1:-1])

    def _write_value(self, value: Any, level: int, *, inline: bool = False) -> None:
        """Write a value, indented by ``level`` where the output is pretty; blobs in it are streamed."""
        text, blobs = self._text(value)
        if self._pretty:
            indent = b"\n" + b"  " * level
            text = (b"" if inline else indent) + text.replace(b"\n", indent)
        if not blobs:
            self._write(text)
            return
        for index, piece in enumerate(re.split(rb'"%b-(\d+)"' % self._token.encode(), text)):
            if index % 2 == 0:
                self._write(piece)
            else:
                for part in base64_string(blobs[int(piece)].pieces()):
                    self._write(part)

    def _text(self, value: Any) -> tuple[bytes, list[Blob]]:
        """A value's JSON with a marker where a blob belongs, and the blobs."""
        blobs: list[Blob] = []

        def mark(item: Any) -> str:
            if not hasattr(item, "pieces"):
                raise TypeError(f"no JSON: {type(item).__name__}")
            blobs.append(item)
            return f"{self._token}-{len(blobs) - 1}"

        try:
            return orjson.dumps(value, default=mark, option=self._option), blobs
        except TypeError:
            import json

            blobs.clear()
            indent = 2 if self._pretty else None
            separators = (",", ": " if self._pretty else ":")
            return json.dumps(value, default=mark, indent=indent, separators=separators).encode(
                "ascii"
            ), blobs
