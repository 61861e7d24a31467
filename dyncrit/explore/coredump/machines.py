"""The architectures: how their registers stand in core files.

Sizes and orders are those of Linux's ``asm/elf.h`` and ``asm/ptrace.h``; what the fields of the images mean
is to be read in ``criu/arch/*/crtools.c`` (CRIU 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dyncrit.errors import ImageError
from dyncrit.explore.coredump import x86
from dyncrit.explore.coredump.registers import RegisterLayout, RegisterNote, Words, each, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.types import DynamicMessage

NT_PRFPREG: Final = 2
_CORE, _LINUX = "CORE", "LINUX"


@dataclass(frozen=True, slots=True)
class Machine:
    """An architecture: ``number`` is ELF's, ``word`` the size of an address in bytes.

    ``info`` names the field of core_entry that has the registers. ``narrow_ids`` says that user numbers have
    16 bits in core files; ``siginfo_swapped`` that si_code stands before si_errno; ``compat`` that the kernel
    was of 64 bits. ``auxv_word`` is the size of what one value of mm_entry.mm_saved_auxv holds.
    """

    name: str
    number: int
    word: int
    info: str
    general: RegisterLayout
    notes: tuple[RegisterNote, ...]
    narrow_ids: bool = False
    siginfo_swapped: bool = False
    compat: bool = False
    auxv_word: int = 8


_X86_64 = Machine(
    "x86_64",
    62,
    8,
    "thread_info",
    RegisterLayout(
        *each("gpregs", "Q", "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"),
        *each("gpregs", "Q", "fs_base gs_base ds es fs gs"),
    ),
    (
        RegisterNote(_CORE, NT_PRFPREG, x86.fxsave),
        RegisterNote(_LINUX, 0x202, x86.xstate),  # NT_X86_XSTATE
        RegisterNote(_LINUX, 0x204, x86.shadow_stack),  # NT_X86_SHSTK
    ),
)

_I386 = Machine(
    "i386",
    3,
    4,
    "thread_info",
    RegisterLayout(*each("gpregs", "I", "bx cx dx si di bp ax ds es fs gs orig_ax ip cs flags sp ss")),
    (
        RegisterNote(_CORE, NT_PRFPREG, x86.i387),
        RegisterNote(_LINUX, 0x46E62B7F, x86.fxsave),  # NT_PRXFPREG
        RegisterNote(_LINUX, 0x202, x86.xstate),
        RegisterNote(_LINUX, 0x200, x86.tls),  # NT_386_TLS
    ),
    narrow_ids=True,
    compat=True,
)

_AARCH64 = Machine(
    "aarch64",
    183,
    8,
    "ti_aarch64",
    RegisterLayout(Words("gpregs.regs", "Q", 31), *each("gpregs", "Q", "sp pc pstate")),
    (
        RegisterNote(
            _CORE,
            NT_PRFPREG,
            RegisterLayout(Words("fpsimd.vregs", "Q", 64), *each("fpsimd", "I", "fpsr fpcr"), zeros(8)).pack,
        ),
        RegisterNote(_LINUX, 0x401, RegisterLayout(Words("tls", "Q")).pack),  # NT_ARM_TLS
    ),
)

_ARM = Machine(
    "arm",
    40,
    4,
    "ti_arm",
    RegisterLayout(*each("gpregs", "I", "r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 fp ip sp lr pc cpsr orig_r0")),
    (
        RegisterNote(
            _LINUX,
            0x400,  # NT_ARM_VFP
            RegisterLayout(Words("fpstate.vfp_regs", "Q", 32), Words("fpstate.fpscr", "I")).pack,
        ),
        RegisterNote(_LINUX, 0x401, RegisterLayout(Words("tls", "I")).pack),
    ),
    narrow_ids=True,
    auxv_word=4,
)

_PPC64 = Machine(
    "ppc64",
    21,
    8,
    "ti_ppc64",
    RegisterLayout(
        Words("gpregs.gpr", "Q", 32),
        *each("gpregs", "Q", "nip msr orig_gpr3 ctr link xer ccr"),
        zeros(8),  # softe
        Words("gpregs.trap", "Q"),
        zeros(7 * 8),  # dar, dsisr, result, and what fills up to 48 registers
    ),
    (
        RegisterNote(_CORE, NT_PRFPREG, RegisterLayout(Words("fpstate.fpregs", "Q", 33)).pack),
        RegisterNote(
            _LINUX,
            0x100,  # NT_PPC_VMX; each pair of words is as it stood in memory, VSCR the last one
            RegisterLayout(Words("vrstate.vrregs", "Q", 66), Words("vrstate.vrsave", "I"), zeros(12)).pack,
        ),
        RegisterNote(_LINUX, 0x102, RegisterLayout(Words("vsxstate.vsxregs", "Q", 32)).pack),  # NT_PPC_VSX
    ),
)

_S390X = Machine(
    "s390x",
    22,
    8,
    "ti_s390",
    RegisterLayout(
        *each("gpregs", "Q", "psw_mask psw_addr"),
        Words("gpregs.gprs", "Q", 16),
        Words("gpregs.acrs", "I", 16),
        Words("gpregs.orig_gpr2", "Q"),
    ),
    (
        RegisterNote(
            _CORE,
            NT_PRFPREG,
            RegisterLayout(Words("fpregs.fpc", "I"), zeros(4), Words("fpregs.fprs", "Q", 16)).pack,
        ),
        RegisterNote(_LINUX, 0x307, RegisterLayout(Words("gpregs.system_call", "I")).pack),
        RegisterNote(_LINUX, 0x309, RegisterLayout(Words("vxrs_low.regs", "Q", 16)).pack),
        RegisterNote(_LINUX, 0x30A, RegisterLayout(Words("vxrs_high.regs", "Q", 32)).pack),
        RegisterNote(_LINUX, 0x30B, RegisterLayout(Words("gs_cb.regs", "Q", 4)).pack),
        RegisterNote(_LINUX, 0x30C, RegisterLayout(Words("gs_bc.regs", "Q", 4)).pack),
        RegisterNote(_LINUX, 0x30D, RegisterLayout(Words("ri_cb.regs", "Q", 8)).pack),
    ),
)

_RISCV64 = Machine(
    "riscv64",
    243,
    8,
    "ti_riscv64",
    RegisterLayout(
        *each("gpregs", "Q", "pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7"),
        *each("gpregs", "Q", "s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"),
    ),
    (
        RegisterNote(
            _CORE,
            NT_PRFPREG,
            RegisterLayout(Words("fpsimd.f", "Q", 32), Words("fpsimd.fcsr", "I"), zeros(4)).pack,
        ),
    ),
)

_MIPS_REGISTERS = " ".join(f"r{number}" for number in range(32))

_MIPS64 = Machine(
    "mips64",
    8,
    8,
    "ti_mips",
    RegisterLayout(
        *each("gpregs", "Q", f"{_MIPS_REGISTERS} lo hi cp0_epc cp0_badvaddr cp0_status cp0_cause"),
        zeros(7 * 8),
    ),
    (
        RegisterNote(
            _CORE,
            NT_PRFPREG,
            RegisterLayout(
                *each("fpregs", "Q", _MIPS_REGISTERS), *each("fpregs", "I", "fpu_fcr31 fpu_id")
            ).pack,
        ),
    ),
    siginfo_swapped=True,
)

_LOONGARCH64 = Machine(
    "loongarch64",
    258,
    8,
    "ti_loongarch64",
    RegisterLayout(
        Words("gpregs.regs", "Q", 32),
        zeros(8),  # orig_a0
        Words("gpregs.pc", "Q"),
        zeros(11 * 8),  # badv, and what is reserved
    ),
    (
        RegisterNote(
            _CORE,
            NT_PRFPREG,
            RegisterLayout(
                Words("fpregs.regs", "Q", 32), Words("fpregs.fcc", "Q"), Words("fpregs.fcsr", "I"), zeros(4)
            ).pack,
        ),
    ),
)

MACHINES: Final[Mapping[str, Machine]] = {
    "X86_64": _X86_64,
    "ARM": _ARM,
    "AARCH64": _AARCH64,
    "PPC64": _PPC64,
    "S390": _S390X,
    "MIPS": _MIPS64,
    "LOONGARCH64": _LOONGARCH64,
    "RISCV64": _RISCV64,
}
"""By the names of ``core_entry.march``."""


def machine_of(core: DynamicMessage) -> Machine:
    """The architecture of the task that a core_entry is of; raises ImageError for one that isn't known."""
    kinds: Any = core.DESCRIPTOR.fields_by_name["mtype"].enum_type
    kind = kinds.values_by_number.get(core.mtype)
    name = kind.name if kind is not None else str(core.mtype)
    if name not in MACHINES:
        raise ImageError(f"machine type {name}; core files can be made of {', '.join(MACHINES)}")
    machine = MACHINES[name]
    return _I386 if machine is _X86_64 and _is_32bit(core) else machine


def _is_32bit(core: DynamicMessage) -> bool:
    registers = core.thread_info.gpregs
    return "mode" in registers.DESCRIPTOR.fields_by_name and registers.mode == _COMPAT


_COMPAT = 2  # user_x86_regs_mode, since CRIU 3.0
