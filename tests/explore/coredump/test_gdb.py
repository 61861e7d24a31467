"""gdb opens the core files, of this machine's architecture and of others, and reads what the images hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.coredump import write_core

if TYPE_CHECKING:
    from pathlib import Path

REGISTERS = {
    "rax": "ax",
    "rbx": "bx",
    "rcx": "cx",
    "rsp": "sp",
    "rbp": "bp",
    "rip": "ip",
    "r14": "r14",
    "r15": "r15",
    "fs_base": "fs_base",
}
REGISTERS_32 = {
    "eax": "ax",
    "ebx": "bx",
    "ecx": "cx",
    "esp": "sp",
    "eip": "ip",
    "gs": "gs",
    "eflags": "flags",
}


def dump(checkpoint: Path, pid: int, target: Path) -> Any:
    with open_checkpoint(checkpoint) as opened, target.open("wb") as file:
        process = opened.processes[pid]
        return process, write_core(process, file)


def numbers(text: str) -> list[int]:
    """The values that gdb printed, in order."""
    return [int(value, 0) for value in re.findall(r"^\$\d+ = (0x[0-9a-f]+|\d+)$", text, re.MULTILINE)]


def vector(text: str) -> list[int]:
    """The elements of the one vector that gdb printed."""
    found = re.search(r"^\$\d+ = \{(.*)\}$", text, re.MULTILINE)
    assert found, text
    values: list[int] = []
    for item in found[1].split(", "):
        value, _, times = item.partition(" <repeats ")
        values += [int(value, 0)] * (int(times.split()[0]) if times else 1)
    return values


@pytest.fixture(scope="module")
def tree(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    target = tmp_path_factory.mktemp("core") / "tree.core"
    process, summary = dump(data / "demo" / "tree", 9834, target)
    return process, summary, target


def test_general_registers_are_those_of_the_image(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    shown = numbers(gdb(core, *(f"p/x ${name}" for name in REGISTERS)))
    assert shown == [getattr(process.core.thread_info.gpregs, name) for name in REGISTERS.values()]


def test_every_thread_has_its_own_registers(tree: Any, gdb: Any) -> None:
    process, summary, core = tree
    out = gdb(core, "thread apply all -q p/x $rsp")
    shown = {int(value, 0) for value in re.findall(r"= (0x[0-9a-f]+)", out)}
    assert summary.threads == (9834, 9836, 9837)
    assert shown == {thread.core.thread_info.gpregs.sp for thread in process.threads}
    listed = re.findall(r"LWP (\d+)", gdb(core, "info threads"))
    assert {9834, 9836, 9837} == {int(tid) for tid in listed}


def test_the_leader_is_the_current_thread(tree: Any, gdb: Any) -> None:
    assert re.search(r"\* 1 +LWP 9834 ", gdb(tree[2], "info threads"))


@pytest.mark.parametrize("index", [0, 3, 9])
def test_vector_registers_are_those_of_the_image(tree: Any, gdb: Any, index: int) -> None:
    process, _, core = tree
    registers = process.core.thread_info.fpregs
    shown = vector(gdb(core, f"p/x $xmm{index}.v4_int32"))
    assert shown == list(registers.xmm_space[4 * index : 4 * index + 4])


def test_mask_registers_are_those_of_the_image(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    saved = process.core.thread_info.fpregs.xsave
    assert saved.xstate_bv & 1 << 5
    assert any(saved.opmask_reg)
    assert numbers(gdb(core, *(f"p/x $k{index}" for index in range(8)))) == list(saved.opmask_reg)


def test_a_known_string_in_memory_is_read(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    heap = next(vma for vma in process.memory.vmas if vma.name == "[heap]")
    letters = ", ".join(str(letter) for letter in b"needle-across-a")
    out = gdb(core, f"find /b {heap.start:#x}, {heap.end - 1:#x}, {letters}")
    found = re.search(r"^(0x[0-9a-f]+)$", out, re.MULTILINE)
    assert found
    assert '"needle-across-a-page-border"' in gdb(core, f"x/s {found[1]}")


def test_memory_never_touched_is_zeros(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    stack = next(vma for vma in process.memory.vmas if vma.size == 8 << 20)
    assert numbers(gdb(core, f"p/x *(unsigned long *) {stack.start + 4096:#x}")) == [0]


def test_the_auxiliary_vector_is_whole(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    out = gdb(core, "info auxv")
    auxv = list(process.mm.mm_saved_auxv)
    assert re.search(r"AT_PAGESZ .* 4096\n", out)
    assert re.search(rf"AT_ENTRY .* {dict(zip(auxv[::2], auxv[1::2], strict=True))[9]:#x}\n", out)
    assert re.search(r"AT_EXECFN .* \"\./tree\"\n", out)
    assert re.search(r"AT_NULL ", out)
    keys = [key for key in auxv[::2] if key]
    assert [int(line.split()[0]) for line in out.splitlines() if re.match(r"\d+ ", line)] == [*keys, 0]


def test_the_command_line_and_mapped_files_are_told(tree: Any, gdb: Any) -> None:
    process, _, core = tree
    out = gdb(core, "info proc all")
    assert "exe = './tree --config /etc/demo.conf an argument with spaces'" in out
    shown = {
        (int(start, 0), int(end, 0), int(offset, 0), path)
        for start, end, offset, path in re.findall(
            r"(0x[0-9a-f]+) +(0x[0-9a-f]+) +0x[0-9a-f]+ +(0x[0-9a-f]+) +(/.*)", out
        )
    }
    files = [vma for vma in process.memory.vmas if vma.is_file_backed]
    assert len(files) > 5
    assert shown == {(vma.start, vma.end, vma.offset, vma.path) for vma in files}


def test_a_blocked_signal_is_pending_and_not_current(tree: Any, gdb: Any) -> None:
    _, summary, core = tree
    assert summary.signal == 0
    assert "terminated with signal" not in gdb(core, "info threads")


def test_incremental_dumps_read_as_full_ones(corpus: Path, tmp_path: Path, gdb: Any) -> None:
    commands = ["x/s 0x100000000000", "x/s 0x110000001000", "x/s 0x120000002000", "x/s 0x130000001000"]
    shown = []
    for folder in ("2", "2-full"):
        core = tmp_path / f"{folder}.core"
        pid = next(int(path.stem[3:]) for path in (corpus / "demo" / "memory" / folder).glob("mm-*.img"))
        dump(corpus / "demo" / "memory" / folder, pid, core)
        shown.append(re.findall(r"^0x.*", gdb(core, *commands), re.MULTILINE))
    assert shown[0] == shown[1]
    for text in ("page 0 of the sparse mapping", "shared anonymous text", "memfd text", "dirty private copy"):
        assert text in "".join(shown[0])


@pytest.mark.parametrize("name", ["maps02", "pthread_timers_h"])
def test_32bit_tasks_have_32bit_cores(corpus: Path, tmp_path: Path, gdb: Any, name: str) -> None:
    core = tmp_path / "core"
    process, summary = dump(corpus / "criu-4.2" / "host-32bit" / name, 82, core)
    assert (summary.machine, summary.bits) == ("i386", 32)
    registers = process.core.thread_info
    shown = gdb(core, *(f"p/x ${name}" for name in REGISTERS_32))
    assert numbers(shown) == [getattr(registers.gpregs, name) for name in REGISTERS_32.values()]
    assert vector(gdb(core, "p/x $xmm1.v4_int32")) == list(registers.fpregs.xmm_space[4:8])
    assert "R7: Empty" in gdb(core, "info float")
    out = gdb(core, "info auxv")
    assert re.search(r"AT_PAGESZ .* 4096\n", out)
    assert re.search(r"AT_PHENT .* 32\n", out)
    assert f"[New LWP {summary.threads[-1]}]" in out


FOREIGN = {
    "AARCH64": ("little", (), {"x5": "regs[5]", "pc": "pc", "cpsr": "pstate"}),
    "ARM": ("little", (16, 1 << 6 | 1 << 13 | 1 << 19), {"r5": "r5", "lr": "lr", "sp": "sp"}),
    "PPC64": ("little", (), {"r5": "gpr[5]", "pc": "nip", "lr": "link", "ctr": "ctr"}),
    "S390": ("big", (16, 1 << 11), {"r5": "gprs[5]", "pc": "psw_addr", "acr3": "acrs[3]"}),
    "RISCV64": ("little", (), {"a5": "a5", "pc": "pc", "s11": "s11"}),
    "MIPS": ("little", (), {"r5": "r5", "pc": "cp0_epc", "hi": "hi"}),
}


def of_image(registers: Any, path: str) -> int:
    name, _, index = path.rstrip("]").partition("[")
    value = getattr(registers, name)
    return int(value[int(index)] if index else value)


@pytest.fixture
def foreign(make_process: Any, make_mm: Any, tmp_path: Path) -> Any:
    def make(march: str, byte_order: str, auxv: tuple[int, ...] = ()) -> Any:
        process = make_process(march, mm=make_mm(*auxv, 0, 0), byte_order=byte_order)
        core = tmp_path / "core"
        with core.open("wb") as file:
            write_core(process, file)
        return process, core

    return make


@pytest.mark.parametrize("march", FOREIGN)
def test_foreign_general_registers_and_memory(foreign: Any, gdb: Any, march: str) -> None:
    byte_order, auxv, names = FOREIGN[march]
    process, core = foreign(march, byte_order, auxv)
    info = getattr(
        process.core, next(field.name for field, _ in process.core.ListFields() if field.message_type)
    )
    out = gdb(core, *(f"p/x ${name}" for name in names), "x/s 0x10000", program="gdb-multiarch")
    assert numbers(out) == [of_image(info.gpregs, path) for path in names.values()]
    assert '"a known text"' in out


def test_aarch64_vector_registers(foreign: Any, gdb: Any) -> None:
    process, core = foreign("AARCH64", "little")
    vregs = process.core.ti_aarch64.fpsimd.vregs
    assert vector(gdb(core, "p/x $v3.d.u", program="gdb-multiarch")) == list(vregs[6:8])
    assert numbers(gdb(core, "p/x $fpcr", program="gdb-multiarch")) == [process.core.ti_aarch64.fpsimd.fpcr]
    assert numbers(gdb(core, "p/x $tpidr", program="gdb-multiarch")) == [process.core.ti_aarch64.tls]


def test_arm_vector_registers(foreign: Any, gdb: Any) -> None:
    process, core = foreign("ARM", "little", FOREIGN["ARM"][1])
    out = gdb(core, "info registers d3 d31", program="gdb-multiarch")
    shown = [int(value, 0) for value in re.findall(r"raw (0x[0-9a-f]+)", out)]
    assert shown == [process.core.ti_arm.fpstate.vfp_regs[index] for index in (3, 31)]


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_ppc64_vector_registers(foreign: Any, gdb: Any, byte_order: str) -> None:
    process, core = foreign("PPC64", byte_order)
    info = process.core.ti_ppc64
    # the images have the words of a vector as they stood in memory: the low one first on little-endian
    low_high = list(info.vrstate.vrregs[6:8])[:: 1 if byte_order == "little" else -1]
    commands = [f"p/x ${name}" for name in ("vr3.uint128", "vs3.uint128", "vrsave")]
    assert numbers(gdb(core, *commands, program="gdb-multiarch")) == [
        low_high[1] << 64 | low_high[0],
        info.fpstate.fpregs[3] << 64 | info.vsxstate.vsxregs[3],
        info.vrstate.vrsave,
    ]


def test_s390x_vector_registers(foreign: Any, gdb: Any) -> None:
    process, core = foreign("S390", "big", FOREIGN["S390"][1])
    info = process.core.ti_s390
    assert vector(gdb(core, "p/x $v3.v2_int64", program="gdb-multiarch")) == [
        info.fpregs.fprs[3],
        info.vxrs_low.regs[3],
    ]
    assert vector(gdb(core, "p/x $v20.v2_int64", program="gdb-multiarch")) == list(info.vxrs_high.regs[8:10])
    assert numbers(gdb(core, "p/x $system_call", program="gdb-multiarch")) == [info.gpregs.system_call]
