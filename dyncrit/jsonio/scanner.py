"""Splits JSON text into values without holding more of it than one value, and no long string at all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import orjson

from dyncrit.errors import DocumentError
from dyncrit.jsonio.base64text import LongString

if TYPE_CHECKING:
    from dyncrit.types import Json

_CHUNK_SIZE = 1 << 18
_LONG_STRING = 8 << 20
_MAX_DEPTH = 2000
_MAX_MISSES = 3

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
_BLANKS = re.compile(rb"[ \t\r]*+")
_SCALAR = re.compile(rb"[^,\]\}\s]*+")
_KEY = re.compile(_STRING, re.DOTALL)
_UP_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:%b[^"{}\[\]]*+)*+' % _STRING, re.DOTALL)
_BLOB_KEY = "@blob"


def _object_pattern(depth: int) -> bytes:
    """A pattern for an object with objects nested in it ``depth`` deep; lists need no counting."""
    inner = _STRING if depth == 0 else rb"(?:%b|%b)" % (_STRING, _object_pattern(depth - 1))
    return rb'\{[^{}"]*+(?:%b[^{}"]*+)*+\}' % inner


_SCALARS_AND_COMMAS = re.compile(rb'(?:[ \t\r\n]*+(?:%b|[^\s"{}\[\],]++)[ \t\r\n]*+,)++' % _STRING, re.DOTALL)
_OBJECTS_AND_COMMAS = re.compile(rb"(?:[ \t\r\n]*+%b[ \t\r\n]*+,)++" % _object_pattern(5), re.DOTALL)


class Scanner:
    """Reads JSON values one after the other from a file. Errors name the byte where they are.

    ``blobs`` counts the strings that were too long to hold.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = b""
        self._base = 0
        self._position = 0
        self._ended = False
        self.blobs = 0
        self._misses = 0  # guesses of batch() that were wrong in the list that is open
        if self.peek() == b"\xef" and self._buffer.startswith(b"\xef\xbb\xbf"):
            self._position = 3  # a byte order mark, as some editors write

    @property
    def offset(self) -> int:
        """The byte of the file that comes next."""
        return self._base + self._position

    def peek(self) -> bytes:
        """The next byte that is no white space, which is then the next; empty at the end of the file."""
        while True:
            match = _SPACE.match(self._buffer, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._buffer):
                return self._buffer[self._position : self._position + 1]
            if not self._fill():
                return b""

    def expect(self, wanted: bytes, what: str) -> None:
        """Pass over ``wanted``, a single byte; raises DocumentError, which names ``what``, for another."""
        if self.peek() != wanted:
            self.fail(f"expected {what}")
        self._position += 1

    def accept(self, wanted: bytes) -> bool:
        """Pass over ``wanted``, a single byte, if it comes next."""
        if self.peek() != wanted:
            return False
        self._position += 1
        return True

    def key(self) -> str:
        """The key that comes next, and the colon behind it."""
        if self.peek() != b'"':
            self.fail('expected a key in ""')
        while not (match := _KEY.match(self._buffer, self._position)):
            if len(self._buffer) - self._position > _CHUNK_SIZE or not self._fill():
                self.fail("a key that does not end")
        key = self._parse(match.group(), self.offset, [])
        self._position = match.end()
        self.expect(b":", "a colon behind the key")
        return str(key)

    def value(self) -> Json:
        """The value that comes next; strings of over 8 MiB in it are blobs."""
        text, blobs, offset = self._value_text()
        value: Json = self._parse(text, offset, blobs)
        return value

    def entry(self) -> Json:
        """The value that comes next, as :meth:`value`, but a large object is never held as text."""
        if self.peek() != b"{":
            return self.value()
        self._position += 1
        entry: dict[str, Json] = {}
        while not self.accept(b"}"):
            if entry:
                self.expect(b",", "a comma or } behind a value")
            key = self.key()
            entry[key] = self._list() if self.peek() == b"[" else self.value()
        return entry

    def skip_value(self) -> None:
        """Pass over the value that comes next."""
        self._value_text()

    def batch(self) -> list[Any]:
        """The objects, or the scalars, that come next, as many as are at hand and each has a comma behind it.

        An empty list says nothing: the next value may be longer than what is at hand, or another kind.
        """
        scalars = self.peek() != b"{"
        self._top_up()
        if not scalars and self._misses < _MAX_MISSES and (values := self._guessed_batch()):
            return values
        match = (_SCALARS_AND_COMMAS if scalars else _OBJECTS_AND_COMMAS).match(self._buffer, self._position)
        if not match:
            return []
        values = list(self._parse(b"[%b]" % match.group()[:-1], self.offset - 1, []))
        self._position = match.end()
        return values

    def line_batch(self) -> list[Any]:
        """The values that come next, each on a line of its own, as many lines as are at hand.

        An empty list says nothing: the next value may take several lines, or be none.
        """
        self._top_up()
        values: list[Any] = []
        while (end := self._buffer.find(b"\n", self._position)) >= 0:
            line = self._buffer[self._position : end]
            if not line.isspace() and line:
                try:
                    values.append(orjson.loads(line))
                except orjson.JSONDecodeError:
                    break
            self._position = end + 1
        return values

    def expect_line_end(self) -> None:
        """Raise DocumentError unless a line or the file ends here."""
        while True:
            match = _BLANKS.match(self._buffer, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._buffer):
                break
            if not self._fill():
                return
        if self._buffer[self._position : self._position + 1] != b"\n":
            self.fail("expected the end of the line")

    def _top_up(self) -> None:
        """Have enough at hand for a batch that is worth its while."""
        if len(self._buffer) - self._position < _CHUNK_SIZE // 2:
            self._fill()

    def _guessed_batch(self) -> list[Any]:
        """A batch that ends where one could: before the last ``{`` at hand that a comma stands before.

        That this is no place within an object is sure if the text up to it parses as a list's items.
        """
        start, buffer = self._position, self._buffer
        end = _last_comma(buffer, start)
        if end <= start:
            return []
        try:
            values: list[Any] = orjson.loads(b"[%b]" % buffer[start:end])
        except orjson.JSONDecodeError:
            self._misses += 1
            return []
        self._position = end + 1
        return values

    def skip_batch(self) -> bool:
        """Pass over objects as :meth:`batch` does; false where there are none."""
        self._top_up()
        match = _OBJECTS_AND_COMMAS.match(self._buffer, self._position)
        self._position = match.end() if match else self._position
        return bool(match)

    def fail(self, problem: str, offset: int | None = None) -> NoReturn:
        """Raise DocumentError with the byte and what stands there."""
        at = self.offset if offset is None else offset
        found = self._buffer[at - self._base : at - self._base + 20] if at >= self._base else b""
        what = (
            f", found {found.decode('utf-8', 'replace')!r}"
            if found
            else ", found the end of the file"
            if offset is None
            else ""
        )
        raise DocumentError(f"not JSON: {problem}{what}", f"byte {at}") from None

    def _list(self) -> list[Json]:
        """The list that comes next, its objects taken in batches."""
        self._position += 1
        items: list[Json] = []
        if self.accept(b"]"):
            return items
        misses, self._misses = self._misses, 0
        while True:
            while batch := self.batch():
                items += batch
            items.append(self.value())
            if self.accept(b"]"):
                self._misses = misses
                return items
            self.expect(b",", "a comma or ] behind a value")

    def _fill(self) -> bool:
        """Read on; what is behind is dropped. False at the end of the file."""
        if self._ended:
            return False
        kept = self._buffer[self._position :]
        chunk = self._file.read(max(_CHUNK_SIZE, len(kept)))
        self._base += self._position
        self._buffer, self._position = kept + chunk, 0
        self._ended = not chunk
        return bool(chunk)

    def _value_text(self) -> tuple[bytes, list[LongString], int]:
        first, offset = self.peek(), self.offset
        if not first:
            self.fail("expected a value")
        if first in b"{[":
            return (*self._nested_text(), offset)
        parts: list[bytes] = []
        blobs: list[LongString] = []
        if first == b'"':
            while not (match := _KEY.match(self._buffer, self._position)):
                if self._take_long_string(self._position, parts, blobs):
                    return b"".join(parts), blobs, offset
        else:
            while (match := _SCALAR.match(self._buffer, self._position)) and match.end() == len(self._buffer):
                if len(match.group()) > _CHUNK_SIZE or not self._fill():
                    break
        assert match is not None  # noqa: S101 (the patterns match or the loops go on)
        self._position = match.end()
        return match.group(), blobs, offset

    def _nested_text(self) -> tuple[bytes, list[LongString]]:
        """The text of an object or list, each bracket in it counted once."""
        parts: list[bytes] = []
        blobs: list[LongString] = []
        depth, ahead = 0, 0  # ahead counts from the position
        while True:
            match = _UP_TO_BRACKET.match(self._buffer, self._position + ahead)
            at = match.end() if match else self._position + ahead
            ahead = at - self._position
            bracket = self._buffer[at : at + 1]
            if not bracket:
                if not self._fill():
                    self.fail("an object or list that does not end", self._base + len(self._buffer))
            elif bracket == b'"':
                if self._take_long_string(at, parts, blobs):
                    ahead = 0
            else:
                depth += 1 if bracket in b"{[" else -1
                ahead += 1
                if depth == 0:
                    break
                if depth > _MAX_DEPTH:
                    self.fail(f"nested deeper than {_MAX_DEPTH}")
        parts.append(self._buffer[self._position : self._position + ahead])
        self._position += ahead
        return b"".join(parts), blobs

    def _take_long_string(self, at: int, parts: list[bytes], blobs: list[LongString]) -> bool:
        """Read on for a string that begins at ``at``; true if it was long and is among the ``blobs`` now."""
        if len(self._buffer) - at < _LONG_STRING:
            if not self._fill():
                self.fail("a string that does not end", self._base + at)
            return False
        blob = LongString(self._base + at)
        self.blobs += 1
        parts += (self._buffer[self._position : at], b'{"%b":%d}' % (_BLOB_KEY.encode(), len(blobs)))
        blobs.append(blob)
        self._position = at + 1
        while True:
            end = self._buffer.find(b'"', self._position)
            stop = end if end >= 0 else len(self._buffer)
            content = self._buffer[self._position : stop]
            slashes = len(content) - len(content.rstrip(b"\\"))
            if end < 0:  # backslashes at the end may escape what comes next
                blob.feed(content[: len(content) - slashes])
                self._position = stop - slashes
                if not self._fill():
                    self.fail("a string that does not end")
                continue
            self._position = end + 1
            blob.feed(content)
            if slashes % 2 == 0:
                return True
            blob.feed(b'"')

    def _parse(self, text: bytes, offset: int, blobs: list[LongString]) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = self._parse_leniently(text, offset)  # surrogate escapes, which orjson refuses
        return _with_blobs(value, blobs) if blobs else value

    def _parse_leniently(self, text: bytes, offset: int) -> Any:
        try:
            return json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            self.fail("not UTF-8", offset + error.start)
        except RecursionError:
            self.fail("nested too deeply", offset)
        except json.JSONDecodeError as error:
            before = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
            self.fail(error.msg, offset + before)
        except ValueError as error:
            self.fail(str(error), offset)


def _last_comma(buffer: bytes, start: int) -> int:
    """Where the last comma is that may stand between two objects of a list; -1 if there is none."""
    brace = len(buffer)
    for _ in range(64):
        brace = buffer.rfind(b"{", start, brace)
        if brace < 0:
            break
        before = buffer[max(start, brace - 64) : brace].rstrip()
        if before.endswith(b","):
            return max(start, brace - 64) + len(before) - 1
    return -1


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _with_blobs(value: Any, blobs: list[LongString]) -> Any:
    if isinstance(value, list):
        return [_with_blobs(item, blobs) for item in value]
    if isinstance(value, dict):
        index = value.get(_BLOB_KEY)
        if len(value) == 1 and type(index) is int and 0 <= index < len(blobs):
            return blobs[index]
        return {key: _with_blobs(item, blobs) for key, item in value.items()}
    return value
