"""The text that stands in memory, as strings(1) lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.search.patterns import regex_pattern
from dyncrit.checkpoint.search.searching import spans
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dyncrit.checkpoint.memory.layer import Layer
    from dyncrit.checkpoint.search.searching import Span

LONGEST_STRING = 1 << 20
"""Strings of more characters are given in pieces of so many."""

MOST_MINIMUM = 4096
"""The largest number of characters that can be asked of a string."""

_ASCII = r"[\t\x20-\x7e]"
_BEYOND_ASCII = (
    r"\xc2[\xa0-\xbf]|[\xc3-\xdf][\x80-\xbf]"
    r"|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    r"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_CHARACTERS = {
    "ascii": _ASCII,
    "utf-8": f"(?:{_ASCII}|{_BEYOND_ASCII})",
    "utf-16le": r"(?:[\t\x20-\x7e\xa0-\xff]\x00)",
    "latin-1": r"[\t\x20-\x7e\xa0-\xff]",
}


def strings(
    layer: Layer,
    ranges: Iterable[tuple[int, int]],
    *,
    minimum: int = 4,
    encoding: str = "ascii",
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, str]]:
    """Address and text of each run of at least ``minimum`` printable characters in ``ranges``, in order.

    Tabs count as printable, other controls don't, in any encoding: ``"ascii"``, ``"latin-1"``, ``"utf-8"``
    (all of Unicode), and ``"utf-16le"`` (Latin-1's characters at any address; more can't be told from
    numbers). Strings of over 1,048,576 characters are given in pieces. ``progress`` as of ``search``.
    """
    if encoding not in _CHARACTERS:
        raise DyncritError(f"strings in {encoding!r}; known are {', '.join(_CHARACTERS)}")
    if not 1 <= minimum <= MOST_MINIMUM:
        raise DyncritError(f"strings of at least {minimum} characters; 1 to {MOST_MINIMUM} can be asked for")
    pattern = regex_pattern(f"{_CHARACTERS[encoding]}{{{minimum},}}")
    return _joined(spans(layer, ranges, pattern, progress=progress), encoding)


def _joined(found: Iterator[Span], encoding: str) -> Iterator[tuple[int, str]]:
    """Matches that follow on as one string, in pieces where it is too long."""
    start = end = 0
    text = ""
    for address, buffer, first, last in found:
        match = str(buffer[first:last], encoding)
        if address != end:
            if text:
                yield start, text
            start, text = address, match
        else:
            text += match
        end = address + last - first
        while len(text) > LONGEST_STRING:
            piece, text = text[:LONGEST_STRING], text[LONGEST_STRING:]
            yield start, piece
            start += len(piece.encode(encoding))
    if text:
        yield start, text
