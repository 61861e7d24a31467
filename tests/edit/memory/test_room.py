from __future__ import annotations

import pytest

from dyncrit import load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.memory.room import add_mapping, find_room
from dyncrit.errors import DyncritError

GUARD, HEAP, STACK = 1 << 16, 0x221, 0x203
MERGEABLE = 1 << 12  # of madv: a bit an advice


@pytest.fixture
def mapped(scene, vma):
    """Makes a process with a mapping more, and gives its mappings."""

    def make(start, *vmas):
        made = scene().process(*vmas).pagemap(pages=None)
        with open_checkpoint(made.folder) as checkpoint, checkpoint.edit() as edit:
            add_mapping(edit, 1, start, start + 0x1000)
        return load(made.folder / "mm-1.img").entries[0].message.vmas

    return make


@pytest.mark.parametrize(("start", "index"), [(0x8000, 0), (0x14000, 1), (0x30000, 2)])
def test_a_mapping_stands_in_order_and_before_all_guards(mapped, vma, start, index):
    around = (vma(0x10000, 0x14000), vma(0x20000, 0x24000))
    vmas = mapped(start, *around, vma(0x11000, 0x12000, GUARD), vma(0x21000, 0x22000, GUARD))
    assert vmas[index].start == start
    assert [item.start for item in vmas[-2:]] == [0x11000, 0x21000]
    assert [item.start for item in vmas[:-2]] == sorted([start, 0x10000, 0x20000])


def test_advice_on_other_memory_is_not_taken_over(mapped, vma):
    first, new = mapped(0x14000, vma(0x10000, 0x14000, madv=MERGEABLE))
    assert (first.madv, new.madv) == (MERGEABLE, 0)
    assert (new.status, new.flags, new.prot, new.fd) == (first.status, first.flags, 3, -1)


def test_where_others_tell_of_no_advice_neither_does_the_new_one(mapped, vma):
    first, new = mapped(0x14000, vma(0x10000, 0x14000))
    assert not first.HasField("madv")
    assert not new.HasField("madv")


@pytest.fixture
def room(scene, vma):
    """Where a page fits in among mappings, with the heap's end at 0x12000."""

    def find(*vmas):
        made = scene().process(*vmas, mm_brk=0x12000).pagemap(pages=None)
        with open_checkpoint(made.folder) as checkpoint:
            return find_room(checkpoint.processes[1], 0x1000)

    return find


def test_room_is_in_the_largest_gap_that_neither_heap_nor_stack_grow_into(room, vma):
    """Half of what is behind the heap counts, which is less than the gap behind it; and none below a stack."""
    heap, stack = vma(0x10000, 0x12000, HEAP), vma(0x90000, 0x92000, STACK)
    found = room(heap, vma(0x20000, 0x21000), vma(0x2A000, 0x2B000), stack)
    assert 0x21000 <= found < 0x2A000


def test_of_room_behind_the_heap_it_is_the_upper_half(room, vma):
    assert 0x19000 <= room(vma(0x10000, 0x12000, HEAP), vma(0x20000, 0x21000)) < 0x20000


def test_guards_within_a_mapping_make_no_room(room, vma):
    with pytest.raises(DyncritError, match="no room"):
        room(vma(0x20000, 0x40000), vma(0x30000, 0x31000, GUARD))
