"""The computers that checkpoints are of: what differs between architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.types import ByteOrder


class Layout(NamedTuple):
    """Where the parts of programs begin in memory; ``fixed`` is that of a page that all programs have."""

    code: int = 0x400000
    heap: int = 0x2000000
    libraries: int = 0x7F0000000000
    stack: int = 0x7FFC00000000
    vdso: int = 0x7FFD00000000
    fixed: int | None = None


class Host(NamedTuple):
    """An architecture: its name in the enum core_entry.march, and the sizes of pages in bytes.

    ``lists`` are how many words there are in each list of its registers (images/core-*.proto), by the
    message in thread_info and the list's name.
    """

    name: str
    page_sizes: tuple[int, ...] = (4096,)
    lists: Mapping[str, Mapping[str, int]] = {}
    byte_order: ByteOrder = "little"
    layout: Layout = Layout()


_SMALL = Layout(0x10000, 0x1000000, 0x76000000, 0x7E000000, 0x7F000000, 0xFFFF0000)
_SHORTER = Layout(libraries=0xFF00000000, stack=0xFFFB000000, vdso=0xFFFC000000)

HOSTS = (
    Host(
        "X86_64", lists={"fpregs": {"st_space": 32, "xmm_space": 64}}, layout=Layout(fixed=0xFFFFFFFFFF600000)
    ),
    Host("AARCH64", (4096, 16384, 65536), {"gpregs": {"regs": 31}, "fpsimd": {"vregs": 64}}),
    Host("ARM", lists={"fpstate": {"vfp_regs": 32}}, layout=_SMALL),
    Host("PPC64", (65536,), {"gpregs": {"gpr": 32}, "fpstate": {"fpregs": 33}, "vrstate": {"vrregs": 66}}),
    Host("S390", (4096,), {"gpregs": {"gprs": 16, "acrs": 16}, "fpregs": {"fprs": 16}}, "big"),
    Host("MIPS", (16384, 4096), layout=_SHORTER),
    Host("LOONGARCH64", (16384,), {"gpregs": {"regs": 32}, "fpregs": {"regs": 32}}, layout=_SHORTER),
    Host("RISCV64", lists={"fpsimd": {"f": 32}}, layout=_SHORTER),
)
"""All that CRIU runs on, the most common first."""
