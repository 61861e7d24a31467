"""Finds a pattern in every field of every image."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.checkpoint.search import regex_pattern, text_pattern
from dyncrit.codec.framing import entry_place
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.edit.general.leaves import Leaf, entry_leaves
from dyncrit.edit.general.path import ENTRIES
from dyncrit.errors import DyncritError, ImageError, RawImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from dyncrit.checkpoint.search import Pattern
    from dyncrit.edit.general.source import Reading
    from dyncrit.types import Blob, JsonObject

_MOST_DAMAGED = 20
"""How many damaged entries of an image are told one by one."""

_LONGEST = 400
"""A value of more bytes is shown by what stands around the match, as long a match by its beginning."""

_AROUND = 60


class Excerpt(NamedTuple):
    """A text, where the match is in it, and whether the text isn't all there is."""

    text: str
    start: int = 0
    end: int = 0
    is_cut: bool = False


class FieldHit(NamedTuple):
    """A field that holds what is looked for: in which image and entry, and at which path.

    ``excerpt`` is what was searched, the pretty value mostly, and the first match in it.
    """

    image: str
    entry: int
    path: str
    excerpt: Excerpt

    def to_dict(self) -> JsonObject:
        """The hit as JSON has it."""
        text, start, end, is_cut = self.excerpt
        place = {"image": self.image, "entry": self.entry, "path": self.path}
        return {**place, "text": text, "is_cut": is_cut, "match": text[start:end]}


if TYPE_CHECKING:
    Looker: TypeAlias = Callable[[Pattern, Leaf], Excerpt | None]


def field_pattern(text: str, *, literal: bool = False, ignore_case: bool = False) -> Pattern:
    """What to look for: a regular expression, or a text that is meant as it is.

    Raises PatternError for an expression that is wrong or can match nothing at all.
    """
    if literal and not ignore_case:
        return text_pattern(text)
    return regex_pattern(re.escape(text) if literal else text, ignore_case)


def search_fields(reading: Reading, pattern: Pattern, *, names: bool = False) -> Iterator[FieldHit]:
    """The fields that hold what ``pattern`` matches, each once; with ``names``, those whose names match.

    Values are searched as pretty documents show them, numbers that are shown in another way also in decimal;
    bytes and payloads as they are. What is damaged is passed over and stands in the checkpoint's problems.
    """
    look = _look_at_name if names else _look_at_value
    for name in reading.names:
        yield from _search_image(reading, name, pattern, look)


def _search_image(reading: Reading, name: str, pattern: Pattern, look: Looker) -> Iterator[FieldHit]:
    images, problems = reading.checkpoint.images, reading.checkpoint.problems
    damaged = 0
    try:
        with images.tree.open(name) as file:
            source = Source(file, images.path(name))
            frame = read_image_frame(source, name, images.schema)
            style = Style(pretty=True, byte_order=frame.byte_order)
            codecs, planner = codecs_for(images.schema, style), Planner(style)
            for item in ImageReader(source, frame).entries():
                try:
                    for leaf in entry_leaves(item, codecs, planner):
                        if excerpt := look(pattern, leaf):
                            path = f"{ENTRIES}[{item.position}].{leaf.path}"
                            yield FieldHit(name, item.position, path, excerpt)
                except ImageError as error:
                    damaged += 1
                    if damaged <= _MOST_DAMAGED:
                        problems.error(name, f"{entry_place(item.position, item.offset)}: {error}")
    except RawImageError as error:
        if reading.name is not None:
            problems.error(name, error.problem)
    except (DyncritError, OSError) as error:
        text = str(error) if isinstance(error, DyncritError) else error.strerror or str(error)
        problems.error(name, text.removeprefix(f"{images.path(name)}: "))
    if damaged > _MOST_DAMAGED:
        problems.error(name, f"{damaged - _MOST_DAMAGED} more entries are damaged")


def _look_at_value(pattern: Pattern, leaf: Leaf) -> Excerpt | None:
    for content in leaf.contents:
        if isinstance(content, str):
            found = _search_text(pattern, content)
        elif isinstance(content, bytes):
            found = _search_bytes(pattern, content)
        else:
            found = _search_blob(pattern, content)
        if found:
            return found
    return None


def _look_at_name(pattern: Pattern, leaf: Leaf) -> Excerpt | None:
    name = leaf.name.encode("utf-8", "surrogateescape")
    if _first(pattern, name) is None:
        return None
    content = leaf.contents[0] if leaf.contents else json.dumps(leaf.value, ensure_ascii=False)
    if not isinstance(content, str):
        piece = content if isinstance(content, bytes) else next(iter(content.pieces()), b"")
        size = len(content) if isinstance(content, bytes) else content.size
        return Excerpt(piece[:_LONGEST].decode("utf-8", "backslashreplace"), is_cut=size > _LONGEST)
    return Excerpt(content[:_LONGEST], is_cut=len(content) > _LONGEST)


def _first(pattern: Pattern, data: bytes) -> tuple[int, int] | None:
    return next(iter(pattern.spans(memoryview(data), 0, len(data))), None)


def _search_text(pattern: Pattern, text: str) -> Excerpt | None:
    data = text.encode("utf-8", "surrogateescape")
    span = _first(pattern, data)
    return _excerpt(data, *span, errors="surrogateescape") if span else None


def _search_bytes(pattern: Pattern, data: bytes) -> Excerpt | None:
    span = _first(pattern, data)
    return _excerpt(data, *span) if span else None


def _search_blob(pattern: Pattern, blob: Blob) -> Excerpt | None:
    """The first match in a blob, piece by piece, each with enough of those around it."""
    behind = max(pattern.behind, _AROUND)
    buffer, start, left = b"", 0, blob.size
    for piece in blob.pieces():
        left -= len(piece)
        buffer += piece
        limit = len(buffer) if not left else max(start, len(buffer) - pattern.reach - _AROUND)
        for first, end in pattern.spans(memoryview(buffer), start, limit):
            return _excerpt(buffer, first, end)._replace(is_cut=True)
        cut = max(0, limit - behind)
        buffer, start = buffer[cut:], limit - cut
    return None


def _excerpt(data: bytes, start: int, end: int, errors: str = "backslashreplace") -> Excerpt:
    """What is shown of a value around a match; bytes that are no text as escapes."""
    low, high = 0, len(data)
    if len(data) > _LONGEST:
        end = min(end, start + _LONGEST)
        low, high = max(0, start - _AROUND), min(len(data), end + _AROUND)
    before, match, after = (
        part.decode("utf-8", errors) for part in (data[low:start], data[start:end], data[end:high])
    )
    is_cut = high - low < len(data)
    return Excerpt(before + match + after, len(before), len(before) + len(match), is_cut)
