"""Shared memory: anonymous, memory files, SysV, in the forms of all releases."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import PagesError, open_checkpoint
from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.checkpoint.memory.segments import MissingMemory, Segment, StoredSegment, stored_sysv_segments
from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.checkpoint.storage.tree import DirectoryTree

PAGE = 4096
PARENT, LAZY, PRESENT = 1, 2, 4
REGULAR, FILE_PRIVATE, FILE_SHARED, ANON_SHARED = 1, 64, 128, 256
SYSV, MEMFD = 1024 | 256 | 1, 16384
FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}


def shape(pieces):
    return [(piece.start, piece.end, piece.state.value) for piece in pieces]


def memory_file(dump, *, file_id=5, inode_id=2, shmid=77, name="scratch"):
    """A memory file and its inode."""
    file = {"id": file_id, "flags": 2, "pos": 0, "fown": FOWN, "inode_id": inode_id}
    dump.files({"type": "MEMFD", "id": file_id, "memfd": file})
    inode = {
        "name": name,
        "uid": 0,
        "gid": 0,
        "size": 0x4000,
        "shmid": shmid,
        "seals": 0,
        "inode_id": inode_id,
    }
    return dump.write("memfd.img", "MEMFD_INODE", inode)


def sysv_desc(number):
    return {"key": 0, "uid": 0, "gid": 0, "cuid": 0, "cgid": 0, "mode": 0o600, "id": number}


# The layers


class Half(Layer):
    def pieces(self, start: int, end: int):
        yield Piece(start, (start + end) // 2, State.HOLE)
        yield Piece((start + end) // 2, end, State.MISSING, reason="lazy")


def test_what_the_pagemap_of_a_segment_lacks_is_zeros():
    assert shape(Segment(Half()).pieces(0, 8)) == [(0, 4, "zero"), (4, 8, "missing")]


def test_a_segment_that_is_not_there_says_why():
    with pytest.raises(PagesError, match="0x8-0x10: pagemap-shmem-3.img is missing"):  # noqa: RUF043
        MissingMemory("pagemap-shmem-3.img is missing").read(8, 8)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 4, [(0, 4, "data")]),
        (2, 10, [(2, 6, "data"), (6, 10, "zero")]),
        (6, 8, [(6, 8, "zero")]),
        (9, 12, [(9, 12, "zero")]),
        (3, 3, []),
    ],
)
def test_a_stored_segment_is_zeros_behind_its_end(tmp_path, start, end, expected):
    (tmp_path / "ipcns-shm-1.img").write_bytes(b"headABCDEFrest")
    segment = StoredSegment(PagesFile(DirectoryTree(tmp_path), "ipcns-shm-1.img"), 4, 6)
    assert shape(segment.pieces(start, end)) == expected
    assert segment.read(0, 8) == b"ABCDEF\0\0"


# Anonymous shared memory


def test_shared_memory_is_read_from_its_pagemap_by_offset(one_process, vma, pages):
    dump = one_process(vma(0x7000, 0xA000, REGULAR | ANON_SHARED, shmid=77, pgoff=0x2000, flags=0x21))
    dump.pagemap(1).pagemap("shmem-77", (0, 1), (0x3000, 1), pages=pages(2))
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert shape(memory.regions()) == [
            (0x7000, 0x8000, "zero"),
            (0x8000, 0x9000, "data"),
            (0x9000, 0xA000, "zero"),
        ]
        assert memory.read(0x7FFF, 2) == b"\0\2"
        assert memory.resident_of(memory.vmas[0]) == PAGE
        assert not checkpoint.problems.errors


def test_two_processes_see_one_segment(build, vma, pages):
    dump = build().pstree((1, 0), (2, 1))
    dump.process(1, vma(0x7000, 0x9000, REGULAR | ANON_SHARED, shmid=77)).pagemap(1)
    dump.process(2, vma(0x20000, 0x21000, REGULAR | ANON_SHARED, shmid=77, pgoff=0x1000)).pagemap(2)
    dump.pagemap("shmem-77", (0, 2), pages=pages(2))
    with dump.open() as checkpoint:
        one, other = (process.memory for process in checkpoint.processes)
        assert one.read(0x8000, PAGE) == other.read(0x20000, PAGE) == b"\2" * PAGE


def test_a_missing_segment_is_missing_memory_and_nothing_else_is(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000), vma(0x7000, 0x9000, REGULAR | ANON_SHARED, shmid=77))
    with dump.pagemap(1, (0x1000, 1), pages=pages(1)).open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x1000, 1) == b"\1"
        with pytest.raises(PagesError, match=r"0x7000-0x7001: pagemap-shmem-77\.img is missing"):
            memory.read(0x7000, 1)


def test_a_missing_pagemap_of_a_process_hides_no_segment(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000), vma(0x7000, 0x9000, REGULAR | ANON_SHARED, shmid=77))
    with dump.pagemap("shmem-77", (0, 1), pages=pages(1)).open() as checkpoint:
        memory = checkpoint.processes[1].memory
        with pytest.raises(PagesError, match=r"pagemap-1\.img is missing"):
            memory.read(0x1000, 1)
        assert memory.read(0x7000, 1) == b"\1"


def test_pages_of_a_segment_can_stand_in_the_parent(one_process, vma, pages):
    shared = vma(0x7000, 0x9000, REGULAR | ANON_SHARED, shmid=77)
    one_process(shared, name="1").pagemap(1).pagemap("shmem-77", (0, 2), pages=pages(2))
    dump = one_process(shared, name="2").pagemap(1).parent("../1")
    dump.pagemap("shmem-77", (0, 1), (0x1000, 1, PARENT), pages=pages(1, first=9))
    with dump.open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x7FFF, 2) == b"\x09\2"


@pytest.mark.parametrize("size", [16384, 65536])
def test_segments_have_the_page_size_of_the_process(one_process, vma, pages, size):
    shared = vma(0x100000, 0x100000 + 4 * size, REGULAR | ANON_SHARED, shmid=77)
    dump = one_process(shared, page_size=size).pagemap(1)
    dump.pagemap("shmem-77", (size, 2), pages=pages(2, size)[:-1])
    with dump.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x100000 + size, size) == b"\1" * size
        assert memory.read(0x100000 + 3 * size, size) == bytes(size)
        assert memory.page_size == size


# Memory files


@pytest.mark.parametrize("how", [FILE_SHARED, FILE_PRIVATE])
def test_a_memory_file_is_found_through_its_inode(one_process, vma, pages, how):
    dump = one_process(vma(0x7000, 0x9000, REGULAR | how | MEMFD, shmid=5, pgoff=0x1000))
    dump.pagemap(1).pagemap("shmem-77", (0, 2), pages=pages(2))
    with memory_file(dump).open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert (memory.vmas[0].kind, memory.vmas[0].path) == (VmaKind.MEMFD, "/memfd:scratch")
        assert memory.read(0x7000, 0x2000) == b"\2" * PAGE + bytes(PAGE)


def test_a_private_mapping_of_a_memory_file_has_its_own_changed_pages(one_process, vma, pages):
    dump = one_process(vma(0x7000, 0x9000, REGULAR | FILE_PRIVATE | MEMFD, shmid=5))
    dump.pagemap(1, (0x8000, 1), pages=pages(1, first=9)).pagemap("shmem-77", (0, 2), pages=pages(2))
    with memory_file(dump).open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x7FFF, 2) == b"\1\x09"


def test_a_memory_file_without_an_inode_is_missing(one_process, vma):
    dump = one_process(vma(0x7000, 0x9000, REGULAR | FILE_SHARED | MEMFD, shmid=5)).pagemap(1)
    memory_file(dump).remove("memfd.img")
    with dump.open() as checkpoint, pytest.raises(PagesError, match=r"memfd\.img"):
        checkpoint.processes[1].memory.read(0x7000, 1)


def test_a_memory_file_that_is_no_file_at_all_is_missing(one_process, vma):
    dump = one_process(vma(0x7000, 0x9000, REGULAR | FILE_SHARED | MEMFD, shmid=5)).pagemap(1)
    with dump.open() as checkpoint, pytest.raises(PagesError):
        checkpoint.processes[1].memory.read(0x7000, 1)


def test_a_memory_file_that_is_a_file_of_another_type_is_missing(one_process, vma):
    dump = one_process(vma(0x7000, 0x9000, REGULAR | FILE_SHARED | MEMFD, shmid=5)).pagemap(1)
    regular = {"id": 5, "flags": 0, "pos": 0, "fown": FOWN, "name": "/etc/passwd"}
    dump.files({"type": "REG", "id": 5, "reg": regular})
    with dump.open() as checkpoint, pytest.raises(PagesError):
        checkpoint.processes[1].memory.read(0x7000, 1)


# SysV


def test_sysv_segments_stand_in_pagemaps_since_criu_3(one_process, vma, pages):
    dump = one_process(vma(0x7000, 0x9000, SYSV, shmid=3)).pagemap(1)
    dump.write("ipcns-shm-10.img", "IPCNS_SHM", {"desc": sysv_desc(3), "size": 0x2000, "in_pagemaps": True})
    with dump.pagemap("shmem-3", (0x1000, 1), pages=pages(1)).open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.vmas[0].kind is VmaKind.SYSV
        assert memory.read(0x7FFF, 2) == b"\0\1"
        assert not checkpoint.problems.errors


def test_sysv_segments_stand_in_a_payload_up_to_criu_2_12(one_process, vma, tmp_path):
    from dyncrit import Image, dump

    checkpoint = one_process(vma(0x7000, 0x8000, SYSV, shmid=3), vma(0x9000, 0xB000, SYSV, shmid=4)).pagemap(
        1
    )
    image = Image.new("IPCNS_SHM")
    image.add(b"first\0\0", desc=sysv_desc(3), size=7)
    image.add(b"second" * 800, desc=sysv_desc(4), size=4800)
    dump(image, checkpoint.folder / "ipcns-shm-10.img")
    with checkpoint.open() as opened:
        memory = opened.processes[1].memory
        assert memory.read(0x7000, 0x1000) == b"first".ljust(0x1000, b"\0")
        assert memory.read(0x9000, 0x2000) == (b"second" * 800).ljust(0x2000, b"\0")
        assert memory.read(0x9FFC, 8) == (b"second" * 800)[0xFFC:0x1004]
        assert not opened.problems.errors


def test_a_sysv_segment_that_nobody_carries_is_missing(one_process, vma):
    dump = one_process(vma(0x7000, 0x9000, SYSV, shmid=3)).pagemap(1)
    with dump.open() as checkpoint, pytest.raises(PagesError, match="shmem-3"):
        checkpoint.processes[1].memory.read(0x7000, 1)


def test_the_real_sysv_segment_of_criu_2_12_is_read_from_its_image(corpus):
    folder = corpus / "criu-2.12/namespaces/shm-mp"
    image = (folder / "ipcns-shm-10.img").read_bytes()
    with open_checkpoint(folder) as checkpoint:
        segments = stored_sysv_segments(checkpoint.images)
        mapped = [
            (process, vma)
            for process in checkpoint.processes
            for vma in process.memory.vmas
            if vma.kind is VmaKind.SYSV
        ]
        assert mapped
        assert {vma.shmid for _, vma in mapped} <= set(segments)
        for process, vma in mapped:
            data = process.memory.read(vma.start, vma.size)
            assert data == image[-0x2000:][vma.offset :][: vma.size]
            assert any(data)


def test_a_sysv_segment_of_criu_4_2_carries_nothing_in_its_ipc_image(corpus):
    with open_checkpoint(corpus / "criu-4.2/namespaces/shm-mp") as checkpoint:
        assert stored_sysv_segments(checkpoint.images) == {}
        memory = checkpoint.processes[5].memory
        first, second = (vma for vma in memory.vmas if vma.kind is VmaKind.SYSV)
        assert (first.offset, second.offset) == (0, 4096)
        with pytest.raises(PagesError, match=r"pages image of pagemap-shmem-0\.img is missing"):
            memory.read(first.start, first.size)


def test_a_damaged_ipc_image_is_a_problem_of_sysv_segments_only(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000), vma(0x7000, 0x9000, SYSV, shmid=3))
    dump.pagemap(1, (0x1000, 1), pages=pages(1))
    dump.write("ipcns-shm-10.img", "IPCNS_SHM", {"desc": sysv_desc(3), "size": 4, "in_pagemaps": True})
    whole = (dump.folder / "ipcns-shm-10.img").read_bytes()
    with dump.raw("ipcns-shm-10.img", whole[:-3]).open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x1000, 1) == b"\1"
        with pytest.raises(PagesError):
            memory.read(0x7000, 1)
        assert any(problem.place == "ipcns-shm-10.img" for problem in checkpoint.problems.errors)
