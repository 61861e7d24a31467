"""The mappings of a process: what /proc/PID/maps showed when it was dumped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dyncrit.checkpoint.files import SHARED_ZERO
from dyncrit.codec.names import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dyncrit.types import DynamicMessage

_STATUS = FLAGS["mmap.status"]
_GUARD = 1 << 16  # VMA_AREA_GUARD, since CRIU 4.2
_MAP_GROWSDOWN = FLAGS["mmap.flags"]["MAP_GROWSDOWN"]
_MADV_NAMES = {  # <linux/mman.h>, the advice that CRIU keeps as bits of vma_entry.madv
    9: "remove",
    10: "dontfork",
    12: "mergeable",
    14: "hugepage",
    15: "nohugepage",
    16: "dontdump",
    18: "wipeonfork",
}


class VmaKind(Enum):
    """What a mapping is of."""

    ANONYMOUS = "anonymous"
    HEAP = "heap"
    STACK = "stack"
    FILE = "file"
    SHARED_FILE = "shared-file"
    SHARED_MEMORY = "shared-memory"
    MEMFD = "memfd"
    SYSV = "sysv"
    VDSO = "vdso"
    VVAR = "vvar"
    VSYSCALL = "vsyscall"
    SOCKET = "socket"
    AIO = "aio"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Vma:
    """A mapping (``end`` exclusive) of a process.

    ``protection`` has bits 1 to read, 2 to write, 4 to execute. ``offset`` is in bytes, in the file or
    segment that ``shmid`` stands for: a file's id, or a shared memory segment's. ``path`` is the file's, or
    a memfd's name. ``flags`` are mmap()'s, ``status`` CRIU's VMA_AREA_* (criu/include/image.h).
    """

    start: int
    end: int
    protection: int
    flags: int
    status: int
    offset: int
    shmid: int
    kind: VmaKind
    path: str = ""
    advice: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.end - self.start

    @property
    def permissions(self) -> str:
        """Protection and sharing as in /proc/PID/maps.

        >>> from dyncrit.checkpoint import open_checkpoint
        >>> open_checkpoint("tests/data/demo/tree").processes[9834].memory.vmas[1].permissions
        'r-xp'
        """
        letters = [letter if self.protection & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4))]
        return "".join(letters) + ("s" if self.flags & 1 else "p")

    @property
    def is_file_backed(self) -> bool:
        """Whether it maps a file that has a path, not memory."""
        return self.kind in (VmaKind.FILE, VmaKind.SHARED_FILE)

    @property
    def name(self) -> str:
        """What the last column of /proc/PID/maps showed, or nothing."""
        if self.path:
            return self.path
        shown = (VmaKind.HEAP, VmaKind.STACK, VmaKind.VDSO, VmaKind.VVAR, VmaKind.VSYSCALL)
        return f"[{self.kind.value}]" if self.kind in shown else ""

    def has_status(self, name: str) -> bool:
        """Whether CRIU's status has a flag (``"VMA_AREA_MEMFD"``)."""
        return bool(self.status & _STATUS[name])


@dataclass(frozen=True, slots=True)
class MmBounds:
    """The addresses of mm_entry that tell heap and stack."""

    start_brk: int = 0
    brk: int = 0
    start_stack: int = 0


def read_vma(message: DynamicMessage, bounds: MmBounds, path: str = "") -> Vma:
    """The mapping that a vma_entry describes."""
    return Vma(
        message.start,
        message.end,
        message.prot & 7,
        message.flags,
        message.status,
        message.pgoff,
        message.shmid,
        _kind(message, bounds, path),
        path,
        tuple(name for bit, name in _MADV_NAMES.items() if message.madv >> bit & 1),
    )


def is_guard(message: DynamicMessage) -> bool:
    """Whether a vma_entry stands for guard pages within another mapping (MADV_GUARD_INSTALL, CRIU 4.2)."""
    return bool(message.status & _GUARD)


def maps_file(message: DynamicMessage) -> bool:
    """Whether a vma_entry's shmid is the id of a file."""
    return bool(message.status & (_STATUS["VMA_FILE_PRIVATE"] | _STATUS["VMA_FILE_SHARED"]))


def in_order(vmas: Iterable[Vma]) -> tuple[list[Vma], list[tuple[Vma, str]]]:
    """Mappings sorted by address, and those left out: empty, or on top of one before."""
    kept: list[Vma] = []
    refused: list[tuple[Vma, str]] = []
    for vma in sorted(vmas, key=lambda vma: vma.start):
        if vma.start >= vma.end:
            refused.append((vma, "it ends before it begins"))
        elif kept and vma.start < kept[-1].end:
            refused.append((vma, f"it overlaps the one that ends at {kept[-1].end:#x}"))
        else:
            kept.append(vma)
    return kept, refused


_KINDS = (
    ("VMA_AREA_VSYSCALL", VmaKind.VSYSCALL),
    ("VMA_AREA_VVAR", VmaKind.VVAR),
    ("VMA_AREA_VDSO", VmaKind.VDSO),
    ("VMA_AREA_SYSVIPC", VmaKind.SYSV),
    ("VMA_AREA_MEMFD", VmaKind.MEMFD),
    ("VMA_ANON_SHARED", VmaKind.SHARED_MEMORY),
    ("VMA_AREA_SOCKET", VmaKind.SOCKET),
    ("VMA_AREA_AIORING", VmaKind.AIO),
    ("VMA_FILE_PRIVATE", VmaKind.FILE),
    ("VMA_FILE_SHARED", VmaKind.SHARED_FILE),
    ("VMA_AREA_STACK", VmaKind.STACK),
    ("VMA_AREA_HEAP", VmaKind.HEAP),
)
"""The first status that a mapping has tells its kind."""


def _kind(message: DynamicMessage, bounds: MmBounds, path: str) -> VmaKind:
    if message.status & _STATUS["VMA_AREA_MEMFD"] and path == SHARED_ZERO:
        return VmaKind.SHARED_MEMORY
    for name, kind in _KINDS:
        if message.status & _STATUS[name]:
            return kind
    if not message.status & _STATUS["VMA_ANON_PRIVATE"]:
        return VmaKind.OTHER
    if message.start <= bounds.start_stack < message.end or message.flags & _MAP_GROWSDOWN:
        return VmaKind.STACK
    if message.start < bounds.brk and message.end > bounds.start_brk:
        return VmaKind.HEAP
    return VmaKind.ANONYMOUS
