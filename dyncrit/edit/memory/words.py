"""The memory of a process as words and strings: pointers read, and looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.checkpoint.processes import Process

LONGEST_STRING = 1 << 17
"""MAX_ARG_STRLEN of <linux/binfmts.h>: the kernel gives no program a longer string."""

_PAGE = 4096
_KERNEL_HALF = 1 << 63
_MOST_HEAD = 256
_MOST_CACHED = 256
_MOST_AREAS = 64
_PRIVATE = frozenset({VmaKind.ANONYMOUS, VmaKind.HEAP, VmaKind.STACK, VmaKind.FILE})
_COMPAT = 2  # user_x86_regs_mode, since CRIU 3.0
_COMPAT_CODE = 0x23  # the code segment of 32-bit tasks on x86_64: __USER32_CS


class Words:
    """A process's memory, by words of its own size and byte order.

    ``size`` is a word's, in bytes; ``areas`` are the private mappings, where its pointers are. Raises
    DyncritError for memory that no word of its size can point to.
    """

    def __init__(self, process: Process) -> None:
        self.size = 4 if _is_32_bit(process) else 8
        self.space = process.memory
        self._require_reach(process.pid)
        self.areas = [vma for vma in self.space.vmas if vma.kind in _PRIVATE and not vma.flags & 1]
        self._order = process.byte_order
        self._pages: dict[int, bytes | None] = {}

    def pack(self, *values: int) -> bytes:
        """Words as they stand in memory."""
        return b"".join(value.to_bytes(self.size, self._order) for value in values)

    def at(self, address: int) -> int | None:
        """The word at an address, or None where none can be read."""
        data = self._read(address, self.size)
        return None if data is None else int.from_bytes(data, self._order)

    def string(self, address: int) -> bytes | None:
        """The string at an address, without its NUL; None where there is none, or one that is too long."""
        found = b""
        while len(found) < LONGEST_STRING:
            room = _PAGE - (address + len(found)) % _PAGE
            data = self._read(address + len(found), room)
            if data is None:
                return None
            end = data.find(b"\0")
            if end >= 0:
                return found + data[:end]
            found += data
        return None

    def head(self, address: int, size: int = _MOST_HEAD) -> bytes | None:
        """The first bytes of the string at an address; None where not one can be read."""
        room = min(size, _PAGE - address % _PAGE)
        data = self._read(address, room)
        if data is not None and size > room and b"\0" not in data:
            data += self.head(address + room, size - room) or b""
        return None if data is None else data.partition(b"\0")[0]

    def area(self, address: int) -> Vma | None:
        """The private mapping that an address is in, or None."""
        vma = self.space.vma_at(address)
        return vma if vma is not None and vma.kind in _PRIVATE and not vma.flags & 1 else None

    def is_in_file(self, address: int) -> bool:
        """Whether what stands at an address is a file's, unchanged, and so not in the images."""
        vma = self.area(address)
        return vma is not None and vma.kind is VmaKind.FILE and self._read(address, 1) is None

    def pointers(self, targets: Iterable[int]) -> dict[int, list[int]]:
        """Where words stand that hold any of some addresses, by these, each in order.

        Takes one pass over the private memory for each area of 16 MiB (of 32-bit tasks, 64 KiB) that the
        addresses are in; those in more than 64 areas are passed over.
        """
        low = 3 if self.size == 8 else 2  # a pattern of less than two bytes would be everywhere
        wanted: dict[int, set[int]] = {}
        for target in targets:
            if target >> 8 * self.size:  # of the kernel's half, for a 32-bit process
                continue
            if target >> 8 * low in wanted or len(wanted) < _MOST_AREAS:
                wanted.setdefault(target >> 8 * low, set()).add(target)
        found: dict[int, list[int]] = {}
        for high, members in wanted.items():
            for cell, target in self._with_high_bytes(high, low):
                if target in members:
                    found.setdefault(target, []).append(cell)
        return found

    def places(self, text: bytes) -> Iterator[int]:
        """Where strings begin with some text: behind a NUL, or aligned as what is allocated is."""
        for hit in self.space.search(text, self._ranges(), context=1):
            if hit.before in (b"", b"\0") or hit.address % self.size == 0:
                yield hit.address

    def _require_reach(self, pid: int) -> None:
        """Raise DyncritError for memory behind 4 GiB of a 32-bit process; the kernel's half is none."""
        end = 1 << 8 * self.size
        for vma in self.space.vmas:
            if vma.end > end and vma.start < _KERNEL_HALF:
                raise DyncritError(
                    f"its core says that it is a {8 * self.size}-bit process, but it has memory at "
                    f"{vma.start:#x}-{vma.end:#x}",
                    f"process {pid}",
                )

    def _with_high_bytes(self, high: int, low: int) -> Iterator[tuple[int, int]]:
        """The words in private memory with these high bytes: where each stands, and its value."""
        pattern = high.to_bytes(self.size - low, self._order)
        is_little = self._order == "little"
        for hit in self.space.search(pattern, self._ranges(), context=low):
            rest = hit.before if is_little else hit.after
            cell = hit.address - low if is_little else hit.address
            if cell % self.size == 0 and len(rest) == low:
                yield cell, high << 8 * low | int.from_bytes(rest, self._order)

    def _ranges(self) -> list[tuple[int, int]]:
        return [(vma.start, vma.end) for vma in self.areas]

    def _read(self, address: int, size: int) -> bytes | None:
        """Bytes, none of them behind the end of a page of 4 KiB unless the address is askew."""
        start = address - address % _PAGE
        if address < 0 or address + size > start + _PAGE:
            return None
        if start not in self._pages:
            if len(self._pages) >= _MOST_CACHED:
                self._pages.clear()
            try:
                self._pages[start] = self.space.read(start, _PAGE)
            except PagesError:
                self._pages[start] = None
        page = self._pages[start]
        return None if page is None else page[address - start :][:size]


def _is_32_bit(process: Process) -> bool:
    if process.architecture == "ARM":
        return True
    if process.architecture != "X86_64" or process.core is None:
        return False
    registers = process.core.thread_info.gpregs
    if "mode" in registers.DESCRIPTOR.fields_by_name and registers.HasField("mode"):
        return bool(registers.mode == _COMPAT)
    return bool(registers.cs == _COMPAT_CODE)
