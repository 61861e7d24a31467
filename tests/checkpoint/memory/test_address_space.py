"""The memory of a process: mappings over pagemaps, parents and segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint import PagesError, open_checkpoint
from dyncrit.checkpoint.memory.address_space import AddressSpace
from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.vma import Vma, VmaKind

PAGE = 4096
PARENT, LAZY, PRESENT = 1, 2, 4
REGULAR, STACK, VSYSCALL, VDSO, HEAP = 1, 2, 4, 8, 32
FILE_PRIVATE, FILE_SHARED, ANON_SHARED, ANON_PRIVATE = 64, 128, 256, 512
VVAR, MEMFD = 4096, 16384


class Fixed(Layer):
    """A layer of given pieces; what is between them is a hole. Remembers what it was asked for."""

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces
        self.asked: list[tuple[int, int]] = []

    def pieces(self, start: int, end: int):
        self.asked.append((start, end))
        position = start
        for piece in self._pieces:
            first, last = max(piece.start, position), min(piece.end, end)
            if first < last:
                if position < first:
                    yield Piece(position, first, State.HOLE)
                yield piece._replace(start=first, end=last, offset=piece.offset + first - piece.start)
                position = last
        if position < end:
            yield Piece(position, end, State.HOLE)


def mapping(start, end, kind=VmaKind.ANONYMOUS, **fields):
    base = {"protection": 3, "flags": 0x22, "status": 0, "offset": 0, "shmid": 0}
    return Vma(start=start, end=end, kind=kind, **{**base, **fields})


def space(vmas, pages=None, segment=None):
    return AddressSpace(vmas, pages or Fixed(), segment or (lambda _: Fixed()), PAGE)


def shape(pieces):
    return [(piece.start, piece.end, piece.state.value) for piece in pieces]


# Finding mappings


def test_an_address_is_in_the_mapping_around_it():
    low, high = mapping(0x1000, 0x3000), mapping(0x3000, 0x4000)
    memory = space([low, high])
    found = [
        memory.vma_at(address) for address in (0, 0xFFF, 0x1000, 0x2FFF, 0x3000, 0x3FFF, 0x4000, 1 << 65)
    ]
    assert found == [None, None, low, low, high, high, None, None]


def test_without_mappings_nothing_is_mapped():
    memory = space([])
    assert memory.vma_at(0) is None
    assert list(memory.regions()) == []
    assert shape(memory.pieces(0, 8)) == [(0, 8, "missing")]


# Reading


def test_a_read_goes_across_mappings_that_touch(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000), vma(0x2000, 0x4000)).pagemap(1, (0x1000, 2), pages=pages(2))
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x1FFE, 4) == b"\1\1\2\2"
        assert memory.read(0x2FFF, 3) == b"\2\0\0"
        assert memory.read(0x1000, 0x3000) == pages(2) + bytes(PAGE)


def test_what_lies_between_mappings_is_not_mapped(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000), vma(0x5000, 0x6000)).pagemap(1, (0x1000, 1), pages=pages(1))
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        for start, length, bounds in [
            (0, 8, "0x0-0x8"),
            (0xFFC, 8, "0xffc-0x1000"),
            (0x1FFC, 8, "0x2000-0x2004"),
            (0x1000, 0x5000, "0x2000-0x5000"),
            (0x5FFF, 2, "0x6000-0x6001"),
            ((1 << 64) - 4, 8, "0xfffffffffffffffc-0x10000000000000004"),
        ]:
            with pytest.raises(PagesError, match=f"^{bounds}: not mapped$"):
                memory.read(start, length)


def test_reading_nothing_is_no_error_wherever_it_is():
    assert space([]).read(0x1000, 0) == b""


def test_pages_outside_of_all_mappings_are_not_mapped_though_the_pagemap_has_them(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000)).pagemap(1, (0x1000, 2), pages=pages(2))
    with dump.open() as checkpoint, pytest.raises(PagesError, match="0x2000-0x2001: not mapped"):
        checkpoint.processes[1].memory.read(0x2000, 1)


# Holes


@pytest.mark.parametrize("kind", [VmaKind.ANONYMOUS, VmaKind.HEAP, VmaKind.STACK])
def test_untouched_private_memory_is_zeros(kind):
    memory = space([mapping(0x1000, 0x3000, kind)])
    assert memory.read(0x1800, PAGE) == bytes(PAGE)


@pytest.mark.parametrize("kind", [VmaKind.FILE, VmaKind.SHARED_FILE])
def test_an_unchanged_page_of_a_file_is_missing_and_the_file_is_named(kind):
    memory = space([mapping(0x1000, 0x3000, kind, path="/lib/libc.so.6")])
    with pytest.raises(PagesError, match=r"0x1800-0x1801: .*/lib/libc\.so\.6"):
        memory.read(0x1800, 1)


def test_a_file_without_a_path_is_named_by_its_id():
    memory = space([mapping(0x1000, 0x3000, VmaKind.FILE, shmid=17)])
    with pytest.raises(PagesError, match="file 17"):
        memory.read(0x1000, 1)


@pytest.mark.parametrize("kind", [VmaKind.VVAR, VmaKind.VSYSCALL, VmaKind.VDSO, VmaKind.SOCKET, VmaKind.AIO])
def test_memory_of_the_kernels_is_missing_and_named(kind):
    with pytest.raises(PagesError, match=kind.value):
        space([mapping(0x1000, 0x3000, kind)]).read(0x1000, 1)


def test_vsyscall_and_vvar_of_real_dumps_are_missing(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        memory = checkpoint.processes[9834].memory
        kinds = {vma.kind: vma for vma in memory.vmas}
        with pytest.raises(PagesError, match="vvar"):
            memory.read(kinds[VmaKind.VVAR].start, 1)
        assert memory.read(kinds[VmaKind.VDSO].start, 4) == b"\x7fELF"


def test_shared_memory_is_asked_for_by_the_offset_in_its_segment():
    segment = Fixed(Piece(0x2000, 0x2800, State.ZERO))
    shared = mapping(0x7000, 0x9000, VmaKind.MEMFD, offset=0x2000)
    asked = []
    memory = space([shared], segment=lambda vma: asked.append(vma) or segment)
    assert shape(memory.pieces(0x7400, 0x8000)) == [(0x7400, 0x7800, "zero"), (0x7800, 0x8000, "hole")]
    assert asked == [shared]
    assert segment.asked == [(0x2400, 0x3000)]


def test_a_private_page_covers_the_segment_below_it(stored):
    own = Fixed(Piece(0x7000, 0x8000, State.DATA, stored, 0))
    segment = Fixed(Piece(0, 0x5000, State.DATA, stored, 0x1000))
    memory = space([mapping(0x7000, 0x9000, VmaKind.MEMFD)], own, lambda _: segment)
    assert memory.read(0x7FFF, 2) == b"\1\3"


@pytest.fixture
def stored(tmp_path, pages):
    from dyncrit.checkpoint.memory.pages import PagesFile
    from dyncrit.checkpoint.storage.tree import DirectoryTree

    (tmp_path / "pages-1.img").write_bytes(pages(6))
    return PagesFile(DirectoryTree(tmp_path), "pages-1.img")


# Regions and what is resident


def test_regions_tell_of_each_mapping_what_is_there_and_what_is_not(one_process, vma, pages):
    dump = one_process(
        vma(0x1000, 0x6000),
        vma(0x6000, 0x8000, REGULAR | FILE_PRIVATE, shmid=7),
        vma(0x9000, 0xA000, REGULAR | VVAR),
    )
    dump.pagemap(1, (0x2000, 2), (0x5000, 1, LAZY), (0x7000, 1), pages=pages(3))
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert shape(memory.regions()) == [
            (0x1000, 0x2000, "zero"),
            (0x2000, 0x4000, "data"),
            (0x4000, 0x5000, "zero"),
            (0x5000, 0x6000, "missing"),
            (0x6000, 0x7000, "missing"),
            (0x7000, 0x8000, "data"),
            (0x9000, 0xA000, "missing"),
        ]
        assert [memory.resident_of(found) for found in memory.vmas] == [2 * PAGE, PAGE, 0]
        assert [
            next(word for word in ("lazy", "file 7", "vvar") if word in region.reason)
            for region in memory.regions()
            if region.state is State.MISSING
        ] == ["lazy", "file 7", "vvar"]


def test_neighbouring_pieces_of_a_kind_are_one_region(stored):
    pages = Fixed(
        Piece(0x1000, 0x2000, State.DATA, stored, 0),
        Piece(0x2000, 0x3000, State.DATA, stored, 0x3000),
        Piece(0x3000, 0x4000, State.MISSING, reason="lazy"),
        Piece(0x4000, 0x5000, State.MISSING, reason="damaged"),
    )
    regions = list(space([mapping(0x1000, 0x2800), mapping(0x2800, 0x5000)], pages).regions())
    assert [(region.start, region.end, region.reason) for region in regions] == [
        (0x1000, 0x2800, ""),
        (0x2800, 0x3000, ""),
        (0x3000, 0x4000, "lazy"),
        (0x4000, 0x5000, "damaged"),
    ]
    assert [region.size for region in regions] == [0x1800, 0x800, 0x1000, 0x1000]


def test_regions_cover_every_mapping_of_every_real_dump(corpus):
    seen = 0
    for folder in (
        "demo/tree",
        "demo/sockets",
        "demo/memory/2",
        "criu-2.12/programs/seccomp",
        "criu-1.1/host/memfd00",
    ):
        with open_checkpoint(corpus / folder) as checkpoint:
            for process in checkpoint.processes:
                if process.is_alive:
                    covered = {vma: vma.start for vma in process.memory.vmas}
                    for region in process.memory.regions():
                        assert region.start == covered[region.vma]
                        covered[region.vma] = region.end
                        seen += 1
                    assert all(vma.end == end for vma, end in covered.items())
    assert seen > 100


def test_absurd_mappings_are_no_huge_work(one_process, vma):
    top = (1 << 64) - PAGE
    dump = one_process(vma(0, 1 << 62), vma(1 << 63, top), vma(top, (1 << 64) - 1)).pagemap(1)
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert shape(memory.regions()) == [
            (0, 1 << 62, "zero"),
            (1 << 63, top, "zero"),
            (top, (1 << 64) - 1, "zero"),
        ]
        assert memory.read(top - 4, 8) == bytes(8)


def test_shared_mappings_with_absurd_offsets_are_no_crash(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x3000, REGULAR | ANON_SHARED, shmid=9, pgoff=(1 << 64) - PAGE))
    dump.pagemap(1).pagemap("shmem-9", (0, 1), pages=pages(1), pages_id=2)
    with dump.open() as checkpoint:
        assert shape(checkpoint.processes[1].memory.regions()) == [(0x1000, 0x3000, "zero")]


# Everything at once

states = st.sampled_from(list(State))
kinds = st.sampled_from(list(VmaKind))


@st.composite
def ranges(draw, most=8):
    bounds = sorted(draw(st.lists(st.integers(0, 60), max_size=2 * most, unique=True)))
    return list(zip(bounds[::2], bounds[1::2], strict=False))


@given(
    st.lists(kinds, min_size=8, max_size=8),
    ranges(),
    st.lists(states, min_size=8, max_size=8),
    ranges(),
    ranges(3),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 20),
)
def test_pieces_cover_exactly_what_was_asked_for(
    kinds, mapped, states, stored, shared, start, length, offset
):
    vmas = [mapping(*bounds, kind, offset=offset) for bounds, kind in zip(mapped, kinds, strict=False)]
    pages = Fixed(*(Piece(*bounds, state) for bounds, state in zip(stored, states, strict=False)))
    segment = Fixed(*(Piece(*bounds, State.ZERO) for bounds in shared))
    memory = space(vmas, pages, lambda _: segment)
    position = start
    for piece in memory.pieces(start, start + length):
        assert piece.start == position < piece.end
        position = piece.end
        for address in range(piece.start, piece.end):
            vma = memory.vma_at(address)
            assert (piece.reason == "not mapped") == (vma is None)
    assert position == start + length
    whole = [piece for vma in vmas for piece in memory.pieces(vma.start, vma.end)]
    regions = [
        (address, region.state) for region in memory.regions() for address in range(region.start, region.end)
    ]
    assert regions == [(address, piece.state) for piece in whole for address in range(piece.start, piece.end)]


def test_a_read_asks_only_for_the_mappings_it_touches():
    pages = Fixed()
    memory = space([mapping(2 * number * PAGE, (2 * number + 1) * PAGE) for number in range(5000)], pages)
    for number in (0, 1, 2500, 4999):
        pages.asked.clear()
        memory.read(2 * number * PAGE + 8, 16)
        assert pages.asked == [(2 * number * PAGE + 8, 2 * number * PAGE + 24)]


# The demo


def test_an_increment_and_a_full_dump_of_the_same_moment_read_alike(corpus):
    with (
        open_checkpoint(corpus / "demo/memory/2") as increment,
        open_checkpoint(corpus / "demo/memory/2-full") as full,
    ):
        one, other = (checkpoint.processes[9899].memory for checkpoint in (increment, full))
        assert one.vmas == other.vmas
        assert [region[:4] for region in one.regions()] == [region[:4] for region in other.regions()]
        compared = 0
        for region in one.regions():
            if region.state is State.MISSING:
                for memory in (one, other):
                    with pytest.raises(PagesError):
                        memory.read(region.start, region.size)
                continue
            data = one.read(region.start, region.size)
            assert data == other.read(region.start, region.size)
            compared += len(data)
        assert compared > 54 * PAGE
        assert increment.parent is not None
        assert full.parent is None


@pytest.mark.parametrize("folder", ["2", "2-full"])
def test_the_demo_holds_what_its_source_wrote(corpus, folder):
    with open_checkpoint(corpus / "demo/memory" / folder) as checkpoint:
        memory = checkpoint.processes[9899].memory

        def string(address):
            return memory.read(address, 40).split(b"\0")[0].decode()

        base = 0x100000000000
        expected = [f"page {page} of the sparse mapping" if page % 3 == 0 else "" for page in range(64)]
        assert [string(base + page * PAGE) for page in range(64)] == expected
        assert [memory.resident_of(vma) for vma in memory.vmas if vma.start >> 40 == 0x10] == [
            11 * PAGE,
            0,
            PAGE,
            10 * PAGE,
        ]
        assert string(0x110000000000 + PAGE) == "shared anonymous text"
        assert string(0x110000000000) == string(0x110000007000) == ""
        assert string(0x120000000000 + 2 * PAGE) == "memfd text"
        assert string(0x120000000000) == ""
        assert string(0x130000000000 + PAGE) == "dirty private copy"
        for page in (0, 2, 3):
            with pytest.raises(PagesError, match=r"/srv/demo/mapped\.bin"):
                memory.read(0x130000000000 + page * PAGE, 1)


def test_a_string_on_the_heap_is_where_the_program_put_it(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        memory = checkpoint.processes[9834].memory
        heap = next(vma for vma in memory.vmas if vma.kind is VmaKind.HEAP)
        address = heap.start + memory.read(heap.start, heap.size).index(b"needle-across-a-page-border")
        assert address % 16 == 4090 % 16
        assert memory.read(address, 28) == b"needle-across-a-page-border\0"
