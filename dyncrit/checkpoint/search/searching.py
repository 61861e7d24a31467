"""Search over memory: what matches a pattern, where, and what stands around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.search.windows import windows
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dyncrit.checkpoint.memory.layer import Layer
    from dyncrit.checkpoint.search.patterns import Pattern

LONGEST_SHOWN = 4096
"""How many bytes of a match a hit holds."""

MOST_CONTEXT = 64 << 10
"""How many bytes before and after a match can be asked for."""


class Hit(NamedTuple):
    """A match at ``address``: its first 4096 bytes, what stands before and after it, and its whole size.

    ``before`` and ``after`` are shorter than asked for only where memory that can be read ends.
    """

    address: int
    match: bytes
    before: bytes
    after: bytes
    size: int


Span = tuple[int, memoryview, int, int]
"""A match at an address, in a buffer: where it starts and ends there. Plain, as there can be millions."""


def search(
    layer: Layer,
    ranges: Iterable[tuple[int, int]],
    pattern: Pattern,
    *,
    context: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Hit]:
    """What matches ``pattern`` in ``ranges`` (ends exclusive, in order of address), in order of address.

    Matches don't overlap, as with :func:`re.finditer`. They are found across the borders of pages, pieces and
    ranges that adjoin, but not across memory that is missing, and of zeros that the dump doesn't hold only
    one page beside data is looked at. ``context`` is in bytes. ``progress`` is called with how many bytes
    have been searched since its last call.

    Raises PagesError or ImageError where a file has become shorter.
    """
    if not 0 <= context <= MOST_CONTEXT:
        raise DyncritError(f"context of {context} bytes; 0 to {MOST_CONTEXT} can be had")
    return _hits(spans(layer, ranges, pattern, context=context, progress=progress), context)


def _hits(found: Iterator[Span], context: int) -> Iterator[Hit]:
    for address, buffer, start, end in found:
        yield Hit(
            address,
            bytes(buffer[start : min(end, start + LONGEST_SHOWN)]),
            bytes(buffer[max(0, start - context) : start]),
            bytes(buffer[end : end + context]),
            end - start,
        )


def spans(
    layer: Layer,
    ranges: Iterable[tuple[int, int]],
    pattern: Pattern,
    *,
    context: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Span]:
    """As :func:`search`, with each match in place, in a buffer that has ``context`` bytes around it."""
    ahead = pattern.reach + context
    position = 0
    for window in windows(layer, ranges, ahead=ahead, behind=max(pattern.behind, context)):
        address, buffer, begin, limit, final = window
        # What a match of the window before took isn't looked at again.
        start = max(begin, position - address) if begin else 0
        for first, last in pattern.spans(buffer, start, limit) if start < limit else ():
            end = last
            if last == len(buffer) and not final:
                # It may be longer than the window shows: give what is certain, look at the rest anew.
                end = pattern.shorten(buffer, first, last - ahead // 2) or last
            yield address + first, buffer, first, end
            position = address + end
        if progress is not None:
            progress(limit - begin)
