from __future__ import annotations

import struct
from typing import Any

import pytest

from dyncrit.errors import ImageError
from dyncrit.explore.coredump.machines import machine_of
from dyncrit.explore.coredump.notes import CoreNotes

PRSTATUS, PRFPREG, PRPSINFO, AUXV, SIGINFO, FILE = 1, 2, 3, 6, 0x53494749, 0x46494C45

# sizes of the kernel's structures: elf_prstatus, elf_prpsinfo, the floating-point registers
SIZES = {
    "X86_64": (336, 136, 512),
    "AARCH64": (392, 136, 528),
    "ARM": (148, 124, None),
    "PPC64": (504, 136, 264),
    "S390": (336, 136, 136),
    "RISCV64": (376, 136, 264),
    "MIPS": (480, 136, 264),
    "LOONGARCH64": (480, 136, 272),
}


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("march", SIZES)
def test_structures_have_the_kernels_sizes(
    make_process: Any, written: Any, march: str, byte_order: str
) -> None:
    elf = written(make_process(march, byte_order=byte_order))
    status, info, floats = SIZES[march]
    assert (len(elf.note(PRSTATUS)), len(elf.note(PRPSINFO))) == (status, info)
    assert [len(data) for _, kind, data in elf.notes if kind == PRFPREG] == [floats] * (floats is not None)


def test_32bit_tasks_have_structures_of_i386(make_process: Any, written: Any) -> None:
    process = make_process()
    process.core.thread_info.gpregs.mode = 2
    process.core.thread_info.tls.add(entry_number=12)
    elf = written(process)
    assert (elf.machine, elf.word) == (3, 4)
    assert (len(elf.note(PRSTATUS)), len(elf.note(PRPSINFO)), len(elf.note(PRFPREG))) == (144, 124, 108)
    assert len(elf.note(0x46E62B7F)) == 512
    assert len(elf.note(0x202)) == 832
    assert len(elf.note(0x200)) == 16


def test_32bit_registers_are_cut_to_their_width(make_process: Any, written: Any) -> None:
    process = make_process()
    process.core.thread_info.gpregs.mode = 2
    process.core.thread_info.gpregs.orig_ax = (1 << 64) - 1
    assert written(process).unpack("I", 72 + 4 * 11, written(process).note(PRSTATUS)) == (0xFFFFFFFF,)


OPTIONAL = {
    "X86_64": {0x202: 832},
    "AARCH64": {0x401: 8},
    "ARM": {0x400: 260, 0x401: 4},
    "PPC64": {0x100: 544, 0x102: 256},
    "S390": {0x307: 4, 0x309: 128, 0x30A: 256, 0x30B: 32, 0x30C: 32, 0x30D: 64},
    "RISCV64": {},
    "MIPS": {},
    "LOONGARCH64": {},
}


@pytest.mark.parametrize("march", OPTIONAL)
def test_register_sets_of_an_architecture_have_their_numbers_and_sizes(
    make_process: Any, written: Any, march: str
) -> None:
    found = {kind: len(data) for owner, kind, data in written(make_process(march)).notes if owner == "LINUX"}
    assert found == OPTIONAL[march]


def test_loongarch_registers_stand_where_the_kernel_has_them(make_process: Any, written: Any) -> None:
    process = make_process("LOONGARCH64")
    elf = written(process)
    registers = process.core.ti_loongarch64
    assert elf.unpack("32Q", 112, elf.note(PRSTATUS)) == tuple(registers.gpregs.regs)
    assert elf.unpack("QQQ", 112 + 256, elf.note(PRSTATUS)) == (0, registers.gpregs.pc, 0)
    assert elf.unpack("32QQI", 0, elf.note(PRFPREG)) == (
        *registers.fpregs.regs,
        registers.fpregs.fcc,
        registers.fpregs.fcsr,
    )


def test_registers_that_the_image_lacks_have_no_note(make_process: Any, written: Any) -> None:
    process = make_process("S390")
    process.core.ti_s390.ClearField("vxrs_high")
    assert 0x30A not in written(process).types()


def test_the_process_is_described(make_process: Any, written: Any) -> None:
    elf = written(make_process(state="stopped", command_line=["made-up", "x" * 200], pid=70000))
    info = elf.note(PRPSINFO)
    assert elf.unpack("BcBB", 0, info) == (3, b"T", 0, 0)
    assert elf.unpack("6I", 16, info) == (1000, 1001, 70000, 1, 500, 400)
    assert elf.unpack("16s80s", 40, info) == (b"made-up".ljust(16, b"\0"), b"made-up " + b"x" * 71 + b"\0")


def test_user_numbers_over_16_bits_become_nobody_where_there_is_no_room(
    make_process: Any, written: Any
) -> None:
    process = make_process("ARM")
    process.credentials.uid = 100000
    process.credentials.gid = 65535
    assert written(process).unpack("2H", 8, written(process).note(PRPSINFO)) == (65534, 65535)


def test_a_process_without_credentials_or_command_line_is_described(make_process: Any, written: Any) -> None:
    elf = written(make_process(credentials=None, command_line=[]))
    assert elf.unpack("2I", 16, elf.note(PRPSINFO)) == (0, 0)


def test_auxiliary_vectors_are_pairs_that_end_with_null(
    make_process: Any, make_mm: Any, written: Any
) -> None:
    elf = written(make_process(mm=make_mm(6, 4096, 9, 0xFFFF_0000_1234, 0, 0, 7, 7)))
    assert elf.unpack("6Q", 0, elf.note(AUXV)) == (6, 4096, 9, 0xFFFF_0000_1234, 0, 0)
    assert len(elf.note(AUXV)) == 48


def test_auxiliary_vectors_without_an_end_get_one(make_process: Any, make_mm: Any, written: Any) -> None:
    elf = written(make_process(mm=make_mm(6, 4096, 9)))
    assert elf.unpack("4Q", 0, elf.note(AUXV)) == (6, 4096, 0, 0)


def test_auxiliary_vectors_of_32bit_tasks_are_pairs_in_one_number(
    make_process: Any, make_mm: Any, written: Any
) -> None:
    process = make_process(mm=make_mm(4096 << 32 | 6, 0x5678 << 32 | 9, 0, 0))
    process.core.thread_info.gpregs.mode = 2
    elf = written(process)
    assert elf.unpack("6I", 0, elf.note(AUXV)) == (6, 4096, 9, 0x5678, 0, 0)


def test_auxiliary_vectors_of_32bit_machines_have_a_number_each(
    make_process: Any, make_mm: Any, written: Any
) -> None:
    elf = written(make_process("ARM", mm=make_mm(6, 4096, 9, 0x1234, 0, 0)))
    assert elf.unpack("6I", 0, elf.note(AUXV)) == (6, 4096, 9, 0x1234, 0, 0)


def test_a_missing_mm_image_is_said(make_process: Any) -> None:
    process = make_process()
    notes = CoreNotes(process, machine_of(process.core))
    assert AUXV not in [note.type for note in notes]
    assert list(notes.problems) == ["no auxiliary vector: its mm image is missing"]


@pytest.mark.parametrize(("page_size", "march"), [(4096, "X86_64"), (65536, "PPC64"), (4096, "ARM")])
def test_file_mappings_have_offsets_in_pages_of_the_machine(
    make_process: Any, made_up: Any, written: Any, page_size: int, march: str
) -> None:
    start = 16 * page_size
    vmas = [
        made_up.Mapping(start, start + page_size, 5, 3 * page_size, "/usr/bin/né\udcff", True),
        made_up.Mapping(start + page_size, start + 2 * page_size, 3, 0, "", False),
        made_up.Mapping(start + 2 * page_size, start + 3 * page_size, 1, 0, "/lib/x\0y.so", True),
    ]
    pieces = [made_up.Piece(start, start + 3 * page_size, made_up.State.MISSING)]
    memory = made_up.Memory(vmas, pieces, page_size)
    elf = written(make_process(march, memory=memory))
    word = "I" if elf.word == 4 else "Q"
    note = elf.note(FILE)
    assert elf.unpack(f"8{word}", 0, note) == (
        2, page_size, start, start + page_size, 3, start + 2 * page_size, start + 3 * page_size, 0,
    )  # fmt: skip
    assert note[8 * elf.word :] == b"/usr/bin/n\xc3\xa9\xff\0/lib/x y.so\0"


def siginfo(signal: int, code: int = 0, sender: int = 77, order: str = "<") -> bytes:
    return struct.pack(f"{order}3i4x2iQ", signal, 0, code, sender, 1000, 0x1122334455667788).ljust(128, b"\0")


def send(core: Any, *signals: bytes, shared: bool = False, blocked: int = 0) -> None:
    core.thread_core.blk_sigset = blocked
    queue = core.tc.signals_s if shared else core.thread_core.signals_p
    for data in signals:
        queue.signals.add(siginfo=data)


def test_the_first_signal_that_is_not_blocked_is_the_current_one(make_process: Any, written: Any) -> None:
    process = make_process()
    send(process.core, siginfo(12), siginfo(10, -6), blocked=1 << 11)
    send(process.core, siginfo(15), shared=True, blocked=1 << 11)
    elf = written(process)
    assert elf.unpack("3ih2xQQ", 0, elf.note(PRSTATUS)) == (
        10, -6, 0, 10, 1 << 11 | 1 << 9 | 1 << 14, 1 << 11,
    )  # fmt: skip
    assert elf.note(SIGINFO) == siginfo(10, -6)


def test_without_a_signal_to_deliver_there_is_no_current_one(make_process: Any, written: Any) -> None:
    process = make_process()
    send(process.core, siginfo(12), blocked=1 << 11)
    elf = written(process)
    assert elf.unpack("3ih", 0, elf.note(PRSTATUS)) == (0, 0, 0, 0)
    assert elf.note(SIGINFO) == bytes(128)


def test_signals_of_32bit_tasks_lose_the_padding_of_64bit_ones(make_process: Any, written: Any) -> None:
    process = make_process()
    process.core.thread_info.gpregs.mode = 2
    send(process.core, siginfo(10, -1))
    expected = struct.pack("<3i2iI", 10, 0, -1, 77, 1000, 0x55667788).ljust(128, b"\0")
    assert written(process).note(SIGINFO) == expected


def test_signals_are_read_in_the_hosts_byte_order(make_process: Any, written: Any) -> None:
    process = make_process("S390", byte_order="big")
    send(process.core, siginfo(10, order=">"))
    assert written(process).unpack("ii", 0, written(process).note(PRSTATUS)) == (10, 0)


def test_mips_has_code_and_errno_the_other_way_round(make_process: Any, written: Any) -> None:
    process = make_process("MIPS")
    send(process.core, struct.pack("<3i", 10, -6, 3))
    assert written(process).unpack("3i", 0, written(process).note(PRSTATUS)) == (10, -6, 3)


@pytest.mark.parametrize("data", [b"", b"\x0a", struct.pack("<i", -5), struct.pack("<i", 129), bytes(4000)])
def test_damaged_signals_are_passed_over_or_cut(make_process: Any, written: Any, data: bytes) -> None:
    process = make_process()
    send(process.core, data)
    assert len(written(process).note(SIGINFO)) == 128


def test_threads_follow_the_leader(make_process: Any, make_core: Any, made_up: Any, written: Any) -> None:
    leader, other = make_core("X86_64"), make_core("X86_64", 0x9000)
    threads = [made_up.Thread(501, other), made_up.Thread(500, leader)]
    elf = written(make_process(core=leader, threads=threads))
    statuses = [data for _, kind, data in elf.notes if kind == PRSTATUS]
    assert [elf.unpack("I", 32, status)[0] for status in statuses] == [500, 501]
    assert elf.unpack("Q", 112, statuses[1]) == (other.thread_info.gpregs.r15,)
    kinds = elf.types()
    assert kinds == [PRSTATUS, PRPSINFO, SIGINFO, FILE, PRFPREG, 0x202, PRSTATUS, PRFPREG, 0x202]


def test_threads_without_registers_are_left_out_and_said(
    make_process: Any, make_core: Any, made_up: Any
) -> None:
    leader, other, short = make_core("AARCH64"), make_core("X86_64"), make_core("AARCH64")
    del short.ti_aarch64.gpregs.regs[7:]
    threads = [
        made_up.Thread(500, leader),
        made_up.Thread(501, None),
        made_up.Thread(502, other),
        made_up.Thread(503, short),
    ]
    notes = CoreNotes(make_process(core=leader, threads=threads), machine_of(leader))
    assert [thread.tid for thread in notes.threads] == [500]
    assert list(notes.problems) == [
        "thread 501 is left out: its core image is missing",
        "thread 502 is left out: no registers of aarch64",
        "thread 503 is left out: expected 31 values in regs, found 7",
    ]


def test_a_missing_leader_leaves_the_other_threads(
    make_process: Any, make_core: Any, made_up: Any, written: Any
) -> None:
    process = make_process(threads=[made_up.Thread(500, None), made_up.Thread(501, make_core("X86_64"))])
    process.core = None
    elf = written(process)
    assert [elf.unpack("I", 32, data)[0] for _, kind, data in elf.notes if kind == PRSTATUS] == [501]


def test_no_thread_with_registers_is_an_error(make_process: Any, make_core: Any) -> None:
    core = make_core("X86_64")
    core.ClearField("thread_info")
    with pytest.raises(
        ImageError, match="no registers to write: thread 500 is left out: no registers of x86_64"
    ):
        CoreNotes(make_process(core=core), machine_of(core))


def test_a_damaged_register_set_is_left_out_and_said(make_process: Any) -> None:
    process = make_process()
    del process.core.thread_info.fpregs.xmm_space[10:]
    notes = CoreNotes(process, machine_of(process.core))
    assert [note.type for note in notes] == [PRSTATUS, PRPSINFO, SIGINFO, FILE]
    assert (
        "thread 500: registers of note 0x2 are left out: expected 64 values in xmm_space, found 10"
        in notes.problems
    )
