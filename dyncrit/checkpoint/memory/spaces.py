"""Puts address spaces together: a process's mappings, its pagemap, its parents' ones, shared segments."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.address_space import AddressSpace
from dyncrit.checkpoint.memory.pagemap import PAGE_SIZES, Pagemap
from dyncrit.checkpoint.memory.segments import MissingSegment, Segment, stored_sysv_segments
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
        page_size = told_page_size(mm)
        pages = self.pagemap(name, page_size)
        if pages is None:
            self._images.problems.error(name, f"missing; the memory of process {pid} is not known")
            return AddressSpace(vmas, MissingSegment(f"{name} is missing"), self.segment, page_size)
        return AddressSpace(vmas, pages, self.segment, pages.page_size)

    def pagemap(self, name: str, page_size: int | None = None) -> Pagemap | None:
        """The memory that one pagemap image describes, parents included; None without the image.

        ``page_size`` is used where the images don't tell it.
        """
        if name not in self._pagemaps:
            if name not in self._images:
                return None
            self._pagemaps[name] = Pagemap(
                self._images,
                name,
                page_size=page_size,
                parent=lambda: self._parent.pagemap(name, page_size) if self._parent else None,
                no_parent=self._no_parent,
            )
        return self._pagemaps[name]

    def segment(self, vma: Vma) -> Layer:
        """The shared memory that a mapping is of, by offset in it."""
        number = vma.shmid
        if vma.has_status("VMA_AREA_MEMFD"):
            file = self._files.messages.get(("MEMFD", vma.shmid))
            inode = self._files.memfd_inodes.get(file.inode_id) if file is not None else None
            if inode is None:
                return MissingSegment(f"memfd.img has no inode for file {vma.shmid}")
            number = inode.shmid
        return self.shared_memory(number, sysv=vma.kind is VmaKind.SYSV)

    def shared_memory(self, number: int, *, sysv: bool = False) -> Layer:
        """The segment with a number, as pagemap-shmem images are called; SysV's may be stored otherwise."""
        name = f"pagemap-shmem-{number}.img"
        pages = self.pagemap(name)
        if pages is not None:
            return Segment(pages)
        if sysv and number in self._stored_segments:
            return self._stored_segments[number]
        return MissingSegment(f"{name} is missing")

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


def told_page_size(mm: DynamicMessage | None) -> int:
    """The page size in bytes that a process was told in its auxiliary vector; 4096 if it isn't there."""
    auxv = list(mm.mm_saved_auxv) if mm is not None else []
    for key, value in zip(auxv[::2], auxv[1::2], strict=False):
        if key == _AT_PAGESZ and value in PAGE_SIZES:
            return int(value)
    return PAGE_SIZES[0]
