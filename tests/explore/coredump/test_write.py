from __future__ import annotations

import io
import re
import shutil
import subprocess
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.errors import DyncritError, ImageError
from dyncrit.explore.coredump import write_core

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096


def test_the_core_is_of_the_tasks_machine_and_begins_with_notes(make_process: Any, written: Any) -> None:
    elf = written(make_process("S390", byte_order="big"))
    assert (elf.type, elf.machine, elf.word, elf.order) == (4, 22, 8, ">")
    assert [segment.type for segment in elf.segments] == [4, 1]


def test_protection_becomes_segment_flags(make_process: Any, made_up: Any, written: Any) -> None:
    vmas = [made_up.Mapping(PAGE * number, PAGE * (number + 1), number) for number in range(8)]
    memory = made_up.Memory(vmas, [Piece(0, 8 * PAGE, State.MISSING)])
    flags = [load.flags for load in written(make_process(memory=memory)).loads]
    assert flags == [0, 4, 2, 6, 1, 5, 3, 7]  # PF_R is 4, PF_X is 1


@pytest.mark.parametrize("pid", [9834, 9838, 9840])
def test_all_that_the_dump_holds_stands_in_the_core(data: Path, written: Any, pid: int) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        process = checkpoint.processes[pid]
        elf = written(process)
        file = io.BytesIO()
        summary = write_core(process, file)
        pages = 0
        for region in process.memory.regions():
            if region.state is State.DATA:
                pages += region.size
                assert elf.content(region.start, region.size) == process.memory.read(
                    region.start, region.size
                )
        assert pages == summary.data > 0
        mapped = {(vma.start, vma.end) for vma in process.memory.vmas}
        assert {(load.address, load.address + load.memory_size) for load in elf.loads} == mapped
        assert summary.data + summary.zeros + summary.missing == sum(vma.size for vma in process.memory.vmas)
        assert summary.segments == len(elf.loads)


def test_segments_stand_in_the_file_as_they_do_in_a_page(
    make_process: Any, made_up: Any, written: Any
) -> None:
    pages = made_up.Pages(b"x" * (1 << 17))
    for size in (4096, 65536):
        memory = made_up.Memory(
            [made_up.Mapping(size, 2 * size)], [Piece(size, 2 * size, State.DATA, pages)], size
        )
        elf = written(make_process("PPC64", memory=memory))
        assert elf.loads[0].offset % size == 0
        assert elf.content(size, size) == b"x" * size


def test_a_pipe_gets_the_same_bytes_as_a_file(data: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        results = []
        for kind in (io.BytesIO, Pipe):
            file = kind()
            write_core(checkpoint.processes[9838], file)
            results.append(file.getvalue())
    assert results[0] == results[1]


@pytest.mark.parametrize("state", ["zombie", "dead"])
def test_processes_without_memory_are_refused(make_process: Any, state: str) -> None:
    with pytest.raises(DyncritError, match=rf"process 500: it had ended \({state}\)"):
        write_core(make_process(state=state), io.BytesIO())


def test_a_process_that_had_ended_is_refused(data: Path) -> None:
    with (
        open_checkpoint(data / "demo" / "tree") as checkpoint,
        pytest.raises(DyncritError, match="process 9839: it had ended"),
    ):
        write_core(checkpoint.processes[9839], io.BytesIO())


def test_a_stopped_process_has_a_core(corpus: Path, written: Any) -> None:
    with open_checkpoint(corpus / "criu-4.2" / "host" / "stopped12") as checkpoint:
        elf = written(checkpoint.processes[67])
    assert elf.unpack("Bc", 0, elf.note(3)) == (3, b"T")


def test_a_process_without_any_core_image_is_an_error(make_process: Any, made_up: Any) -> None:
    process = make_process(threads=[made_up.Thread(500, None)])
    process.core = None
    with pytest.raises(ImageError, match="process 500: none of its threads"):
        write_core(process, io.BytesIO())


def test_an_error_names_the_process_once(data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(data / "demo" / "tree", images)
    (images / "mm-9838.img").unlink()
    with open_checkpoint(images) as checkpoint, pytest.raises(DyncritError) as caught:
        write_core(checkpoint.processes[9838], io.BytesIO())
    assert str(caught.value) == "process 9838: mm-9838.img is missing or damaged"


def test_an_unknown_machine_is_an_error_with_its_place(make_process: Any, make_core: Any) -> None:
    core = make_core("X86_64")
    core.mtype = 0
    with pytest.raises(ImageError, match="process 500: machine type UNKNOWN"):
        write_core(make_process(core=core), io.BytesIO())


def test_what_a_thread_lacks_is_in_the_summary(
    make_process: Any, make_core: Any, made_up: Any, make_mm: Any
) -> None:
    core = make_core("X86_64")
    threads = [made_up.Thread(500, core), made_up.Thread(501, None)]
    summary = write_core(make_process(core=core, threads=threads, mm=make_mm(0, 0)), io.BytesIO())
    assert summary.threads == (500,)
    assert summary.problems == ("thread 501 is left out: its core image is missing",)


def test_mappings_beyond_32_bits_are_said(make_process: Any, made_up: Any) -> None:
    vmas = [made_up.Mapping(PAGE, 2 * PAGE), made_up.Mapping(1 << 40, (1 << 40) + PAGE)]
    process = make_process("ARM", memory=made_up.Memory(vmas, [Piece(0, 1 << 41, State.MISSING)]))
    summary = write_core(process, io.BytesIO())
    assert summary.segments == 1
    assert "mapping 0x10000000000-0x10000001000 is left out: it lies beyond 32 bits" in summary.problems


class Endless:
    """Pages that are made when they are looked at; the largest request is kept."""

    largest = 0

    def view(self, offset: int, size: int) -> memoryview:
        self.largest = max(self.largest, size)
        return memoryview(bytes(size))


class Null(io.RawIOBase):
    """Takes all, and counts."""

    def __init__(self, *, seeks: bool) -> None:
        self.taken = self.skipped = 0
        self._seeks = seeks

    def seekable(self) -> bool:
        return self._seeks

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == io.SEEK_CUR
        self.skipped += offset
        return 0

    def write(self, data: Any) -> int:
        self.taken += len(data)
        return len(data)


def test_memory_stays_bounded_whatever_the_regions(make_process: Any, made_up: Any) -> None:
    pages = Endless()
    big, huge = 1 << 28, 1 << 46
    memory = made_up.Memory(
        [made_up.Mapping(0, big), made_up.Mapping(big, 2 * big), made_up.Mapping(1 << 40, (1 << 40) + huge)],
        [
            Piece(0, big, State.DATA, pages),  # type: ignore[arg-type]
            Piece(big, 2 * big, State.ZERO),
            Piece(1 << 40, (1 << 40) + huge, State.ZERO),
        ],
    )
    process = make_process(memory=memory)
    write_core(make_process(), io.BytesIO())  # whatever is made once
    file = Null(seeks=False)
    tracemalloc.start()
    try:
        summary = write_core(process, file)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.taken == summary.size > big
    assert peak < 8 << 20
    assert pages.largest <= 1 << 20


MANY = 70_000


@pytest.fixture(scope="module")
def many_segments(make_process: Any, made_up: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    # gaps keep debuggers from joining mappings; one page of data at the very end
    vmas = [made_up.Mapping(2 * PAGE * number, PAGE * (2 * number + 1)) for number in range(1, MANY + 1)]
    last = vmas[-1].start
    text = b"in the last segment\0".ljust(PAGE, b".")
    pieces = [Piece(0, last, State.MISSING), Piece(last, last + PAGE, State.DATA, made_up.Pages(text))]

    class Indexed(made_up.Memory):  # type: ignore[name-defined,misc]
        def pieces(self, start: int, end: int) -> Any:
            yield pieces[start >= last]._replace(start=start, end=end)

    path = tmp_path_factory.mktemp("many") / "core"
    with path.open("wb") as file:
        summary = write_core(make_process(memory=Indexed(vmas, pieces)), file)
    return path, summary, last


def test_more_than_65535_segments_are_counted_in_a_section_header(many_segments: Any, read_elf: Any) -> None:
    path, summary, last = many_segments
    elf = read_elf(path.read_bytes())
    assert summary.segments == MANY
    assert (elf.phnum, elf.count, len(elf.loads)) == (0xFFFF, MANY + 1, MANY)
    assert elf.content(last, 20) == b"in the last segment\0"


def test_readelf_counts_them(many_segments: Any) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("no readelf: apt-get install binutils")
    out = subprocess.run(
        ["readelf", "-h", many_segments[0]], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    assert re.search(rf"Number of program headers: +65535 \({MANY + 1}\)", out.stdout)
    assert not out.stderr


def test_gdb_reads_the_last_of_them(many_segments: Any, gdb: Any) -> None:
    path, _, last = many_segments
    assert '"in the last segment"' in gdb(path, f"x/s {last:#x}")
