"""Pagemaps: which pages stand where, in which of the forms that CRIU has written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.memory import pagemap as pagemap_module
from dyncrit.checkpoint.memory.layer import Layer, PagesError, Piece, State
from dyncrit.checkpoint.memory.pagemap import Pagemap, Run, pages_id, read_runs
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

PAGE = 4096
PARENT, LAZY, PRESENT = 1, 2, 4
DATA, HOLE, ZERO, MISSING = State.DATA, State.HOLE, State.ZERO, State.MISSING


class Zeros(Layer):
    """A parent that has everything."""

    def pieces(self, start: int, end: int):
        yield Piece(start, end, ZERO)


def shape(layer, start, end):
    return [(piece.start, piece.end, piece.state) for piece in layer.pieces(start, end)]


@pytest.fixture
def load(build, pages):
    """Makes a pagemap of these runs and opens it; its pages file is as long as they need, unless given."""

    def make(*runs, stored=None, parent=None, without_pages=False, **options):
        dump = build()
        count = sum(
            run[1] for run in runs if not isinstance(run, dict) and (len(run) < 3 or run[2] & PRESENT)
        )
        data = None if without_pages else pages(count) if stored is None else stored
        images = dump.pagemap(1, *runs, pages=data).images()
        options |= {"parent": lambda: parent} if parent else {}
        return Pagemap(images, "pagemap-1.img", **options), images.problems

    return make


# Where the number of pages and the flags stand


@pytest.mark.parametrize(
    ("fields", "run"),
    [
        ({"compat_nr_pages": 0, "flags": 4, "nr_pages": 3}, Run(PAGE, 3, PRESENT)),
        ({"compat_nr_pages": 3, "flags": 4}, Run(PAGE, 3, PRESENT)),
        ({"compat_nr_pages": 3}, Run(PAGE, 3, PRESENT)),
        ({"compat_nr_pages": 3, "in_parent": False}, Run(PAGE, 3, PRESENT)),
        ({"compat_nr_pages": 3, "in_parent": True}, Run(PAGE, 3, PARENT)),
        ({"compat_nr_pages": 3, "in_parent": True, "flags": 0}, Run(PAGE, 3, PARENT)),
        ({"compat_nr_pages": 3, "flags": 1}, Run(PAGE, 3, PARENT)),
        ({"compat_nr_pages": 3, "flags": 2}, Run(PAGE, 3, LAZY)),
        ({"compat_nr_pages": 3, "flags": 6}, Run(PAGE, 3, PRESENT | LAZY)),
        ({"compat_nr_pages": 0, "flags": 4, "nr_pages": 1 << 40}, Run(PAGE, 1 << 40, PRESENT)),
    ],
)
def test_runs_are_read_as_criu_reads_them(build, fields, run):
    images = build().pagemap(1, {"vaddr": PAGE, **fields}).images()
    assert list(read_runs(images, "pagemap-1.img")) == [run]


def test_runs_of_criu_2_12_and_4_2_are_read_alike(corpus):
    def runs(folder):
        images = ImageSet(DirectoryTree(corpus / folder), Schema.default(), Problems())
        return [
            run for number in images.numbers("pagemap") for run in read_runs(images, f"pagemap-{number}.img")
        ]

    for folder in ("criu-1.1/host/maps02", "criu-2.12/programs/seccomp", "criu-4.2/host/env00"):
        found = runs(folder)
        assert found
        assert all(run.pages > 0 and run.flags & PRESENT and run.start % PAGE == 0 for run in found), folder


def test_the_pages_file_is_the_one_that_the_head_names(build, pages):
    images = build().pagemap(1, (PAGE, 1), pages=pages(1), pages_id=77).images()
    assert pages_id(images, "pagemap-1.img") == 77
    assert Pagemap(images, "pagemap-1.img").read(PAGE, 2) == b"\1\1"


# Where pages stand


def test_pages_stand_one_run_after_the_other(load):
    layer, problems = load((0x1000, 2), (0x8000, 1), (0x9000, 1))
    assert layer.read(0x1FFF, 2) == b"\1\2"
    assert layer.read(0x8FFF, 2) == b"\3\4"
    assert shape(layer, 0, 0xB000) == [
        (0, 0x1000, HOLE),
        (0x1000, 0x3000, DATA),
        (0x3000, 0x8000, HOLE),
        (0x8000, 0xA000, DATA),
        (0xA000, 0xB000, HOLE),
    ]
    assert len(problems) == 0


def test_runs_that_hold_no_data_take_no_room_in_the_pages_file(load):
    layer, problems = load((0x1000, 1), (0x2000, 5, PARENT), (0x7000, 5, LAZY), (0xC000, 1), parent=Zeros())
    assert (layer.read(0x1000, 1), layer.read(0xC000, 1)) == (b"\1", b"\2")
    assert (layer.present, layer.in_parent, layer.lazy) == (2, 5, 5)
    assert len(problems) == 0


def test_a_page_that_is_present_and_lazy_is_in_the_file(load):
    layer, _ = load((0x1000, 1, PRESENT | LAZY))
    assert layer.read(0x1000, 1) == b"\1"


def test_a_lazy_page_is_missing_and_says_why(load):
    layer, _ = load((0x1000, 2, LAZY))
    with pytest.raises(PagesError, match="0x1800-0x2800: lazy"):
        layer.read(0x1800, PAGE)


def test_a_page_without_any_flag_is_missing_and_says_why(load):
    layer, _ = load((0x1000, 1, 0))
    with pytest.raises(PagesError, match="no flag that says where it is"):
        layer.read(0x1000, 1)


def test_flags_without_a_name_do_not_matter(load):
    layer, problems = load((0x1000, 1, PRESENT | 0x80))
    assert layer.read(0x1000, 1) == b"\1"
    assert len(problems) == 0


def test_entries_of_no_pages_are_passed_over(load):
    layer, problems = load((0x1000, 0), (0x1000, 1), (0x5000, 0, PARENT), (0x2000, 1), (0x3000, 0))
    assert shape(layer, 0x1000, 0x6000) == [(0x1000, 0x3000, DATA), (0x3000, 0x6000, HOLE)]
    assert layer.read(0x2000, 1) == b"\2"
    assert len(problems) == 0


def test_entries_that_follow_each_other_are_one_piece(load):
    layer, _ = load((0x1000, 1), (0x2000, 1), (0x3000, 1, LAZY), (0x4000, 1, LAZY), (0x5000, 1))
    assert shape(layer, 0x1000, 0x6000) == [
        (0x1000, 0x3000, DATA),
        (0x3000, 0x5000, MISSING),
        (0x5000, 0x6000, DATA),
    ]


def test_the_page_at_address_zero_is_a_page_like_others(load):
    layer, _ = load((0, 1), (0x1000, 1))
    assert layer.read(0, 1) + layer.read(0x1000, 1) == b"\1\2"


# Parents


def test_a_page_in_the_parent_is_read_there(load):
    layer, _ = load((0x1000, 1, PARENT), (0x2000, 1), parent=Zeros())
    assert layer.read(0x1FFF, 2) == b"\0\1"


def test_a_page_in_the_parent_that_the_parent_lacks_is_missing(load):
    parent, _ = load((0x1000, 1))
    layer, _ = load((0x1000, 2, PARENT), parent=parent)
    assert layer.read(0x1000, PAGE) == b"\1" * PAGE
    with pytest.raises(PagesError, match="0x2000-0x2001: in the parent image, but that does not have it"):
        layer.read(0x2000, 1)


def test_without_a_parent_only_pages_that_need_it_are_missing(load):
    layer, problems = load((0x1000, 1, PARENT), (0x2000, 1), no_parent="parent -> ../1 is not there")
    assert layer.read(0x2000, PAGE) == b"\1" * PAGE
    with pytest.raises(
        PagesError, match=r"0x1000-0x1001: in the parent image, but parent -> \.\./1 is not there"
    ):
        layer.read(0x1000, 1)
    assert len(problems) == 0


def test_the_parent_is_not_asked_for_pages_that_are_here(load):
    class Forbidden(Layer):
        def pieces(self, start: int, end: int):
            raise AssertionError

    layer, _ = load((0x1000, 1), (0x2000, 1, PARENT), parent=Forbidden())
    assert layer.read(0x1000, PAGE) == b"\1" * PAGE


# Odd and damaged images


def test_entries_out_of_order_are_read_with_a_warning(load):
    layer, problems = load((0x8000, 1), (0x1000, 1), (0x4000, 1))
    assert [layer.read(address, 1) for address in (0x8000, 0x1000, 0x4000)] == [b"\1", b"\2", b"\3"]
    assert [problem.severity for problem in problems] == ["warning"]
    assert "order" in next(iter(problems)).text


def test_where_entries_overlap_nothing_is_believed(load):
    layer, problems = load((0x1000, 3), (0x3000, 3), (0x9000, 1))
    assert shape(layer, 0x1000, 0xA000) == [
        (0x1000, 0x3000, DATA),
        (0x3000, 0x4000, MISSING),
        (0x4000, 0x6000, DATA),
        (0x6000, 0x9000, HOLE),
        (0x9000, 0xA000, DATA),
    ]
    with pytest.raises(PagesError, match=r"0x3000-0x3001: .*several pagemap entries"):
        layer.read(0x3000, 1)
    assert [layer.read(address, 1) for address in (0x2000, 0x4000, 0x9000)] == [b"\2", b"\5", b"\7"]
    assert [(problem.severity, "0x3000-0x4000" in problem.text) for problem in problems] == [("error", True)]


def test_an_entry_that_stands_twice_covers_nothing_else_up(load):
    layer, problems = load((0x1000, 1), (0x1000, 1), (0x2000, 1))
    assert shape(layer, 0x1000, 0x3000) == [(0x1000, 0x2000, MISSING), (0x2000, 0x3000, DATA)]
    assert layer.read(0x2000, 1) == b"\3"
    assert len(problems.errors) == 1


def test_an_entry_within_another_leaves_both_sides_readable(load):
    layer, _ = load((0x1000, 5), (0x3000, 1, LAZY))
    assert [layer.read(address, 1) for address in (0x2000, 0x4000, 0x5000)] == [b"\2", b"\4", b"\5"]
    with pytest.raises(PagesError, match="several"):
        layer.read(0x3000, 1)


def test_pages_past_the_end_of_the_file_are_missing_and_those_before_are_not(load, pages):
    layer, problems = load((0x1000, 2), (0x8000, 2), stored=pages(3)[:-96])
    assert layer.read(0x8000, PAGE - 96) == b"\3" * 4000
    assert shape(layer, 0x8000, 0xA000) == [(0x8000, 0x8FA0, DATA), (0x8FA0, 0xA000, MISSING)]
    with pytest.raises(
        PagesError, match=r"0x8fa0-0x9000: past the end of .*pages-1\.img, which has 12192 bytes"
    ):
        layer.read(0x8000, PAGE)
    with pytest.raises(PagesError, match="0x9000-0x9001: past the end"):
        layer.read(0x9000, 1)
    assert [(problem.severity, "12192 bytes" in problem.text) for problem in problems] == [("error", True)]


def test_an_empty_pages_file_is_said(load):
    layer, problems = load((0x1000, 1), stored=b"")
    with pytest.raises(PagesError, match="which has 0 bytes"):
        layer.read(0x1000, 1)
    assert len(problems.errors) == 1


def test_a_pages_file_that_is_too_long_is_said_and_read(load, pages):
    layer, problems = load((0x1000, 1), stored=pages(3))
    assert layer.read(0x1000, 1) == b"\1"
    assert not problems.errors
    assert "12288 bytes" in next(iter(problems)).text


def test_a_missing_pages_file_is_said_and_holes_stay_holes(load):
    layer, problems = load((0x1000, 2), without_pages=True)
    assert shape(layer, 0, 0x4000) == [(0, 0x1000, HOLE), (0x1000, 0x3000, MISSING), (0x3000, 0x4000, HOLE)]
    with pytest.raises(PagesError, match=r"pages image of pagemap-1\.img is missing"):
        layer.read(0x1000, 1)
    assert "2 pages" in problems.errors[0].text


def test_a_missing_pages_file_that_holds_nothing_is_no_problem(load):
    _, problems = load((0x1000, 1, LAZY), without_pages=True)
    assert len(problems) == 0


def test_a_pagemap_of_a_head_alone_is_one_hole(load):
    layer, problems = load()
    assert shape(layer, 0, 1 << 64) == [(0, 1 << 64, HOLE)]
    assert len(problems) == 0


@pytest.mark.parametrize("size", [0, 3, 8, 12])
def test_a_pagemap_that_ends_in_its_head_is_a_problem_and_one_hole(build, size):
    dump = build().pagemap(1, (0x1000, 1))
    whole = (dump.folder / "pagemap-1.img").read_bytes()
    images = dump.raw("pagemap-1.img", whole[:size]).images()
    layer = Pagemap(images, "pagemap-1.img")
    assert shape(layer, 0, 0x4000) == [(0, 0x4000, HOLE)]
    assert bool(images.problems.errors) == (size != 8)


def test_a_damaged_head_is_a_problem_and_no_other_entry_takes_its_place(build, pages):
    dump = build().pagemap(1, (0x1000, 1), (0x2000, 1), pages=pages(2))
    whole = (dump.folder / "pagemap-1.img").read_bytes()
    images = dump.raw("pagemap-1.img", whole[:12] + b"\xff" * 2 + whole[14:]).images()
    assert pages_id(images, "pagemap-1.img") is None
    layer = Pagemap(images, "pagemap-1.img")
    with pytest.raises(PagesError):
        layer.read(0x1000, 1)
    assert images.problems.errors


def test_what_stands_before_a_damaged_entry_is_kept(build, pages):
    dump = build().pagemap(1, *((0x1000 * number, 1) for number in range(1, 6)), pages=pages(5))
    whole = (dump.folder / "pagemap-1.img").read_bytes()
    size = (len(whole) - 14) // 5
    damaged = bytearray(whole)
    damaged[14 + 3 * size + 4 : 14 + 4 * size] = b"\xff" * (size - 4)
    for data in (bytes(damaged), whole[: 14 + 3 * size + 6]):
        images = dump.raw("pagemap-1.img", data).images()
        layer = Pagemap(images, "pagemap-1.img")
        assert shape(layer, 0x1000, 0x6000)[0] == (0x1000, 0x4000, DATA)
        assert layer.read(0x3000, 1) == b"\3"
        assert "passed over" in images.problems.errors[0].text


def test_what_a_damaged_pagemap_does_not_tell_any_more_is_not_taken_for_zeros(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x6000))
    dump.pagemap(1, *((0x1000 * number, 1) for number in range(1, 6)), pages=pages(5))
    whole = (dump.folder / "pagemap-1.img").read_bytes()
    memory = dump.raw("pagemap-1.img", whole[:-20]).open().processes[1].memory
    assert memory.read(0x1000, 1) == b"\1"
    with pytest.raises(PagesError):
        memory.read(0x5000, 1)


@pytest.mark.parametrize(
    "run",
    [
        ((1 << 64) - PAGE, 2),
        (0xFFFFFFFFFFFFF000, 1 << 52),
        (0, 1 << 52),
        (0x2000, (1 << 64) - 1),
        ((1 << 64) - 1, (1 << 64) - 1),
    ],
)
def test_entries_that_reach_past_the_last_address_are_left_out(load, pages, run):
    layer, problems = load((0x1000, 1), run, (0x3000, 1), stored=pages(1))
    assert layer.read(0x1000, 1) == b"\1"
    assert list(layer.pieces(0x1000, 1 << 64))[-1].end == 1 << 64
    assert "last address" in "\n".join(map(str, problems.errors))


def test_a_huge_entry_is_no_huge_work(load, pages):
    layer, _ = load((0x1000, 1 << 50), (1 << 63, 1 << 50), stored=pages(1))
    assert layer.read(0x1000, 1) == b"\1"
    assert shape(layer, 1 << 63, (1 << 63) + 8) == [(1 << 63, (1 << 63) + 8, MISSING)]


def test_a_pagemap_that_is_another_image_is_a_problem(build):
    dump = build().core(1)
    images = dump.raw("pagemap-1.img", (dump.folder / "core-1.img").read_bytes()).images()
    layer = Pagemap(images, "pagemap-1.img")
    assert shape(layer, 0, 0x2000)[-1][1] == 0x2000
    assert images.problems.errors


def test_images_of_a_big_endian_host_are_read(build, pages):
    dump = build()
    run = {"vaddr": 0x1000, "compat_nr_pages": 1, "flags": 4}
    dump.write("pagemap-1.img", "PAGEMAP", {"pages_id": 1}, run, byte_order="big").raw(
        "pages-1.img", pages(1)
    )
    assert Pagemap(dump.images(), "pagemap-1.img").read(0x1000, 1) == b"\1"


# Page sizes


@pytest.mark.parametrize("size", [4096, 16384, 65536])
@pytest.mark.parametrize("told", [True, False])
def test_the_size_of_the_pages_file_tells_the_page_size(load, pages, size, told):
    known = size if told else None
    layer, problems = load((0x10000, 2), (0x80000, 1), stored=pages(3, size), page_size=known)
    assert layer.page_size == size
    assert layer.read(0x10000 + size, 1) + layer.read(0x80000, 1) == b"\2\3"
    assert len(problems) == 0


@pytest.mark.parametrize("told", [4096, 16384, 65536])
def test_without_pages_the_page_size_is_what_the_caller_knows(load, told):
    layer, _ = load((0x10000, 2, LAZY), stored=b"", page_size=told)
    assert layer.page_size == told
    assert shape(layer, 0x10000, 0x10000 + 2 * told + 1)[0] == (0x10000, 0x10000 + 2 * told, MISSING)


@pytest.mark.parametrize("told", [4096, 16384, 65536])
@pytest.mark.parametrize("kept", [0, 1, 4097, 16384 + 5])
def test_with_a_cut_pages_file_the_page_size_is_what_the_caller_knows(load, pages, told, kept):
    layer, problems = load((0x100000, 8), stored=pages(8, told)[:kept], page_size=told)
    assert layer.page_size == told
    assert problems.errors


def test_a_pages_file_cut_to_a_quarter_is_not_taken_for_smaller_pages(load, pages):
    layer, problems = load((0x100000, 4), stored=pages(4, 65536)[:65536], page_size=65536)
    assert layer.page_size == 65536
    assert layer.read(0x100000, 65536) == b"\1" * 65536
    assert problems.errors


@pytest.mark.parametrize("told", [None, 4096])
def test_what_is_left_of_a_damaged_pagemap_does_not_tell_the_page_size(build, pages, told):
    dump = build().pagemap(1, *((0x10000 * number, 1) for number in range(1, 5)), pages=pages(4))
    whole = (dump.folder / "pagemap-1.img").read_bytes()
    size = (len(whole) - 14) // 4
    images = dump.raw("pagemap-1.img", whole[: 14 + size + 5]).images()
    layer = Pagemap(images, "pagemap-1.img", page_size=told)
    assert layer.page_size == 4096
    assert shape(layer, 0x10000, 0x11000) == [(0x10000, 0x11000, DATA)]
    with pytest.raises(PagesError):
        layer.read(0x11000, 1)


def test_without_anything_to_tell_it_the_page_size_is_4_kib(load):
    assert load((0x1000, 1, LAZY), without_pages=True)[0].page_size == 4096


# All of them


@st.composite
def run_lists(draw):
    count = draw(st.integers(0, 12))
    return [
        (draw(st.integers(0, 30)) * PAGE, draw(st.integers(0, 5)), draw(st.sampled_from([0, 1, 2, 4, 5, 6])))
        for _ in range(count)
    ]


class _Runs:
    """An image set in memory, which has nothing but a pagemap's runs."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tree = self
        self.problems = Problems()

    def __contains__(self, name: object) -> bool:
        return True

    def path(self, name: str) -> str:
        return name

    def size(self, name: str) -> int:
        return len(self.data)

    def view(self, name: str) -> memoryview:
        return memoryview(self.data)


@given(run_lists(), st.integers(0, 36 * PAGE), st.integers(0, 36 * PAGE), st.booleans())
def test_pieces_cover_the_range_and_say_of_each_byte_what_the_entries_say(runs, start, length, has_parent):
    data = b"".join(bytes([n % 255 + 1]) * PAGE for n in range(sum(n for _, n, flags in runs if flags & 4)))
    expected: dict[int, list[tuple[State, int]]] = {}
    stored = 0
    for address, count, flags in runs:
        for number in range(count):
            state = DATA if flags & 4 else ZERO if flags & 1 and has_parent else MISSING
            expected.setdefault(address // PAGE + number, []).append((state, stored))
            stored += bool(flags & 4)
    images = _Runs(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pagemap_module, "_runs", lambda *_: iter(runs))
        patch.setattr(pagemap_module, "pages_id", lambda *_: 1)
        layer = Pagemap(images, "pagemap-1.img", parent=lambda: Zeros() if has_parent else None)
    pieces = list(layer.pieces(start, start + length))
    position = start
    for piece in pieces:
        assert piece.start == position < piece.end
        position = piece.end
        for page in range(piece.start // PAGE, (piece.end - 1) // PAGE + 1):
            entries = expected.get(page, [])
            state = HOLE if not entries else MISSING if len(entries) > 1 else entries[0][0]
            assert piece.state is state
            if state is DATA:
                first = max(page * PAGE, piece.start)
                assert bytes(piece.view()[first - piece.start : first - piece.start + 1]) == bytes(
                    [entries[0][1] % 255 + 1]
                )
    assert position == start + length
    overlaps = any(len(entries) > 1 for entries in expected.values())
    assert bool(images.problems.errors) == overlaps


def test_a_read_looks_at_few_entries(load, monkeypatch):
    layer, _ = load(*((2 * number * PAGE, 1) for number in range(1, 2001)))
    touched = []
    monkeypatch.setattr(
        layer, "_entry", lambda *found: touched.append(found) or iter([Piece(*found[1:], ZERO)])
    )

    class Counting(type(layer._starts)):
        looked = 0

        def __getitem__(self, index):
            Counting.looked += 1
            return super().__getitem__(index)

    layer._starts = Counting("Q", layer._starts)
    for number in (1, 2, 999, 1000, 2000):
        touched.clear()
        Counting.looked = 0
        layer.read(2 * number * PAGE, PAGE)
        assert len(touched) == 1
        assert Counting.looked <= 30


def test_a_view_of_data_is_in_place(load):
    layer, _ = load((0x1000, 4))
    (piece,) = layer.pieces(0x1800, 0x2800)
    assert isinstance(piece.pages, PagesFile)
    assert (piece.offset, piece.size) == (0x800, PAGE)
