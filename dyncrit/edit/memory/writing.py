"""Writes bytes into the memory of a process, wherever the images have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.memory.layer import State
from dyncrit.checkpoint.memory.segments import StoredSegment
from dyncrit.checkpoint.memory.vma import VmaKind, is_guard
from dyncrit.edit.memory.pagemap import Target, Write, Written, write_pages
from dyncrit.edit.requirements import require
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.memory.layer import Layer
    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.checkpoint.processes import Process

RULES = ("pagemap-head", "pagemap-order", "pagemap-bounds", "pages-unique", "mapping-bounds", "mapping-order")
"""What must hold where memory is written, by the ids of ``dyncrit check``."""

_SHOWN_BYTES = 32
_LAST = 1 << 64

_IN_SEGMENTS = frozenset({VmaKind.SHARED_MEMORY, VmaKind.MEMFD, VmaKind.SYSV})
_REFUSED: Mapping[VmaKind, str] = {
    VmaKind.SHARED_FILE: "is of a file and shared: what is in it stands in the file, not in the images",
    VmaKind.VDSO: "is the kernel's: a restore puts that of its own kernel there",
    VmaKind.VVAR: "is the kernel's: a restore puts that of its own kernel there",
    VmaKind.VSYSCALL: "is the kernel's: a restore finds it there",
    VmaKind.SOCKET: "is the ring of a packet socket, which the kernel makes anew",
    VmaKind.AIO: "is a ring of asynchronous I/O, which the kernel makes anew",
    VmaKind.OTHER: "is of a kind that is not known",
}


@whole
def write_memory(edit: Edit, pid: int, address: int, data: bytes) -> list[Touched]:
    """Write ``data`` into a process's memory from ``address`` on, across pages and mappings.

    What the pages image holds is changed in place; a page that only a parent holds, or that is all zeros and
    in no image, gets its place there. Nothing is touched where the bytes are there already. Raises
    DyncritError where nothing is mapped, or what is can't be written to by way of the images, PagesError
    for a part of a page whose content the images don't have, and what :func:`require` raises.
    """
    if not data:
        raise DyncritError(f"no bytes to write at {address:#x}")
    require(edit, *RULES)
    return [touched(pid, item) for item in write_all(edit, pid, [Write(address, data)])]


def write_all(edit: Edit, pid: int, writes: Iterable[Write]) -> list[Written]:
    """As :func:`write_memory`, at several addresses; of bytes that are written twice, the last count."""
    preview = edit.preview()
    process = preview.processes[pid]
    space = process.memory
    name = f"pagemap-{pid}.img"
    if name not in preview.images:
        preview.require_processes()
        raise ImageError("missing; the memory of the process is not known", preview.images.path(name))
    by_place: dict[_Place, list[_Mapped]] = {}
    for write in writes:
        for part in _mapped(process, space, write):
            by_place.setdefault(_place(preview, name, part), []).append(part)
    written: list[Written] = []
    for place, parts in by_place.items():
        shifted = [Write(part.address + place.shift, part.data) for part in parts]
        found = _write(edit, preview, place, shifted, parts[0].vma, space)
        written += [item._replace(address=item.address - place.shift) for item in found]
    return sorted(written, key=lambda item: item.address)


def touched(pid: int, item: Written) -> Touched:
    """What was written, to be told."""
    size = len(item.after)
    what = f"process {pid}, {size} byte{'s' * (size != 1)} at {item.address:#x}"
    return Touched(
        f"{item.image} byte {item.offset}",
        f"{what}, {item.how}" if item.how else what,
        "" if item.before is None else _hex(item.before),
        _hex(item.after),
    )


class _Mapped(NamedTuple):
    """Bytes to be written within one mapping."""

    address: int
    data: bytes
    vma: Vma


class _Place(NamedTuple):
    """What a mapping's pages are in: a pagemap image, or a segment that is stored by itself.

    ``shift`` makes an address in the process one there.
    """

    pagemap: str
    stored: int | None
    shift: int


def _mapped(process: Process, space: AddressSpace, write: Write) -> Iterator[_Mapped]:
    """A write cut where mappings end; raises DyncritError where none is, or it can't be written to."""
    if not 0 <= write.address < write.end <= _LAST:
        raise DyncritError(f"{len(write.data)} bytes at {write.address:#x} reach past the last address")
    position = write.address
    while position < write.end:
        vma = space.vma_at(position)
        if vma is None:
            problem = f"nothing is mapped at {position:#x}; {_nearest(space.vmas, position)}"
            raise DyncritError(problem, f"process {process.pid}")
        stop = min(write.end, vma.end)
        _require_writable(process, vma, position, stop)
        yield _Mapped(position, write.data[position - write.address : stop - write.address], vma)
        position = stop


def _require_writable(process: Process, vma: Vma, start: int, end: int) -> None:
    what = f"the mapping {_shown(vma)}"
    if problem := _REFUSED.get(vma.kind):
        raise DyncritError(f"{what} {problem}", f"process {process.pid}")
    for guard in process.mm.vmas if process.mm is not None else ():
        if is_guard(guard) and guard.start < end and start < guard.end:
            problem = f"{guard.start:#x}-{guard.end:#x} are guard pages in {what}, which hold nothing"
            raise DyncritError(problem, f"process {process.pid}")


def _place(preview: Checkpoint, own: str, part: _Mapped) -> _Place:
    vma = part.vma
    if vma.kind not in _IN_SEGMENTS or not vma.flags & 1:
        return _Place(own, None, 0)  # a private mapping of a segment has the pages that were written to
    shift = vma.offset - vma.start
    if isinstance(preview.spaces.segment(vma), StoredSegment):
        return _Place("", vma.shmid, shift)
    number = _segment_number(preview, part, part.address + shift + len(part.data))
    name = f"pagemap-shmem-{number}.img"
    if name not in preview.images:
        raise ImageError(f"missing; it should have the pages of {_shown(vma)}", preview.images.path(name))
    return _Place(name, None, shift)


def _segment_number(preview: Checkpoint, part: _Mapped, end: int) -> int:
    """The number in the name of a segment's pagemap; raises DyncritError for what is behind its end."""
    vma = part.vma
    if not vma.has_status("VMA_AREA_MEMFD"):
        return vma.shmid
    file = preview.files.messages.get(("MEMFD", vma.shmid))
    inode = preview.files.memfd_inodes.get(file.inode_id) if file is not None else None
    if inode is None:
        raise ImageError(f"has no inode for the file of {_shown(vma)}", preview.images.path("memfd.img"))
    if end > inode.size:
        raise DyncritError(f"the memory file of {_shown(vma)} ends after {inode.size} bytes, before {end}")
    return int(inode.shmid)


def _write(
    edit: Edit, preview: Checkpoint, place: _Place, writes: Sequence[Write], vma: Vma, space: AddressSpace
) -> list[Written]:
    if place.stored is not None:
        return [
            item for write in writes for item in _write_stored(edit, preview.spaces.segment(vma), write, vma)
        ]
    if place.pagemap.startswith("pagemap-shmem-"):
        layer = preview.spaces.segment(vma)
        pagemap = preview.spaces.pagemap(place.pagemap)
        size = space.page_size if pagemap is None else pagemap.page_size
        return write_pages(
            edit, Target(place.pagemap, size, _Reader(layer, size), lambda _: "zeros before"), writes
        )
    reader = _Reader(space, space.page_size)
    return write_pages(edit, Target(place.pagemap, space.page_size, reader, _Origins(space)), writes)


class _Reader:
    """Gives a page of memory by its address."""

    def __init__(self, layer: Layer, size: int) -> None:
        self._layer = layer
        self._size = size

    def __call__(self, page: int) -> bytes:
        return self._layer.read(page, self._size)


class _Origins:
    """Says what a page was that the pagemap of a process says nothing of."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space

    def __call__(self, page: int) -> str:
        vma = self._space.vma_at(page)
        if vma is not None and vma.is_file_backed:
            return "as in the file before"
        return "shared before" if vma is not None and vma.kind in _IN_SEGMENTS else "zeros before"


def _write_stored(edit: Edit, layer: Layer, write: Write, vma: Vma) -> Iterator[Written]:
    """Write into a segment whose bytes stand in an image one after the other."""
    piece, *others = layer.pieces(write.address, write.end)
    if others or piece.pages is None or piece.state is not State.DATA:
        raise DyncritError(f"the segment of {_shown(vma)} ends before byte {write.end} of it")
    before = bytes(piece.view())
    if before == write.data:
        return
    name = piece.pages.name.rpartition("/")[2]
    with edit.images.modify(name) as file:
        file.seek(piece.offset)
        file.write(write.data)
    yield Written(write.address, name, piece.offset, before, write.data)


def _nearest(vmas: Sequence[Vma], address: int) -> str:
    if not vmas:
        return "the process has no mappings"
    vma = min(vmas, key=lambda vma: max(vma.start - address, address - vma.end + 1))
    return f"the nearest mapping is {_shown(vma)}"


def _shown(vma: Vma) -> str:
    return f"{vma.start:#x}-{vma.end:#x} ({vma.name or vma.kind.value})"


def _hex(data: bytes) -> str:
    shown = data[:_SHOWN_BYTES].hex(" ")
    return shown if len(data) <= _SHOWN_BYTES else f"{shown} ... ({len(data)} bytes)"
