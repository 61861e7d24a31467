from __future__ import annotations

import pytest

from dyncrit import dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.memory.writing import write_memory
from dyncrit.errors import DyncritError

PAGE = 4096
HEAP, STACK, FILE, SHARED_FILE = 0x221, 0x203, 0x41, 0x81
SHARED_MEMORY, MEMFD, SYSV, VDSO = 0x101, 0x101 | 1 << 14, 0x101 | 1 << 10, 0x209
GUARD = 1 << 16
PARENT, LAZY, PRESENT = 1, 2, 4


def page(letter: str) -> bytes:
    return letter.encode() * PAGE


@pytest.fixture
def plain(scene, vma):
    """Pages 1, 2 and 5 of eight."""
    made = scene().process(vma(0x10000, 0x18000))
    return made.pagemap((0x11000, 2, PRESENT), (0x15000, 1, PRESENT), pages=page("a") + page("b") + page("c"))


def test_bytes_of_a_page_in_the_images_are_changed_in_place(plain):
    touched, changes, after = plain.change(write_memory, 0x12010, b"new")
    assert touched == [("pages-1.img byte 4112", "process 1, 3 bytes at 0x12010", "62 62 62", "6e 65 77")]
    assert [(change.file, change.path) for change in changes] == [("pages-1.img", "byte 4112")]
    assert after.memory(0x12000, PAGE) == b"b" * 16 + b"new" + b"b" * (PAGE - 19)
    assert after.pages()[:PAGE] + after.pages()[2 * PAGE :] == page("a") + page("c")


def test_the_old_bytes_written_back_give_the_old_images(plain):
    _, _, after = plain.change(write_memory, 0x11FFE, b"1234")
    assert after.memory(0x11FFE, 4) == b"1234"
    back = after.change(write_memory, 0x11FFE, b"aabb").after
    for path in plain.folder.iterdir():
        assert (back.folder / path.name).read_bytes() == path.read_bytes()


def test_bytes_that_are_there_already_touch_nothing(plain):
    touched, changes, _ = plain.change(write_memory, 0x11000, b"aaaa")
    assert (touched, changes) == ([], [])
    assert plain.change(write_memory, 0x10000, bytes(5)).touched == []  # zeros that are in no image


@pytest.mark.parametrize(
    ("address", "runs", "pages"),
    [
        (0x10000, [(0x10000, 1, 4), (0x11000, 2, 4), (0x15000, 1, 4)], "Nabc"),
        (0x13000, [(0x11000, 2, 4), (0x13000, 1, 4), (0x15000, 1, 4)], "abNc"),
        (0x17000, [(0x11000, 2, 4), (0x15000, 1, 4), (0x17000, 1, 4)], "abcN"),
    ],
    ids=["before all", "between", "behind all"],
)
def test_a_page_of_zeros_gets_an_entry_and_its_place_among_the_pages(plain, address, runs, pages):
    (touched,), _, after = plain.change(write_memory, address, b"new")
    assert touched.what == f"process 1, 3 bytes at {address:#x}, zeros before"
    assert touched.place == f"pages-1.img byte {pages.index('N') * PAGE}"
    assert after.runs() == runs
    new = b"new" + bytes(PAGE - 3)
    assert after.pages() == b"".join(new if letter == "N" else page(letter) for letter in pages)
    assert after.memory(address, PAGE) == new


def test_a_write_over_pages_that_are_there_and_that_are_not_is_made_in_one(plain):
    data = bytes(range(256)) * 112  # 7 pages
    before = plain.memory(0x10000, 8 * PAGE)
    touched, _, after = plain.change(write_memory, 0x10100, data)
    assert after.memory(0x10000, 8 * PAGE) == before[:0x100] + data + before[0x100 + len(data) :]
    pages = 8
    assert len(after.pages()) == pages * PAGE
    assert sum(int(item.what.split()[2]) for item in touched) == len(data)
    assert after.change(write_memory, 0x10100, data).touched == []


def test_bytes_are_told_where_they_stand_afterwards_behind_all_pages_put_in(plain):
    data = b"12" + page("x") + page("y") + b"34"
    touched, _, after = plain.change(write_memory, 0x12FFE, data)
    assert [item.place for item in touched] == [f"pages-1.img byte {at}" for at in (8190, 8192, 16384)]
    assert after.pages()[8190 : 16384 + 2] == data


def test_a_write_across_mappings_is_cut_where_they_meet(scene, vma):
    made = scene().process(vma(0x10000, 0x12000), vma(0x12000, 0x14000, SHARED_MEMORY, shmid=7, pgoff=PAGE))
    made.pagemap((0x11000, 1, PRESENT), pages=page("a"))
    made.pagemap((0, 3, PRESENT), pages=page("x") + page("y") + page("z"), key="shmem-7", number=2)
    touched, _, after = made.change(write_memory, 0x11FFE, b"1234")
    assert [item.place for item in touched] == ["pages-1.img byte 4094", "pages-2.img byte 4096"]
    assert after.memory(0x11FFE, 4) == b"1234"
    assert after.pages(2) == page("x") + b"34" + page("y")[2:] + page("z")


@pytest.mark.parametrize("size", [16384, 65536])
def test_pages_of_other_sizes_are_known_from_what_the_process_was_told(scene, vma, size):
    made = scene().process(vma(0x100000, 0x100000 + 4 * size), page_size=size)
    made.pagemap((0x100000 + size, 1, PRESENT), pages=b"a" * size)
    _, _, after = made.change(write_memory, 0x100000 + 3 * size + 5, b"new")
    assert after.runs() == [(0x100000 + size, 1, 4), (0x100000 + 3 * size, 1, 4)]
    assert after.pages() == b"a" * size + bytes(5) + b"new" + bytes(size - 8)


class TestParents:
    @pytest.fixture
    def chain(self, scene, vma):
        """Eight pages in the parent; the increment has the fourth."""
        parent = scene("1").process(vma(0x10000, 0x18000))
        parent.pagemap((0x10000, 8, PRESENT | LAZY), pages=b"".join(map(page, "abcdefgh")))
        made = scene("2").process(vma(0x10000, 0x18000))
        (made.folder / "parent").symlink_to("../1")
        return made.pagemap(
            (0x10000, 3, PARENT | LAZY), (0x13000, 1, PRESENT), (0x14000, 4, PARENT), pages=page("D")
        )

    def test_a_page_that_only_the_parent_holds_is_copied_up(self, chain, tmp_path):
        held = (tmp_path / "1" / "pages-1.img").read_bytes()
        (touched,), _, after = chain.change(write_memory, 0x15001, b"new")
        assert touched.what == "process 1, 3 bytes at 0x15001, copied up from the parent"
        assert touched.before == "66 66 66"
        assert after.runs() == [
            (0x10000, 3, PARENT | LAZY),
            (0x13000, 1, PRESENT),
            (0x14000, 1, PARENT),
            (0x15000, 1, PRESENT),
            (0x16000, 2, PARENT),
        ]
        assert after.pages() == page("D") + b"fnew" + b"f" * (PAGE - 4)
        assert (tmp_path / "1" / "pages-1.img").read_bytes() == held

    @pytest.mark.parametrize(
        ("address", "runs"),
        [
            (0x10000, [(0x10000, 1, 6), (0x11000, 2, 3)]),
            (0x11000, [(0x10000, 1, 3), (0x11000, 1, 6), (0x12000, 1, 3)]),
            (0x12000, [(0x10000, 2, 3), (0x12000, 1, 6)]),
        ],
    )
    def test_an_entry_is_split_where_the_page_is_and_what_may_be_lazy_stays_so(self, chain, address, runs):
        _, _, after = chain.change(write_memory, address, b"new")
        assert after.runs() == [*runs, (0x13000, 1, PRESENT), (0x14000, 4, PARENT)]
        assert after.memory(address, 3) == b"new"
        assert after.memory(0x13000, PAGE) == page("D")

    def test_pages_copied_up_around_one_that_is_there_keep_their_order(self, chain):
        _, _, after = chain.change(write_memory, 0x12FFF, b"1" * (PAGE + 2))
        assert after.runs() == [
            (0x10000, 2, 3),
            (0x12000, 1, 6),
            (0x13000, 1, 4),
            (0x14000, 1, 4),
            (0x15000, 3, 1),
        ]
        assert after.pages() == page("c")[1:] + b"1" * (PAGE + 2) + page("e")[1:]

    def test_a_pages_image_is_made_where_there_was_none(self, chain):
        chain.pagemap((0x10000, 8, PARENT), pages=None)
        (chain.folder / "pages-1.img").unlink()
        _, _, after = chain.change(write_memory, 0x12000, b"new")
        assert after.runs() == [(0x10000, 2, PARENT), (0x12000, 1, PRESENT), (0x13000, 5, PARENT)]
        assert after.pages() == b"new" + page("c")[3:]

    def test_a_page_that_is_lost_is_an_error_unless_all_of_it_is_written(self, chain, tmp_path):
        (tmp_path / "1" / "pages-1.img").write_bytes(page("a"))
        with pytest.raises(DyncritError, match=r"past the end of .*only all of the page, 0x15000 to 0x16000"):
            chain.change(write_memory, 0x15000, b"new")

    def test_a_whole_page_needs_nothing_of_what_was_there(self, scene, vma):
        made = scene().process(vma(0x10000, 0x12000)).pagemap((0x10000, 2, LAZY), pages=b"")
        with pytest.raises(DyncritError, match="lazy"):
            made.change(write_memory, 0x10000, b"new")
        (touched,), _, after = made.change(write_memory, 0x10000, page("n"))
        assert "left at the dumped host" in touched.what
        assert touched.before == ""
        assert after.runs() == [(0x10000, 1, PRESENT | LAZY), (0x11000, 1, LAZY)]


OLD = {"vaddr": 0x11000, "compat_nr_pages": 1}
ENTRIES = {
    "up to 3.4": OLD,
    "3.5 to 4.1": {**OLD, "flags": 4},
    "since 4.2": {"vaddr": 0x11000, "compat_nr_pages": 0, "flags": 4, "nr_pages": 1},
}


class TestReleases:
    @pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
    def test_new_entries_are_written_as_their_neighbours(self, scene, vma, entry):
        made = scene().process(vma(0x10000, 0x18000)).pagemap(entry, pages=page("a"))
        _, _, after = made.change(write_memory, 0x14000, b"new")
        assert after.entries() == [entry, {**entry, "vaddr": 0x14000}]

    def test_old_entries_that_say_in_parent_are_split(self, scene, vma):
        parent = scene("1").process(vma(0x10000, 0x18000))
        parent.pagemap({"vaddr": 0x10000, "compat_nr_pages": 3}, pages=page("a") + page("b") + page("c"))
        made = scene("2").process(vma(0x10000, 0x18000))
        (made.folder / "parent").symlink_to("../1")
        made.pagemap({"vaddr": 0x10000, "compat_nr_pages": 3, "in_parent": True}, pages=b"")
        _, _, after = made.change(write_memory, 0x11000, b"new")
        assert after.entries() == [
            {"vaddr": 0x10000, "compat_nr_pages": 1, "in_parent": True},
            {"vaddr": 0x11000, "compat_nr_pages": 1},
            {"vaddr": 0x12000, "compat_nr_pages": 1, "in_parent": True},
        ]
        assert after.memory(0x10FFF, 5) == b"anewb"

    def test_where_no_entry_tells_it_is_written_so_that_all_releases_read_it(self, scene, vma):
        made = scene().process(vma(0x10000, 0x18000)).pagemap(pages=None)
        _, _, after = made.change(write_memory, 0x14000, b"new")
        assert after.entries() == [{"vaddr": 0x14000, "compat_nr_pages": 1, "flags": 4}]

    def test_sysv_segments_that_are_payloads_are_changed_there(self, scene, vma):
        desc = {**dict.fromkeys(("key", "uid", "gid", "cuid", "cgid", "mode"), 0), "id": 3}
        made = scene().process(vma(0x10000, 0x12000, SYSV, shmid=3)).pagemap(pages=None)
        made.write("ipcns-shm-9.img", "IPCNS_SHM")
        image = load(made.folder / "ipcns-shm-9.img")
        image.add(desc=desc, size=5000).payload = b"s" * 5000
        dump(image, made.folder / "ipcns-shm-9.img")
        (touched,), _, after = made.change(write_memory, 0x11000, b"new")
        assert touched.place.startswith("ipcns-shm-9.img byte ")
        (entry,) = load(after.folder / "ipcns-shm-9.img").entries
        assert bytes(entry.payload) == b"s" * PAGE + b"new" + b"s" * (5000 - PAGE - 3)
        with pytest.raises(DyncritError, match="ends before byte 5004"):
            made.change(write_memory, 0x10000 + 5000, b"over")


class TestShared:
    def test_a_page_of_shared_memory_goes_to_its_own_images(self, scene, vma):
        made = scene().process(vma(0x10000, 0x14000, SHARED_MEMORY, shmid=7, pgoff=2 * PAGE))
        made.pagemap(pages=None).pagemap((0, 1, PRESENT), pages=page("a"), key="shmem-7", number=2)
        (touched,), _, after = made.change(write_memory, 0x11000, b"new")
        assert touched.what == "process 1, 3 bytes at 0x11000, zeros before"
        assert after.runs("shmem-7") == [(0, 1, 4), (3 * PAGE, 1, 4)]
        assert after.memory(0x11000, 3) == b"new"

    @pytest.fixture
    def memory_file(self, scene, vma):
        made = scene().process(
            vma(0x10000, 0x14000, MEMFD, shmid=5), vma(0x20000, 0x24000, 0x41 | 1 << 14, shmid=5, flags=2)
        )
        fown = dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0)
        file = {"id": 5, "flags": 2, "pos": 0, "fown": fown, "inode_id": 1}
        made.write("files.img", "FILES", {"type": "MEMFD", "id": 5, "memfd": file})
        inode = {
            "name": "words",
            "uid": 0,
            "gid": 0,
            "size": 2 * PAGE + 10,
            "shmid": 9,
            "seals": 0,
            "inode_id": 1,
        }
        made.write("memfd.img", "MEMFD_INODE", inode)
        return made.pagemap(pages=None).pagemap(
            (0, 2, PRESENT), pages=page("a") + page("b"), key="shmem-9", number=2
        )

    def test_a_memory_file_is_found_through_its_inode(self, memory_file):
        (touched,), _, after = memory_file.change(write_memory, 0x11000, b"new")
        assert touched.place == "pages-2.img byte 4096"
        assert after.memory(0x21000, 3) == b"new"

    def test_what_is_behind_the_end_of_a_memory_file_is_refused(self, memory_file):
        assert memory_file.change(write_memory, 0x12000, b"0123456789").touched
        with pytest.raises(DyncritError, match="ends after 8202 bytes, before 8203"):
            memory_file.change(write_memory, 0x12000, b"0123456789A")

    def test_a_private_mapping_gets_pages_of_its_own(self, memory_file):
        (touched,), _, after = memory_file.change(write_memory, 0x21000, b"new")
        assert touched.what == "process 1, 3 bytes at 0x21000, shared before"
        assert after.memory(0x21000, PAGE) == b"new" + page("b")[3:]
        assert after.memory(0x11000, 3) == b"bbb"

    def test_without_its_pagemap_it_is_an_error(self, scene, vma):
        made = scene().process(vma(0x10000, 0x14000, SHARED_MEMORY, shmid=7)).pagemap(pages=None)
        with pytest.raises(DyncritError, match=r"pagemap-shmem-7\.img: missing"):
            made.change(write_memory, 0x11000, b"new")


class TestFiles:
    def test_a_part_of_a_page_that_is_the_files_is_refused_and_all_of_it_written(self, scene, vma):
        made = scene().process(vma(0x10000, 0x14000, FILE)).pagemap((0x13000, 1, PRESENT), pages=page("a"))
        with pytest.raises(
            DyncritError, match=r"that was not changed.*only all of the page, 0x11000 to 0x12000"
        ):
            made.change(write_memory, 0x11000, page("n")[1:])
        (touched,), _, after = made.change(write_memory, 0x11000, page("n"))
        assert "as in the file before" in touched.what
        assert after.runs() == [(0x11000, 1, 4), (0x13000, 1, 4)]
        assert made.change(write_memory, 0x13000, b"new").after.memory(0x13000, 4) == b"newa"

    @pytest.mark.parametrize(
        ("status", "why"), [(SHARED_FILE, "stands in the file"), (VDSO, "the kernel's"), (1, "not known")]
    )
    def test_what_is_not_in_images_or_made_anew_is_refused(self, scene, vma, status, why):
        made = scene().process(vma(0x10000, 0x14000, status)).pagemap(pages=None)
        with pytest.raises(DyncritError, match=f"process 1: the mapping 0x10000-0x14000 .*{why}"):
            made.change(write_memory, 0x11000, page("n"))

    def test_guard_pages_are_refused(self, scene, vma):
        guard = vma(0x12000, 0x13000, GUARD)
        made = scene().process(vma(0x10000, 0x14000), guard).pagemap(pages=None)
        with pytest.raises(DyncritError, match="0x12000-0x13000 are guard pages"):
            made.change(write_memory, 0x11FFF, b"ab")
        assert made.change(write_memory, 0x11FFF, b"a").touched


class TestErrors:
    def test_where_nothing_is_mapped_the_nearest_mapping_is_named(self, scene, vma):
        made = scene().process(vma(0x10000, 0x14000), vma(0x30000, 0x31000, HEAP)).pagemap(pages=None)
        with pytest.raises(
            DyncritError, match=r"nothing is mapped at 0x2f000; the nearest .*0x30000-0x31000 .\[heap\]"
        ):
            made.change(write_memory, 0x2F000, b"a")
        with pytest.raises(
            DyncritError, match=r"nothing is mapped at 0x14000; the nearest .*0x10000-0x14000"
        ):
            made.change(write_memory, 0x13FFF, b"ab")
        with pytest.raises(DyncritError, match="past the last address"):
            made.change(write_memory, (1 << 64) - 1, b"ab")
        with pytest.raises(DyncritError, match="no bytes"):
            made.change(write_memory, 0x10000, b"")

    def test_a_process_that_is_not_there_or_has_no_pagemap_is_told(self, plain):
        with open_checkpoint(plain.folder) as checkpoint, pytest.raises(DyncritError, match="no process 2"):
            write_memory(checkpoint.edit(dry_run=True), 2, 0x10000, b"a")
        (plain.folder / "pagemap-1.img").unlink()
        with pytest.raises(DyncritError, match=r"pagemap-1\.img: missing"):
            plain.change(write_memory, 0x10000, b"a")

    @pytest.mark.parametrize(
        "runs",
        [
            [(0x12000, 1, 4), (0x11000, 1, 4)],
            [(0x11000, 2, 4), (0x12000, 1, 4)],
            [(0x11800, 1, 4)],
            [(0x11000, 1, 0)],
            [(0x11000, 1, 5)],
        ],
        ids=["disordered", "overlapping", "askew", "nowhere", "in two places"],
    )
    def test_entries_that_contradict_each_other_or_themselves_stop_it(self, plain, runs):
        plain.pagemap(*runs, pages=page("a") * 3)
        with pytest.raises(DyncritError, match=r"pagemap-1\.img"):
            plain.change(write_memory, 0x11801, b"new")

    def test_a_pages_image_that_was_cut_stops_it(self, plain):
        (plain.folder / "pages-1.img").write_bytes(page("a"))
        for address in (0x12000, 0x17000):
            with pytest.raises(DyncritError, match=r"pages-1\.img.* has 4096 bytes"):
                plain.change(write_memory, address, b"new")

    def test_a_pages_image_of_two_pagemaps_stops_it(self, plain, vma):
        tree = load(plain.folder / "pstree.img")
        tree.add(pid=2, ppid=1, pgid=1, sid=1, threads=[2])
        dump(tree, plain.folder / "pstree.img")
        for stem in ("core", "mm", "ids", "fs", "pagemap"):
            (plain.folder / f"{stem}-2.img").write_bytes((plain.folder / f"{stem}-1.img").read_bytes())
        with pytest.raises(DyncritError, match=r"pages-1\.img belongs to pagemap-1\.img, too"):
            plain.change(write_memory, 0x11000, b"new")

    def test_nothing_is_written_if_a_later_part_fails(self, plain):
        before = {path.name: path.read_bytes() for path in plain.folder.iterdir()}
        with (
            pytest.raises(DyncritError),
            open_checkpoint(plain.folder) as checkpoint,
            checkpoint.edit() as edit,
        ):
            write_memory(edit, 1, 0x17FFF, b"ab")
        assert before == {path.name: path.read_bytes() for path in plain.folder.iterdir()}


def test_two_writes_in_one_edit_see_each_other(plain):
    with open_checkpoint(plain.folder) as checkpoint, checkpoint.edit() as edit:
        write_memory(edit, 1, 0x13000, b"new")
        (touched,) = write_memory(edit, 1, 0x13001, b"ow")
        assert touched.before == b"ew".hex(" ")
    assert plain.memory(0x13000, 4) == b"now\0"


def test_a_write_into_every_page_of_real_memory_changes_these_bytes_alone(corpus, tmp_path):
    """An increment: what is written, in the parent or not, is all that differs from the full dump of the moment."""
    folder = corpus / "demo" / "memory" / "2"
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        (process,) = checkpoint.processes
        space = process.memory
        held = [piece for vma in space.vmas for piece in space.pieces(vma.start, vma.end) if piece.pages]
        writable = [piece for piece in held if space.vma_at(piece.start).kind.value not in {"vdso", "vvar"}]
        assert len(writable) > 20
        for piece in writable:
            assert write_memory(edit, process.pid, piece.start + 100, b"\xa5" * 8)
        after = edit.preview().processes[process.pid].memory
        changed = {piece.start for piece in writable}
        for piece in held:
            expected = bytearray(space.read(piece.start, piece.size))
            if piece.start in changed:
                expected[100:108] = b"\xa5" * 8
            assert after.read(piece.start, piece.size) == expected
