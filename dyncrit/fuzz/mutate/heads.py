"""Mutations of what stands before the first record: magics and byte order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.mutate.mutation import Mutation, Step, Subject
from dyncrit.schema.images import IMG_COMMON, IMG_SERVICE

if TYPE_CHECKING:
    from dyncrit.fuzz.chance import Chance
    from dyncrit.types import ByteOrder

_PLACE = "head"


def _other_type(subject: Subject, chance: Chance) -> Step | None:
    """The magic of another type: the records are then read as other messages."""
    anatomy = subject.anatomy
    other = chance.one_of([row for row in subject.schema.table.types if row.magic is not None])
    if len(anatomy.head) < 4 or other.magic is None:
        return None
    magic = other.magic.to_bytes(4, anatomy.frame.byte_order)
    if anatomy.head.endswith(magic):
        return None
    anatomy.head = anatomy.head[:-4] + magic
    return Step("other-type", _PLACE, f"the magic of {other.name}")


def _flip_bit(subject: Subject, chance: Chance) -> Step | None:
    head = bytearray(subject.anatomy.head)
    if not head:
        return None
    bit = chance.below(8 * len(head))
    head[bit // 8] ^= 1 << bit % 8
    subject.anatomy.head = bytes(head)
    return Step("flipped-magic", _PLACE, f"bit {bit} is the other way")


def _swap_order(subject: Subject, chance: Chance) -> Step | None:
    """The other byte order: of the head, and mostly of the lengths of records, too."""
    anatomy = subject.anatomy
    if not anatomy.head:
        return None
    anatomy.head = b"".join(anatomy.head[at : at + 4][::-1] for at in range(0, len(anatomy.head), 4))
    if chance.once_in(3):
        return Step("byte-order", _PLACE, "the magics in the other byte order, lengths as they were")
    frame = anatomy.frame
    order: ByteOrder = "big" if frame.byte_order == "little" else "little"
    anatomy.frame = frame._replace(byte_order=order)
    return Step("byte-order", _PLACE, "magics and lengths in the other byte order")


def _other_framing(subject: Subject, chance: Chance) -> Step | None:
    """A head of one magic where there were two, of two where there was one, or another first one."""
    anatomy = subject.anatomy
    if len(anatomy.head) < 4:
        return None
    first = chance.one_of((None, IMG_COMMON, IMG_SERVICE))
    before = b"" if first is None else first.to_bytes(4, anatomy.frame.byte_order)
    if anatomy.head[:-4] == before:
        return None
    anatomy.head = before + anatomy.head[-4:]
    return Step("other-framing", _PLACE, f"{before.hex() or 'nothing'} before the magic of the type")


def _cut_head(subject: Subject, chance: Chance) -> Step | None:
    anatomy = subject.anatomy
    if not anatomy.head:
        return None
    left = chance.below(len(anatomy.head))
    anatomy.head = anatomy.head[:left]
    if chance.once_in(2):
        anatomy.entries.clear()
        anatomy.tail = b""
        return Step("cut-head", _PLACE, f"the file ends after {left} bytes")
    return Step("cut-head", _PLACE, f"only {left} bytes of the head are left")


MUTATIONS = (
    Mutation("other-type", "head", 4, "the magic of another type", _other_type),
    Mutation("flipped-magic", "head", 1, "one bit of the magics is the other way", _flip_bit),
    Mutation("byte-order", "head", 2, "the other byte order, of the magics or of lengths, too", _swap_order),
    Mutation(
        "other-framing", "head", 2, "one magic instead of two, or two, or another first", _other_framing
    ),
    Mutation("cut-head", "head", 1, "a head that isn't whole", _cut_head),
)
