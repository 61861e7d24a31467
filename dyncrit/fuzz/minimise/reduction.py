"""Lists and bytes with less in them: what can be left out is, the largest parts first (delta debugging)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

_BYTE_TRIES = 64
"""Bytes are split into so many parts at most; finer parts are hardly worth an execution each."""


def reduce_list(items: Sequence[Item], keeps: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """The items without those that can be left out, one after the other.

    ``keeps`` tells whether fewer of them still do; it is not asked about all of them.

    >>> reduce_list(range(100), lambda some: {3, 77} <= set(some))
    [3, 77]
    """
    kept = list(items)
    if not kept:
        return kept
    if keeps([]):
        return []
    size = len(kept)
    while size > 1:
        size = (size + 1) // 2
        kept = _without_parts(kept, size, keeps)
        size = min(size, len(kept))
    while len(kept) > 1:  # once more, one by one, until nothing gives
        less = _without_parts(kept, 1, keeps)
        if len(less) == len(kept):
            break
        kept = less
    return kept


def reduce_bytes(data: bytes, keeps: Callable[[bytes], bool]) -> bytes:
    """The bytes without those that can be left out, and zero where that does as well.

    >>> reduce_bytes(b"ab!defgh", lambda some: b"!" in some)
    b'!'
    """
    smallest = max(len(data) // _BYTE_TRIES, 1)
    if not data or keeps(b""):
        return b""
    size = len(data)
    while size > smallest:
        size = (size + 1) // 2
        position = len(data) - 1  # from the end, as what is in front tells what is behind
        while position >= 0:
            start = max(position - size + 1, 0)
            less = data[:start] + data[position + 1 :]
            if less and keeps(less):
                data = less
            position = start - 1
    return _with_zeros(data, smallest, keeps)


def _without_parts(kept: list[Item], size: int, keeps: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """The items without the parts of ``size`` that can be left out, from the end on."""
    end = len(kept)
    while end > 0 and len(kept) > 1:
        start = max(end - size, 0)
        less = kept[:start] + kept[end:]
        if less and keeps(less):
            kept = less
        end = start
    return kept


def _with_zeros(data: bytes, smallest: int, keeps: Callable[[bytes], bool]) -> bytes:
    for start in range(0, len(data), max(smallest, 1)):
        end = min(start + smallest, len(data))
        zeroed = data[:start] + bytes(end - start) + data[end:]
        if zeroed != data and keeps(zeroed):
            data = zeroed
    return data
