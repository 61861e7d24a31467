"""What an edit changes, field by field: what ``--dry-run`` prints."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.codec import extra
from dyncrit.codec.message import codecs_for
from dyncrit.codec.payload import content_size
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader, ReadEntry
from dyncrit.codec.source import Extent, Source
from dyncrit.codec.wire import numbers_at
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.editing.staged import StagedFolder
    from dyncrit.schema import Schema
    from dyncrit.types import Json, JsonObject

    _Key = tuple[tuple[int, int], ...]
    _Pair = tuple[str, Json | "_Absent", Json | "_Absent"]

_MAX_ALIGNED = 4096
"""How many entries are looked at to tell which were dropped; of more, each is held against its index."""
_MAX_PAYLOAD = 4096
_MAX_JSON = 16 << 20
_MAX_DEPTH = 200
_KEY_FIELDS = frozenset({1, 2})
"""Where messages have their ids and addresses; what a change keeps, mostly."""
_HASH_SIZE = 16
_CHUNK = 64 << 10
_SHOWN_BYTES = 32
_NEAR = 64
"""Bytes that differ are told together where no more than this many are the same between them."""
_DIFFERENT = re.compile(rb"[^\0]++(?:\0{1,%d}+[^\0]++)*+" % _NEAR)
_MAX_RANGES = 1000


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""Stands for a value that isn't there."""


class FieldChange(NamedTuple):
    """A value that is another: in which file, at which path in it; ``ABSENT`` where there is none.

    Values are as ``decode --pretty`` shows them. In raw files the path is ``byte N``, and values are hex.
    """

    file: str
    path: str
    before: Json | _Absent
    after: Json | _Absent

    def to_dict(self) -> JsonObject:
        """The change as JSON has it; a value that isn't there has no key."""
        values = {"before": self.before, "after": self.after}
        return {
            "file": self.file,
            "path": self.path,
            **{name: value for name, value in values.items() if not isinstance(value, _Absent)},
        }


def differences(edit: Edit) -> Iterator[FieldChange]:
    """All that the edit changes so far, file by file."""
    yield from _in_folder(edit.images, edit.schema)
    if edit.outer is not None:
        yield from _in_folder(edit.outer, edit.schema)


def changed_values(
    before: Json, after: Json, path: str = ""
) -> Iterator[tuple[str, Json | _Absent, Json | _Absent]]:
    """The values that differ between two documents, with the path of each.

    >>> list(changed_values({"a": {"b": 1}, "c": [1, 2]}, {"a": {"b": 2}, "c": [1]}))
    [('a.b', 1, 2), ('c[1]', 2, ABSENT)]
    """
    pending: list[Iterator[_Pair]] = [iter([(path, before, after)])]
    while pending:  # a stack, since engines' files may be nested deeply
        pair = next(pending[-1], None)
        if pair is None:
            pending.pop()
            continue
        below, old, new = pair
        if isinstance(old, dict) and isinstance(new, dict):
            pending.append(_members(old, new, below))
        elif isinstance(old, list) and isinstance(new, list):
            pending.append(_items(old, new, below))
        elif old != new or type(old) is not type(new):
            yield pair


def _members(before: JsonObject, after: JsonObject, path: str) -> Iterator[_Pair]:
    for name in {**before, **after}:
        yield f"{path}.{name}" if path else name, before.get(name, ABSENT), after.get(name, ABSENT)


def _items(before: list[Json], after: list[Json], path: str) -> Iterator[_Pair]:
    moved = _same_at_end(before, after) if len(before) != len(after) else 0
    for index in range(max(len(before), len(after)) - moved):
        old = before[index] if index < len(before) - moved else ABSENT
        new = after[index] if index < len(after) - moved else ABSENT
        yield f"{path}[{index}]", old, new


def _same_at_end(before: list[Json], after: list[Json]) -> int:
    """How many items at the end of lists are the same: they moved, as others were put in or dropped."""
    count = 0
    try:
        while count < min(len(before), len(after)) and before[-1 - count] == after[-1 - count]:
            count += 1
    except RecursionError:  # nested deeply
        return 0
    return count


def _in_folder(folder: StagedFolder, schema: Schema) -> Iterator[FieldChange]:
    for change in folder.changes:
        name = change.name
        if change.content is None:
            yield FieldChange(name, "", f"{folder.original.size(name)} bytes", ABSENT)
        elif name not in folder.original:
            yield FieldChange(name, "", ABSENT, f"{folder.size(name)} bytes")
        else:
            yield from _in_file(folder, name, schema)


def _in_file(folder: StagedFolder, name: str, schema: Schema) -> Iterator[FieldChange]:
    """What is another in a file; as bytes, where it is nothing that documents show."""
    shown = False
    for change in _in_documents(folder, name, schema):
        shown = True
        yield change
    if not shown:
        yield from _in_bytes(folder, name)


def _in_documents(folder: StagedFolder, name: str, schema: Schema) -> Iterator[FieldChange]:
    with folder.original.open(name) as one, folder.open(name) as other:
        try:
            sides = [_Side(Source(file, name), name, schema) for file in (one, other)]
        except DyncritError:
            sides = []  # no image with records
        if sides:
            yield from _in_image(name, *sides)
            return
    if (documents := _documents(folder, name)) is not None:
        for path, before, after in changed_values(*documents):
            yield FieldChange(name, path, before, after)


def _documents(folder: StagedFolder, name: str) -> tuple[Json, Json] | None:
    """A file before and after, if it is JSON, as the engines' are."""
    views = (folder.original.view(name), folder.view(name))
    if any(len(view) > _MAX_JSON or bytes(view[:1]) not in {b"{", b"["} for view in views):
        return None
    try:
        before, after = (json.loads(bytes(view)) for view in views)
    except (ValueError, RecursionError):
        return None
    return None if _is_deep(before) or _is_deep(after) else (before, after)


def _is_deep(document: Json) -> bool:
    """Whether a document is nested more deeply than it could be printed."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _in_bytes(folder: StagedFolder, name: str) -> Iterator[FieldChange]:
    before, after = folder.original.view(name), folder.view(name)
    size = min(len(before), len(after))
    if len(before) == len(after):
        for count, (start, end) in enumerate(_ranges(before, after, size)):
            if count == _MAX_RANGES:
                yield FieldChange(name, f"byte {start} and more", "...", "...")
                return
            yield FieldChange(name, f"byte {start}", _hex(before[start:end]), _hex(after[start:end]))
        return
    yield FieldChange(name, "", f"{len(before)} bytes", f"{len(after)} bytes")
    start = next((first for first, _ in _ranges(before, after, size)), size)
    moved = _same_bytes_at_end(before, after, size - start)
    old, new = (view[start : len(view) - moved] for view in (before, after))
    yield FieldChange(name, f"byte {start}", _hex(old) if old else ABSENT, _hex(new) if new else ABSENT)


def _same_bytes_at_end(before: memoryview, after: memoryview, most: int) -> int:
    """How many bytes at the end are the same: they moved, as others were put in or dropped."""
    for done in range(0, most, _CHUNK):
        size = min(_CHUNK, most - done)
        one, other = (bytes(view[len(view) - done - size : len(view) - done]) for view in (before, after))
        if one != other:
            return done + next(index for index in range(size) if one[-1 - index] != other[-1 - index])
    return most


def _ranges(before: memoryview, after: memoryview, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of bytes that differ; those that are near each other are one."""
    last: tuple[int, int] | None = None
    for found in _differing(before, after, size):
        if last is None:
            last = found
        elif found[0] - last[1] <= _NEAR:
            last = (last[0], found[1])
        else:
            yield last
            last = found
    if last is not None:
        yield last


def _differing(before: memoryview, after: memoryview, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of bytes that differ, block by block."""
    for start in range(0, size, _CHUNK):
        end = min(start + _CHUNK, size)
        old, new = bytes(before[start:end]), bytes(after[start:end])
        if old == new:
            continue
        both = int.from_bytes(old, "big") ^ int.from_bytes(new, "big")  # zeros where they are the same
        for match in _DIFFERENT.finditer(both.to_bytes(len(old), "big")):
            yield start + match.start(), start + match.end()


def _hex(data: memoryview) -> str:
    shown = bytes(data[:_SHOWN_BYTES]).hex(" ")
    return shown if len(data) <= _SHOWN_BYTES else f"{shown} ... ({len(data)} bytes)"


class _Side:
    """An image, before or after, whose entries are looked at in order.

    Of each entry a hash is kept, of it and its payload as they stand in the file.
    """

    def __init__(self, source: Source, name: str, schema: Schema) -> None:
        self.frame = read_image_frame(source, name, schema)
        self._codecs = codecs_for(schema, Style(pretty=True, byte_order=self.frame.byte_order))
        self._source = source
        self._hashes = bytearray()
        for entry in self._read():
            size = self._record_size(entry) + (entry.payload.size if entry.payload else 0)
            self._hashes += _hash(Extent(source, entry.offset, size))
        self._entries = self._read()

    def __len__(self) -> int:
        return len(self._hashes) // _HASH_SIZE

    def hash(self, index: int) -> bytes:
        """The hash of an entry."""
        return bytes(self._hashes[index * _HASH_SIZE : (index + 1) * _HASH_SIZE])

    def keys(self, indices: range) -> list[_Key]:
        """What entries that stand together are known by: their ids."""
        entries = itertools.islice(self._read(), indices.start, indices.stop)
        return [tuple(numbers_at(entry.record, _KEY_FIELDS).items()) for entry in entries]

    def document(self, index: int) -> JsonObject:
        """The document of an entry; indices must grow from call to call."""
        entry = next(entry for entry in self._entries if entry.position == index)
        document = self._codecs.codec(entry.layout.message).decode(entry.record)
        if layout := entry.layout.payload:
            size = content_size(layout, entry.payload) if entry.payload else 0
            if size <= _MAX_PAYLOAD:
                extra.add_payload(document, extra.show_payload(layout, entry.payload, self._codecs))
            elif entry.payload:
                start = entry.offset + self._record_size(entry)
                digest = _hash(Extent(self._source, start, entry.payload.size))
                document[extra.KEY] = f"{size} bytes, hash {digest.hex()}"
        return document

    def _read(self) -> Iterator[ReadEntry]:
        return ImageReader(self._source, self.frame).entries()

    def _record_size(self, entry: ReadEntry) -> int:
        return self.frame.image_type.length_size + len(entry.record)


def _hash(extent: Extent) -> bytes:
    digest = hashlib.blake2b(digest_size=_HASH_SIZE)
    for piece in extent.pieces():
        digest.update(piece)
    return digest.digest()


def _in_image(name: str, before: _Side, after: _Side) -> Iterator[FieldChange]:
    for old, new in _pairs(before, after):
        path = f"entries[{new if old is None else old}]"
        if old is None or new is None:
            shown = [
                ABSENT if index is None else side.document(index)
                for side, index in ((before, old), (after, new))
            ]
            yield FieldChange(name, path, *shown)
            continue
        for below, was, now in changed_values(before.document(old), after.document(new)):
            yield FieldChange(name, f"{path}.{below}", was, now)


def _pairs(before: _Side, after: _Side) -> Iterator[tuple[int | None, int | None]]:
    """The entries that differ, before and after, in order; None where one was added or dropped."""
    both = min(len(before), len(after))
    first = 0
    while first < both and before.hash(first) == after.hash(first):
        first += 1
    last = 0
    while last < both - first and before.hash(len(before) - 1 - last) == after.hash(len(after) - 1 - last):
        last += 1
    olds, news = range(first, len(before) - last), range(first, len(after) - last)
    if len(olds) == len(news) or max(len(olds), len(news)) > _MAX_ALIGNED:
        yield from _by_index(olds, news, before, after)
        return
    matcher = difflib.SequenceMatcher(None, before.keys(olds), after.keys(news), autojunk=False)
    for _, old, old_end, new, new_end in matcher.get_opcodes():
        yield from _by_index(olds[old:old_end], news[new:new_end], before, after)


def _by_index(
    olds: range, news: range, before: _Side, after: _Side
) -> Iterator[tuple[int | None, int | None]]:
    for index in range(max(len(olds), len(news))):
        old = olds[index] if index < len(olds) else None
        new = news[index] if index < len(news) else None
        if old is None or new is None or before.hash(old) != after.hash(new):
            yield old, new
