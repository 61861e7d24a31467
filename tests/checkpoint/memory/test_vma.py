"""Mappings: what they are of, how they are shown, which are left out."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.vma import MmBounds, Vma, VmaKind, in_order, is_guard, maps_file, read_vma
from dyncrit.schema import Schema

REGULAR, STACK, VSYSCALL, VDSO, HEAP = 1, 2, 4, 8, 32
FILE_PRIVATE, FILE_SHARED, ANON_SHARED, ANON_PRIVATE, SYSV = 64, 128, 256, 512, 1024
SOCKET, VVAR, AIO, MEMFD, GUARD = 2048, 4096, 8192, 16384, 65536


@pytest.fixture(scope="session")
def entry(vma):
    message = Schema.default().message_class("vma_entry")
    return lambda start=0x1000, end=0x3000, status=REGULAR, **fields: message(
        **vma(start, end, status, **fields)
    )


def mapping(start, end):
    return Vma(start, end, 3, 0x22, REGULAR | ANON_PRIVATE, 0, 0, VmaKind.ANONYMOUS)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (REGULAR | ANON_PRIVATE, VmaKind.ANONYMOUS),
        (REGULAR | ANON_PRIVATE | HEAP, VmaKind.HEAP),
        (REGULAR | ANON_PRIVATE | STACK, VmaKind.STACK),
        (REGULAR | FILE_PRIVATE, VmaKind.FILE),
        (REGULAR | FILE_SHARED, VmaKind.SHARED_FILE),
        (REGULAR | ANON_SHARED, VmaKind.SHARED_MEMORY),
        (REGULAR | ANON_SHARED | SYSV, VmaKind.SYSV),
        (REGULAR | FILE_SHARED | MEMFD, VmaKind.MEMFD),
        (REGULAR | FILE_PRIVATE | MEMFD, VmaKind.MEMFD),
        (REGULAR | VDSO | ANON_PRIVATE, VmaKind.VDSO),
        (REGULAR | VVAR | ANON_PRIVATE, VmaKind.VVAR),
        (VSYSCALL | ANON_PRIVATE, VmaKind.VSYSCALL),
        (SOCKET, VmaKind.SOCKET),
        (AIO, VmaKind.AIO),
        (REGULAR, VmaKind.OTHER),
        (0, VmaKind.OTHER),
    ],
)
def test_the_status_tells_the_kind(entry, status, kind):
    assert read_vma(entry(status=status), MmBounds()).kind is kind


def test_the_heap_is_where_brk_says(entry):
    bounds = MmBounds(start_brk=0x11000, brk=0x13000)
    kinds = [
        read_vma(entry(start, end, ANON_PRIVATE), bounds).kind
        for start, end in (
            (0x10000, 0x11000),
            (0x10000, 0x12000),
            (0x11000, 0x13000),
            (0x12000, 0x15000),
            (0x13000, 0x14000),
        )
    ]
    assert kinds == [VmaKind.ANONYMOUS, VmaKind.HEAP, VmaKind.HEAP, VmaKind.HEAP, VmaKind.ANONYMOUS]


def test_the_stack_is_where_it_started_or_what_grows_down(entry):
    bounds = MmBounds(start_stack=0x2800)
    assert read_vma(entry(0x1000, 0x3000, ANON_PRIVATE), bounds).kind is VmaKind.STACK
    assert read_vma(entry(0x3000, 0x4000, ANON_PRIVATE), bounds).kind is VmaKind.ANONYMOUS
    assert read_vma(entry(0x3000, 0x4000, ANON_PRIVATE, flags=0x122), bounds).kind is VmaKind.STACK


def test_files_are_no_stack_whatever_lies_in_them(entry):
    bounds = MmBounds(0x1000, 0x3000, 0x2000)
    assert read_vma(entry(status=REGULAR | FILE_PRIVATE), bounds).kind is VmaKind.FILE


def test_shared_anonymous_memory_since_linux_3_is_a_memory_file_called_dev_zero(entry):
    status = REGULAR | FILE_SHARED | MEMFD
    assert read_vma(entry(status=status), MmBounds(), "/dev/zero").kind is VmaKind.SHARED_MEMORY
    assert read_vma(entry(status=status), MmBounds(), "/memfd:x").kind is VmaKind.MEMFD


@pytest.mark.parametrize(
    ("protection", "flags", "shown"),
    [
        (0, 2, "---p"),
        (1, 2, "r--p"),
        (3, 1, "rw-s"),
        (5, 2, "r-xp"),
        (7, 0x22, "rwxp"),
        (7, 0x21, "rwxs"),
        (3, 3, "rw-s"),
    ],
)
def test_permissions_are_those_of_proc_maps(entry, protection, flags, shown):
    assert read_vma(entry(prot=protection, flags=flags), MmBounds()).permissions == shown


def test_bits_beyond_read_write_and_execute_are_no_protection(entry):
    assert read_vma(entry(prot=0xFFFFFFF8 | 1), MmBounds()).protection == 1


def test_names_are_those_of_proc_maps(entry):
    def name(status, path="", bounds=MmBounds()):  # noqa: B008
        return read_vma(entry(status=status), bounds, path).name

    assert name(REGULAR | FILE_PRIVATE, "/bin/true") == "/bin/true"
    assert name(REGULAR | ANON_PRIVATE) == ""
    assert name(REGULAR | ANON_PRIVATE | HEAP) == "[heap]"
    assert name(REGULAR | ANON_PRIVATE | VDSO) == "[vdso]"
    assert name(VSYSCALL) == "[vsyscall]"
    assert name(REGULAR | VVAR) == "[vvar]"
    assert name(REGULAR | ANON_PRIVATE, "", MmBounds(start_stack=0x2000)) == "[stack]"


def test_fields_are_kept_as_they_are(entry):
    found = read_vma(
        entry(0x5000, 0x9000, pgoff=0x2000, shmid=7, status=REGULAR | FILE_PRIVATE), MmBounds(), "/a"
    )
    assert (found.start, found.end, found.size, found.offset, found.shmid, found.path) == (
        0x5000,
        0x9000,
        0x4000,
        0x2000,
        7,
        "/a",
    )
    assert found.is_file_backed
    assert found.has_status("VMA_FILE_PRIVATE")
    assert not found.has_status("VMA_AREA_MEMFD")


def test_advice_is_told_by_name(entry):
    assert read_vma(entry(madv=1 << 16 | 1 << 14 | 1 << 63), MmBounds()).advice == ("hugepage", "dontdump")
    assert read_vma(entry(), MmBounds()).advice == ()


def test_guards_and_files_are_told_by_status(entry):
    assert [is_guard(entry(status=status)) for status in (GUARD, REGULAR | GUARD, REGULAR)] == [
        True,
        True,
        False,
    ]
    assert [maps_file(entry(status=status)) for status in (FILE_PRIVATE, FILE_SHARED, ANON_SHARED, SYSV)] == [
        True,
        True,
        False,
        False,
    ]


def test_mappings_are_put_in_order():
    vmas = [mapping(0x5000, 0x6000), mapping(0x1000, 0x2000), mapping(0x2000, 0x3000)]
    kept, refused = in_order(vmas)
    assert [vma.start for vma in kept] == [0x1000, 0x2000, 0x5000]
    assert refused == []


def test_reversed_empty_and_overlapping_mappings_are_left_out_and_said():
    whole, within, backwards, empty = (
        mapping(0x1000, 0x5000),
        mapping(0x2000, 0x3000),
        mapping(0x8000, 0x7000),
        mapping(0x9000, 0x9000),
    )
    kept, refused = in_order([within, backwards, whole, empty, mapping(0x5000, 0x6000)])
    assert [vma.start for vma in kept] == [0x1000, 0x5000]
    assert [vma for vma, _ in refused] == [within, backwards, empty]
    assert "overlaps" in refused[0][1]
    assert "ends before it begins" in refused[1][1]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_what_is_kept_is_in_order_and_disjoint_and_nothing_is_lost(bounds):
    vmas = [mapping(start, end) for start, end in bounds]
    kept, refused = in_order(vmas)
    assert all(vma.start < vma.end for vma in kept)
    assert all(one.end <= other.start for one, other in itertools.pairwise(kept))
    assert Counter([*kept, *(vma for vma, _ in refused)]) == Counter(vmas)


def test_the_mappings_of_the_demo_are_those_of_its_source(corpus):
    with open_checkpoint(corpus / "demo/memory/2-full") as checkpoint:
        (process,) = checkpoint.processes
        memory = process.memory
    found = {
        (vma.start, vma.size // 4096): (vma.permissions, vma.kind, vma.path)
        for vma in memory.vmas
        if vma.start >> 40 in (0x10, 0x11, 0x12, 0x13)
    }
    assert found == {
        (0x100000000000, 32): ("rw-p", VmaKind.ANONYMOUS, ""),
        (0x100000020000, 1): ("---p", VmaKind.ANONYMOUS, ""),
        (0x100000021000, 1): ("r--p", VmaKind.ANONYMOUS, ""),
        (0x100000022000, 30): ("rw-p", VmaKind.ANONYMOUS, ""),
        (0x110000000000, 8): ("rw-s", VmaKind.SHARED_MEMORY, "/dev/zero"),
        (0x120000000000, 4): ("rw-s", VmaKind.MEMFD, "/memfd:scratch"),
        (0x130000000000, 4): ("rw-p", VmaKind.FILE, "/srv/demo/mapped.bin"),
    }
    names = [vma.name for vma in memory.vmas]
    assert all(names.count(name) == 1 for name in ("[heap]", "[stack]", "[vdso]"))


def test_the_mappings_of_criu_1_1_stand_in_an_image_of_their_own(corpus):
    with open_checkpoint(corpus / "criu-1.1/host/maps02") as checkpoint:
        vmas = checkpoint.processes[66].memory.vmas
    assert len(vmas) > 10
    assert {"[heap]", "[stack]", "[vdso]"} <= {vma.name for vma in vmas}
    assert any(vma.path.endswith("/maps02") for vma in vmas)


def test_guard_pages_of_criu_4_2_are_no_mappings(one_process, vma):
    dump = one_process(vma(0x1000, 0x5000), vma(0x2000, 0x3000, status=GUARD))
    with dump.pagemap(1).open() as checkpoint:
        assert [(found.start, found.end) for found in checkpoint.processes[1].memory.vmas] == [
            (0x1000, 0x5000)
        ]
        assert not checkpoint.problems.errors
