"""Mutations of sizes and counts of records: what stands between them, and where the file ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.anatomy import RawEntry
from dyncrit.fuzz.mutate.mutation import Mutation, Step, Subject, entry_place, with_other_bytes

if TYPE_CHECKING:
    from dyncrit.fuzz.chance import Chance

_LENGTHS = (0, 1, 0x7F, 0xFF, 0x1000, 0xFFFF, 1 << 20, 1 << 28, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _lie(subject: Subject, chance: Chance) -> Step | None:
    """A length that isn't the record's."""
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    size = len(entries[index].record)
    near = [length for length in (size - 1, size + 1, size + 4, size // 2, size * 2) if length >= 0]
    near += [(1 << 32) - back for back in (4, 4 + size)]  # a reader that takes it as signed goes back
    length = chance.one_of(near) if chance.once_in(2) else chance.one_of(_LENGTHS)
    if length == size:
        return None
    entries[index].length = length
    return Step("record-length", entry_place(index), f"its length says {length}, the record has {size} bytes")


def _cut(subject: Subject, chance: Chance) -> Step | None:
    """The file ends within an entry."""
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    entry = entries[index]
    whole = entry.record + entry.payload
    if not whole:
        return None
    left = chance.below(len(whole))
    entry.length = len(entry.record) if entry.length is None else entry.length
    entry.record, entry.payload = whole[:left], b""
    del entries[index + 1 :]
    subject.anatomy.tail = b""
    return Step("cut-off", entry_place(index), f"the file ends after {left} of its {len(whole)} bytes")


def _append(subject: Subject, chance: Chance) -> Step | None:
    """Bytes behind the last entry."""
    tail = chance.bytes(chance.one_of((1, 2, 3, 4, 5, 8, 64)))
    if chance.once_in(3):
        tail = bytes(len(tail))
    subject.anatomy.tail += tail
    return Step("tail", "tail", f"{len(tail)} bytes behind the last entry: {tail[:16].hex()}")


def _empty(subject: Subject, chance: Chance) -> Step | None:
    """A record of no bytes; some messages are whole without any."""
    entries = subject.anatomy.entries
    index = chance.below(len(entries) + 1)
    entries.insert(index, RawEntry(b""))
    return Step("empty-record", entry_place(index), "a new record of 0 bytes")


def _noise(subject: Subject, chance: Chance) -> Step | None:
    """Some bytes of a record are others."""
    entries = [index for index, entry in enumerate(subject.anatomy.entries) if entry.record]
    if not entries:
        return None
    index = chance.one_of(entries)
    entry = subject.anatomy.entries[index]
    count = chance.between(1, min(4, len(entry.record)))
    entry.record, places = with_other_bytes(entry.record, count, chance)
    return Step("noise", entry_place(index), f"other bytes at {', '.join(map(str, places))} of its record")


MUTATIONS = (
    Mutation("record-length", "record", 6, "a length that isn't the record's", _lie),
    Mutation("cut-off", "record", 4, "the file ends within an entry", _cut),
    Mutation("tail", "record", 2, "bytes behind the last entry", _append),
    Mutation("empty-record", "record", 2, "a new record of no bytes", _empty),
    Mutation("noise", "record", 6, "some bytes of a record are others", _noise),
)
