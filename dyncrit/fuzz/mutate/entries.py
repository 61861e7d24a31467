"""Mutations of whole entries: dropped, doubled, moved, or taken from another image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.anatomy import RawEntry
from dyncrit.fuzz.mutate.mutation import Mutation, Step, Subject, entry_place

if TYPE_CHECKING:
    from dyncrit.fuzz.chance import Chance

_COUNTS = (1, 1, 1, 2, 7, 255, 1024)
_MAX_ADDED = 16 << 10
"""How many bytes one mutation adds at most."""


def copy_of(entry: RawEntry) -> RawEntry:
    """A copy of an entry."""
    return RawEntry(entry.record, entry.payload, entry.length)


def _drop(subject: Subject, chance: Chance) -> Step | None:
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    count = chance.between(1, len(entries) - index) if chance.once_in(4) else 1
    del entries[index : index + count]
    return Step("dropped", entry_place(index), f"{count} {'entry is' if count == 1 else 'entries are'} gone")


def _double(subject: Subject, chance: Chance) -> Step | None:
    entries = subject.anatomy.entries
    if not entries:
        return None
    index = chance.below(len(entries))
    entry = entries[index]
    size = len(entry.record) + len(entry.payload) + 4
    count = min(chance.one_of(_COUNTS), max(_MAX_ADDED // size, 1))
    entries[index:index] = [copy_of(entry) for _ in range(count)]
    return Step("doubled", entry_place(index), f"{count} more of it")


def _reorder(subject: Subject, chance: Chance) -> Step | None:
    before = subject.anatomy.entries
    if len(before) < 2:
        return None
    if chance.once_in(4):
        after = chance.shuffled(before)
        step = Step("reordered", "entries", "all are in another order")
    else:
        after = before.copy()
        first, second = chance.below(len(before)), chance.below(len(before))
        after.insert(second, after.pop(first))
        step = Step("reordered", entry_place(first), f"it stands at {second} now")
    if after == before:  # they may be equal
        return None
    subject.anatomy.entries = after
    return step


def _splice(subject: Subject, chance: Chance) -> Step | None:
    """An entry of another image, mostly of one of the same type."""
    donors = subject.donors.all
    if not donors:
        return None
    if not chance.once_in(4):
        donors = subject.donors.kin(subject.anatomy.frame.image_type)
    donor = chance.one_of(donors)
    entry = copy_of(chance.one_of(donor.entries))
    entries = subject.anatomy.entries
    index = chance.below(len(entries) + 1)
    replaces = index < len(entries) and chance.once_in(2)
    if replaces and entries[index] == entry:
        return None
    entries[index : index + replaces] = [entry]
    how = "in its place" if replaces else "before it"
    return Step("spliced", entry_place(index), f"an entry of a {donor.frame.image_type.name} image {how}")


def _swap_payloads(subject: Subject, chance: Chance) -> Step | None:
    """Two entries with each other's payloads."""
    entries = subject.anatomy.entries
    having = [index for index, entry in enumerate(entries) if entry.payload]
    if not having or len(entries) < 2:
        return None
    first, second = chance.one_of(having), chance.below(len(entries))
    if entries[first].payload == entries[second].payload:
        return None
    entries[first].payload, entries[second].payload = entries[second].payload, entries[first].payload
    return Step("swapped-payloads", entry_place(first), f"it has the payload of {entry_place(second)}")


SPLICED = Mutation("spliced", "entry", 4, "an entry of another image, mostly of the same type", _splice)
"""What crosses two images."""

MUTATIONS = (
    Mutation("dropped", "entry", 4, "entries are gone", _drop),
    Mutation("doubled", "entry", 3, "an entry stands there again, or a thousand times", _double),
    Mutation("reordered", "entry", 3, "entries are in another order", _reorder),
    SPLICED,
    Mutation("swapped-payloads", "entry", 1, "two entries have each other's payloads", _swap_payloads),
)
