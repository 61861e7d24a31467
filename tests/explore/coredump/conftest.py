"""What the tests of core files share: processes made up here, a reader of ELF, and gdb."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.explore.coredump import write_core
from dyncrit.schema import Schema
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = 4096

REPEATED = {
    "thread_info": {"st_space": 32, "xmm_space": 64, "ymmh_space": 64},
    "ti_aarch64": {"regs": 31, "vregs": 64},
    "ti_arm": {"vfp_regs": 32},
    "ti_ppc64": {"gpr": 32, "fpregs": 33, "vrregs": 66, "vsxregs": 32},
    "ti_s390": {
        "gprs": 16,
        "acrs": 16,
        "fprs": 16,
        "vxrs_low.regs": 16,
        "vxrs_high.regs": 32,
        "gs_cb.regs": 4,
        "gs_bc.regs": 4,
        "ri_cb.regs": 8,
    },
    "ti_mips": {},
    "ti_riscv64": {"f": 32},
    "ti_loongarch64": {"regs": 32},
}
SKIPPED = {"tmstate", "pac_keys", "cet", "mode", "texasr", "tfhar", "tfiar"}
INFOS = {
    "X86_64": "thread_info",
    "ARM": "ti_arm",
    "AARCH64": "ti_aarch64",
    "PPC64": "ti_ppc64",
    "S390": "ti_s390",
    "MIPS": "ti_mips",
    "LOONGARCH64": "ti_loongarch64",
    "RISCV64": "ti_riscv64",
}


class Pages:
    """A pages file of one byte's repetition, or of given bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.data)[offset : offset + size]


@dataclass
class Mapping:
    start: int
    end: int
    protection: int = 3
    offset: int = 0
    path: str = ""
    is_file_backed: bool = False


class Memory(Layer):
    """Mappings, and the pieces that they consist of."""

    def __init__(self, vmas: list[Mapping], pieces: list[Piece], page_size: int = PAGE) -> None:
        self.vmas = vmas
        self.page_size = page_size
        self._pieces = pieces

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        for piece in self._pieces:
            first, last = max(piece.start, start), min(piece.end, end)
            if first < last:
                yield piece._replace(start=first, end=last, offset=piece.offset + first - piece.start)


@dataclass
class Process:
    core: Any
    memory: Any
    mm: Any = None
    pid: int = 500
    ppid: int = 1
    pgid: int = 500
    sid: int = 400
    comm: str = "made-up"
    state: str = "alive"
    credentials: Any = field(default_factory=lambda: SimpleNamespace(uid=1000, gid=1001))
    command_line: Any = ("made-up", "--option", "two words")
    threads: Any = ()
    byte_order: Any = "little"


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


class Elf:
    """A core file, read back without the code that wrote it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        assert data[:4] == b"\x7fELF"
        self.word = {1: 4, 2: 8}[data[4]]
        self.order = {1: "<", 2: ">"}[data[5]]
        self.type, self.machine = self.unpack("HH", 16)
        if self.word == 8:
            phoff, shoff = self.unpack("QQ", 32)
            self.phnum = self.unpack("H", 56)[0]
            extended = self.unpack("I", shoff + 44)[0] if self.phnum == 0xFFFF else 0
        else:
            phoff, shoff = self.unpack("II", 28)
            self.phnum = self.unpack("H", 44)[0]
            extended = self.unpack("I", shoff + 28)[0] if self.phnum == 0xFFFF else 0
        self.count = extended or self.phnum
        self.segments = [self._segment(phoff, index) for index in range(self.count)]
        self.loads = [segment for segment in self.segments if segment.type == 1]
        self.notes = list(self._notes())

    def unpack(self, code: str, offset: int = 0, data: bytes | None = None) -> tuple[Any, ...]:
        return struct.unpack_from(self.order + code, self.data if data is None else data, offset)

    def note(self, number: int, index: int = 0) -> bytes:
        return [description for _, kind, description in self.notes if kind == number][index]

    def types(self) -> list[int]:
        return [kind for _, kind, _ in self.notes]

    def content(self, address: int, size: int) -> bytes:
        for load in self.loads:
            if load.address <= address and address + size <= load.address + load.file_size:
                start = load.offset + address - load.address
                return self.data[start : start + size]
        raise AssertionError(f"{address:#x} is not in the file")

    def _segment(self, phoff: int, index: int) -> Segment:
        if self.word == 8:
            kind, flags, offset, address, _, size, memory, _ = self.unpack("IIQQQQQQ", phoff + 56 * index)
        else:
            kind, offset, address, _, size, memory, flags, _ = self.unpack("8I", phoff + 32 * index)
        return Segment(kind, flags, offset, address, size, memory)

    def _notes(self) -> Iterator[tuple[str, int, bytes]]:
        first = self.segments[0]
        assert first.type == 4
        position, end = first.offset, first.offset + first.file_size
        while position < end:
            name_size, size, kind = self.unpack("III", position)
            position += 12
            name = self.data[position : position + name_size - 1].decode()
            position += (name_size + 3) // 4 * 4
            yield name, kind, self.data[position : position + size]
            position += (size + 3) // 4 * 4
        assert position == end


def _fill(message: Any, counts: dict[str, int], counter: Iterator[int], path: str = "") -> None:
    for descriptor in message.DESCRIPTOR.fields:
        name = descriptor.name
        if name in SKIPPED:
            continue
        if is_repeated(descriptor):
            count = counts.get(f"{path}.{name}".lstrip("."), counts.get(name, 0))
            if descriptor.message_type is None:
                getattr(message, name).extend([next(counter) for _ in range(count)])
        elif descriptor.message_type is not None:
            getattr(message, name).SetInParent()
            _fill(getattr(message, name), counts, counter, name)
        else:
            setattr(message, name, next(counter))


@pytest.fixture(scope="session")
def make_core() -> Callable[..., Any]:
    """A core_entry of an architecture whose registers are all different numbers."""

    def make(march: str, first: int = 0x1000) -> Any:
        core: Any = Schema.default().message_class("core_entry")()
        core.mtype = core.DESCRIPTOR.fields_by_name["mtype"].enum_type.values_by_name[march].number
        info = getattr(core, INFOS[march])
        info.SetInParent()
        _fill(info, REPEATED[INFOS[march]], iter(range(first, 1 << 20)))
        return core

    return make


@pytest.fixture(scope="session")
def make_mm() -> Callable[..., Any]:
    """An mm_entry with an auxiliary vector."""

    def make(*auxv: int) -> Any:
        mm: Any = Schema.default().message_class("mm_entry")()
        mm.mm_saved_auxv.extend(auxv)
        return mm

    return make


@pytest.fixture(scope="session")
def made_up() -> SimpleNamespace:
    """The classes that processes are made up of."""
    return SimpleNamespace(
        Process=Process,
        Memory=Memory,
        Mapping=Mapping,
        Pages=Pages,
        Piece=Piece,
        State=State,
        Thread=lambda tid, core: SimpleNamespace(tid=tid, core=core),
    )


@pytest.fixture(scope="session")
def make_process(make_core: Any, made_up: Any) -> Callable[..., Process]:
    """A process of one mapping with one page, which has a text in it."""

    def make(march: str = "X86_64", **changes: Any) -> Process:
        core = changes.pop("core", None) or make_core(march)
        page = b"a known text\0".ljust(PAGE, b".")
        memory = Memory(
            [Mapping(0x10000, 0x10000 + PAGE)],
            [Piece(0x10000, 0x10000 + PAGE, State.DATA, Pages(page))],  # type: ignore[arg-type]
        )
        process = Process(core, changes.pop("memory", memory), **changes)
        if not process.threads:
            process.threads = [SimpleNamespace(tid=process.pid, core=core)]
        return process

    return make


@pytest.fixture(scope="session")
def written() -> Callable[[Any], Elf]:
    """The core file of a process, read back."""

    def write(process: Any) -> Elf:
        file = io.BytesIO()
        summary = write_core(process, file)
        assert summary.size == len(file.getvalue())
        return Elf(file.getvalue())

    return write


@pytest.fixture(scope="session")
def read_elf() -> type[Elf]:
    return Elf


@pytest.fixture(scope="session")
def gdb() -> Callable[..., str]:
    """What gdb says to commands on a core file."""

    def run(core: Path, *commands: str, program: str = "gdb") -> str:
        if shutil.which(program) is None:
            if os.environ.get("DYNCRIT_REQUIRE_GDB"):
                pytest.fail(f"DYNCRIT_REQUIRE_GDB is set and there is no {program}")
            pytest.skip(f"no {program}: apt-get install {program}")
        arguments = [part for command in commands for part in ("-ex", command)]
        done = subprocess.run(
            [
                program,
                "--batch",
                "-nx",
                "-q",
                "-iex",
                "set debuginfod enabled off",
                *arguments,
                "--core",
                str(core),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "not a core dump" not in done.stderr, done.stderr
        assert "file format not recognized" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    return run
