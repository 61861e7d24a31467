"""What malloc of glibc keeps beside an array: how large it may grow, and that it may be freed.

The layout is that of malloc/malloc.c: before what malloc gave stands the size of its chunk, whose lowest bits
say that the chunk before is in use (1) and that it is a mapping by itself (2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyncrit.edit.memory.environment_arrays import EnvironmentArray
    from dyncrit.edit.memory.words import Words

_ALIGNMENT = 16
_FLAGS, _BEFORE_IN_USE, _IS_MAPPED = 7, 1, 2


def array_room(words: Words, array: EnvironmentArray) -> int | None:
    """How many words an array can hold that is all of a chunk of glibc's; None where it is none."""
    word = words.size
    field = words.at(array.start - word)
    area = words.area(array.start)
    if field is None or area is None:
        return None
    size, chunk = field & ~_FLAGS, array.start - 2 * word
    wanted = (len(array.entries) + 1) * word
    if size % _ALIGNMENT % (2 * word) or not wanted + word <= size <= area.end - chunk:
        return None
    if field & _IS_MAPPED:
        before = words.at(chunk)
        is_one = before is not None and not (chunk - before) % 4096 and not (size + before) % 4096
        return (size - 2 * word) // word if is_one else None
    following = words.at(chunk + size + word)
    if following is None or not following & _BEFORE_IN_USE:
        return None
    return (size - word) // word if following & ~_FLAGS <= area.end - chunk - size else None


def chunk_header(words: Words, size: int) -> bytes:
    """What stands before an array that has ``size`` bytes, whole pages, to itself.

    With it glibc takes them for a mapping that it made, and can enlarge and free it when the program sets
    further variables: it keeps the array's address, to do so, in a place that looks like environ.
    """
    before = -2 * words.size % _ALIGNMENT
    return bytes(before) + words.pack(before, (size - before) | _IS_MAPPED)
