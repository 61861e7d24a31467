"""Reads documents: the header, then entries in batches."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

from dyncrit.errors import DocumentError
from dyncrit.jsonio.base64text import LongString
from dyncrit.jsonio.scanner import Scanner
from dyncrit.jsonio.writer import FORMAT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.types import JsonObject

_ENTRIES_KEY = "entries"
_MAGIC_KEY = "magic"
_BLOB_KEY = "extra"


class DocumentReader:
    """One document in a seekable file, JSON or NDJSON (told by its content).

    ``header`` holds all keys beside the entries, wherever they stand. Raises DocumentError for text
    that is no document, with the byte where that shows.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._scanner = self._begin()
        self._lines = False
        self.header = self._header()
        if self._in_entries and _MAGIC_KEY not in self.header:
            # Keys in alphabetical order, say: look behind the entries first, then read them.
            self._skip_entries()
            late = self._late_keys()
            self._scanner = self._begin()
            self._header()
            self.header.update(late)
            self._known_late = frozenset(late)
        else:
            self._known_late = frozenset()

    def entries(self) -> Iterator[list[JsonObject]]:
        """The entries in lists, a few hundred KiB of text each at most (or one longer entry).

        Strings of over 8 MiB under ``extra`` are blobs.
        """
        if self._lines:
            yield from self._line_entries()
            return
        if not self._in_entries:
            raise DocumentError('no "entries" in it: expected a document as `dyncrit decode` writes it')
        if not self._scanner.accept(b"]"):
            while True:
                while batch := self._scanner.batch():
                    yield batch
                yield [self._entry()]
                if self._scanner.accept(b"]"):
                    break
                self._scanner.expect(b",", "a comma or ] behind an entry")
        late = self._late_keys()
        if unexpected := [key for key in late if key not in self._known_late]:
            raise DocumentError(f"{unexpected[0]!r} stands behind the entries; it must stand before them")

    def _entry(self) -> Any:
        """The entry that comes next, with blobs only where they can be streamed on."""
        blobs = self._scanner.blobs
        entry: Any = self._scanner.entry()
        if self._scanner.blobs == blobs or not isinstance(entry, dict):
            return entry
        return {key: value if key == _BLOB_KEY else _without_blobs(value) for key, value in entry.items()}

    def _begin(self) -> Scanner:
        self._file.seek(0)
        scanner = Scanner(self._file)
        if not scanner.peek():
            raise DocumentError("an empty file: expected a document as `dyncrit decode` writes it")
        scanner.expect(b"{", "an object with magic and entries, as `dyncrit decode` writes it")
        return scanner

    def _header(self) -> JsonObject:
        """The keys up to the entries."""
        header: JsonObject = {}
        self._in_entries = False
        if self._scanner.accept(b"}"):
            return header
        for key in self._keys():
            if key == _ENTRIES_KEY:
                self._scanner.expect(b"[", "a list of entries")
                self._in_entries = True
                return header
            header[key] = self._scanner.value()
        self._scanner.expect_line_end()
        self._lines = header.pop(FORMAT_KEY, None) == "ndjson" or self._scanner.peek() == b"{"
        return header

    def _keys(self) -> Iterator[str]:
        """The keys of the object that is open; the caller takes the value behind each."""
        for index in itertools.count():
            if index and self._scanner.accept(b"}"):
                return
            if index:
                self._scanner.expect(b",", "a comma or } behind a value")
            yield self._scanner.key()

    def _late_keys(self) -> JsonObject:
        """The keys behind the entries, to the end of the file."""
        late: JsonObject = {}
        while not self._scanner.accept(b"}"):
            self._scanner.expect(b",", "a comma or } behind the entries")
            key = self._scanner.key()
            late[key] = self._scanner.value()
        self._expect_end()
        return late

    def _expect_end(self) -> None:
        if self._scanner.peek():
            self._scanner.fail("expected the end of the document")

    def _skip_entries(self) -> None:
        if self._scanner.accept(b"]"):
            return
        while True:
            while self._scanner.skip_batch():
                pass
            self._scanner.skip_value()
            if self._scanner.accept(b"]"):
                return
            self._scanner.expect(b",", "a comma or ] behind an entry")

    def _line_entries(self) -> Iterator[list[JsonObject]]:
        while self._scanner.peek():
            while batch := self._scanner.line_batch():
                yield batch
            if self._scanner.peek():
                yield [self._entry()]
                self._scanner.expect_line_end()


def _without_blobs(value: Any) -> Any:
    """A value with text in place of blobs."""
    if isinstance(value, LongString):
        return value.text()
    if isinstance(value, list):
        return [_without_blobs(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_blobs(item) for key, item in value.items()}
    return value
