"""Puts address spaces together: a process's mappings, its pagemap, its parents' ones, shared segments."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.address_space import AddressSpace
from dyncrit.checkpoint.memory.pagemap import PAGE_SIZES, Pagemap
from dyncrit.checkpoint.memory.segments import MissingMemory, Segment, stored_sysv_segments
from dyncrit.checkpoint.memory.vma import MmBounds, VmaKind, in_order, is_guard, maps_file, read_vma
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.files import FileTable
    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.checkpoint.memory.layer import Layer
    from dyncrit.checkpoint.memory.segments import StoredSegment
    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.types import DynamicMessage

_AT_PAGESZ = 6  # <linux/auxvec.h>
_WORD = (1 << 32) - 1


class AddressSpaces:
    """The memory of the processes of one checkpoint. ``parent`` has that of the one it is an increment on.

    Where there is none, ``no_parent`` tells why, to whom a page is missing for it.
    """

    def __init__(
        self, images: ImageSet, files: FileTable, parent: AddressSpaces | None, no_parent: str
    ) -> None:
        self._images = images
        self._files = files
        self._parent = parent
        self._no_parent = no_parent
        self._pagemaps: dict[str, Pagemap] = {}

    def of(self, pid: int, mm: DynamicMessage | None) -> AddressSpace:
        """The memory of a process, by its mm_entry; raises DyncritError where its mappings are missing."""
        vmas, refused = in_order(self._vmas(pid, mm))
        if mm is None and not vmas:
            raise DyncritError(f"mm-{pid}.img is missing or damaged", f"process {pid}")
        for vma, reason in refused:
            problem = f"mapping {vma.start:#x}-{vma.end:#x} is left out: {reason}"
            self._images.problems.error(f"mm-{pid}.img", problem)
        name = f"pagemap-{pid}.img"
        page_size = told_page_size(mm) or self.page_size
        pages = self.pagemap(name, page_size)
        if pages is None:
            self._images.problems.error(name, f"missing; the memory of process {pid} is not known")
            size = page_size or PAGE_SIZES[0]
            return AddressSpace(vmas, None, self.segment, size, unknown=f"{name} is missing")
        return AddressSpace(vmas, pages, self.segment, pages.page_size, pages.damage)

    def page_size_of(self, pid: int, mm: DynamicMessage | None) -> int:
        """The page size of a process in bytes: the one it was told, else what its pages image tells."""
        told = told_page_size(mm) or self.page_size
        if told:
            return told
        pages = self.pagemap(f"pagemap-{pid}.img")
        return pages.page_size if pages else PAGE_SIZES[0]

    @cached_property
    def page_size(self) -> int | None:
        """The page size in bytes that the first process was told that was told any; None if none was."""
        sizes = (
            told_page_size(self._images.first(f"mm-{number}.img")) for number in self._images.numbers("mm")
        )
        return next((size for size in sizes if size), None)

    def pagemap(self, name: str, page_size: int | None = None) -> Pagemap | None:
        """The memory that one pagemap image describes, parents included; None without the image.

        A ``page_size`` is wanted only where the images of this checkpoint don't tell it (pre-dumps).
        """
        if name not in self._pagemaps:
            if name not in self._images:
                return None
            told = page_size or self.page_size
            self._pagemaps[name] = Pagemap(
                self._images,
                name,
                page_size=told,
                parent=lambda: self._in_parent(name, told),
                no_parent=self._no_parent,
            )
        return self._pagemaps[name]

    def _in_parent(self, name: str, page_size: int | None) -> Layer | None:
        if self._parent is None:
            return None
        place = self._parent._images.path(name)  # noqa: SLF001 (one of the same kind)
        return self._parent.pagemap(name, page_size) or MissingMemory(
            f"in the parent image, but {place} is missing"
        )

    def segment(self, vma: Vma) -> Layer:
        """The shared memory that a mapping is of, by offset in it."""
        number = vma.shmid
        if vma.has_status("VMA_AREA_MEMFD"):
            file = self._files.messages.get(("MEMFD", vma.shmid))
            inode = self._files.memfd_inodes.get(file.inode_id) if file is not None else None
            if inode is None:
                return MissingMemory(f"memfd.img has no inode for file {vma.shmid}")
            number = inode.shmid
        return self.shared_memory(number, sysv=vma.kind is VmaKind.SYSV)

    def shared_memory(self, number: int, *, sysv: bool = False) -> Layer:
        """The segment with a number, as pagemap-shmem images are called; SysV's may be stored otherwise."""
        if sysv and number in self._stored_segments:
            return self._stored_segments[number]
        name = f"pagemap-shmem-{number}.img"
        pages = self.pagemap(name)
        return MissingMemory(f"{name} is missing") if pages is None else Segment(pages, pages.damage)

    @cached_property
    def _stored_segments(self) -> dict[int, StoredSegment]:
        return stored_sysv_segments(self._images)

    def _vmas(self, pid: int, mm: DynamicMessage | None) -> Iterator[Vma]:
        messages = list(mm.vmas) if mm is not None else []
        messages += self._images.messages(f"vmas-{pid}.img")  # CRIU up to 1.1
        bounds = MmBounds()
        if mm is not None:
            bounds = MmBounds(mm.mm_start_brk, mm.mm_brk, mm.mm_start_stack)
        for message in messages:
            if is_guard(message):
                continue
            file = self._files.find(message.shmid) if maps_file(message) else None
            yield read_vma(message, bounds, file.path or file.name if file else "")


def told_page_size(mm: DynamicMessage | None) -> int | None:
    """The page size in bytes that a process was told in its auxiliary vector; None if it isn't there.

    Of 32-bit tasks on 64-bit kernels each pair of words stands in one number.
    """
    vector = list(mm.mm_saved_auxv) if mm is not None else []
    pairs = [*zip(vector[::2], vector[1::2], strict=False), *((word & _WORD, word >> 32) for word in vector)]
    return next((int(value) for key, value in pairs if key == _AT_PAGESZ and value in PAGE_SIZES), None)
