"""Writes documents: a header, then entries in batches, with blobs streamed as base64."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import orjson

from dyncrit.jsonio.base64text import base64_string

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.types import Blob, JsonObject

Format = Literal["json", "ndjson"]

FORMAT_KEY = "@format"
"""Tells, in the first line of NDJSON, that entries follow in lines of their own."""


class DocumentWriter:
    """Writes one document to a file: :meth:`begin`, then :meth:`entries` any number of times, then :meth:`end`.

    The text is UTF-8; strings with bytes that aren't (surrogate escapes) are written as ``\\\\udcXX``.
    """

    def __init__(self, file: BinaryIO, *, pretty: bool = False, format: Format = "json") -> None:  # noqa: A002
        self._write = file.write
        self._lines = format == "ndjson"
        self._pretty = pretty and not self._lines
        self._option = orjson.OPT_INDENT_2 if self._pretty else 0
        self._token = secrets.token_hex(16)
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
                self._write_pieces(self._text(document))
                self._write(b"\n")
            return
        if not self._first:
            self._write(b",")
        self._first = False
        try:
            text = orjson.dumps(documents, option=self._option)
        except TypeError:  # a blob, or a string with surrogate escapes
            for index, document in enumerate(documents):
                if index:
                    self._write(b",")
                self._write_pieces(
                    b"\n    " + self._text(document).replace(b"\n", b"\n    ")
                    if self._pretty
                    else self._text(document)
                )
            return
        self._write(text[1:-2].replace(b"\n", b"\n  ") if self._pretty else text[1:-1])

    def end(self) -> None:
        """Write what stands behind the entries."""
        if self._pretty:
            self._write(b"]\n}\n" if self._first else b"\n  ]\n}\n")
        elif not self._lines:
            self._write(b"]}\n")

    def _text(self, document: JsonObject) -> bytes:
        """One entry's JSON, with a marker where a blob belongs (which is kept till it is written)."""
        self._blobs: list[Blob] = []
        try:
            return orjson.dumps(document, default=self._mark, option=self._option)
        except TypeError:
            self._blobs = []
            indent = 2 if self._pretty else None
            separators = (",", ": " if self._pretty else ":")
            return json.dumps(document, default=self._mark, indent=indent, separators=separators).encode(
                "ascii"
            )

    def _mark(self, value: Any) -> str:
        if not hasattr(value, "pieces"):
            raise TypeError(f"no JSON: {type(value).__name__}")
        self._blobs.append(value)
        return f"{self._token}-{len(self._blobs) - 1}"

    def _write_pieces(self, text: bytes) -> None:
        if not self._blobs:
            self._write(text)
            return
        for piece in self._with_blobs(text):
            self._write(piece)

    def _with_blobs(self, text: bytes) -> Iterator[bytes]:
        pieces = re.split(rb'"%b-(\d+)"' % self._token.encode(), text)
        for index, piece in enumerate(pieces):
            if index % 2:
                yield from base64_string(self._blobs[int(piece)].pieces())
            else:
                yield piece
