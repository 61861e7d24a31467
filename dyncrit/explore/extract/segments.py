"""Shared memory: memory files, anonymous shared memory, and SysV segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import number, optional, text
from dyncrit.checkpoint.files import SHARED_ZERO
from dyncrit.checkpoint.memory.layer import State
from dyncrit.checkpoint.memory.vma import MmBounds, VmaKind, read_vma
from dyncrit.errors import ImageError
from dyncrit.explore.extract.content import copy_of, pieces
from dyncrit.explore.extract.item import Item
from dyncrit.explore.extract.output import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.memory.layer import Layer, Piece
    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.checkpoint.processes import Process
    from dyncrit.entry import Entry
    from dyncrit.explore.extract.output import Output, SparseFile
    from dyncrit.types import DynamicMessage

_PERMISSIONS = 0o7777
_ADDRESS_END = (1 << 64) - 1
_CHUNK = 1 << 20
_SHOWN = 5


class _Mapped(NamedTuple):
    """What mappings say of a segment: how many bytes of it the furthest one reaches, and their kind."""

    size: int
    kind: VmaKind


def extract_segments(checkpoint: Checkpoint, output: Output) -> None:
    """Write memory files and shared memory, with holes where they are zeros; what is missing is said."""
    mapped = _mapped(checkpoint)
    known: set[int] = set()
    for inode in checkpoint.files.memfd_inodes.values():
        known.add(inode.shmid)
        item = _memory_file(inode)
        _save(output, item, checkpoint.spaces.shared_memory(inode.shmid))
    for namespace in checkpoint.images.numbers("ipcns-shm"):
        image = f"ipcns-shm-{namespace}.img"
        for entry in checkpoint.images.entries(image):
            known.add(entry.message.desc.id)
            _extract_sysv(checkpoint, output, image, entry)
    for segment in sorted({*checkpoint.images.numbers("pagemap-shmem"), *mapped} - known):
        _extract_anonymous(checkpoint, output, segment, mapped.get(segment))


def _memory_file(inode: DynamicMessage) -> Item:
    name = text(inode, "name")
    mode = optional(inode, "mode")
    return Item(
        kind="shared-memory" if name == SHARED_ZERO else "memfd",
        source="memfd.img",
        id=str(inode.shmid),
        name=name,
        size=inode.size,
        mode=None if mode is None else mode & _PERMISSIONS,
        uid=inode.uid,
        gid=inode.gid,
        notes=("huge pages",) if number(inode, "hugetlb_flag") else (),
    )


def _extract_sysv(checkpoint: Checkpoint, output: Output, image: str, entry: Entry) -> None:
    message = entry.message
    item = Item(
        kind="sysv-shared-memory",
        source=image,
        id=str(message.desc.id),
        name=f"key {message.desc.key:#x}",
        size=message.size,
        mode=message.desc.mode & _PERMISSIONS,
        uid=message.desc.uid,
        gid=message.desc.gid,
    )
    if entry.payload is None:
        _save(output, item, checkpoint.spaces.shared_memory(message.desc.id))
        return
    output.save(item, f"sysv-shared-memory/{item.id}.bin", copy_of(lambda: pieces(entry.data)))


def _extract_anonymous(checkpoint: Checkpoint, output: Output, segment: int, mapped: _Mapped | None) -> None:
    """A segment that nothing tells of but the mappings; in a pre-dump, not even they."""
    layer = checkpoint.spaces.shared_memory(segment)
    item = Item(
        kind="sysv-shared-memory" if mapped and mapped.kind is VmaKind.SYSV else "shared-memory",
        source=f"pagemap-shmem-{segment}.img",
        id=str(segment),
        size=mapped.size if mapped else _extent(layer),
        notes=() if mapped else ("no mapping of it is known; it may be longer",),
    )
    _save(output, item, layer)


def _save(output: Output, item: Item, layer: Layer) -> None:
    short = item.name if item.kind == "memfd" else ""
    place = f"{item.kind}/{named(item.id, short)}.bin"
    output.save(item, place, lambda file: _write(layer, item.size or 0, file))


def _write(layer: Layer, size: int, file: SparseFile) -> Iterator[str]:
    missing: list[Piece] = []
    count = lost = 0
    file.truncate(size)
    held = False
    for piece in layer.pieces(0, size):
        if piece.state is State.DATA:
            held = True
            _copy(piece, file)
        elif piece.state is State.MISSING:
            count, lost = count + 1, lost + piece.size
            missing += [piece] if count <= _SHOWN else []
    if missing and not held:
        file.truncate(0)
        raise ImageError(missing[0].reason)
    for piece in missing:
        yield f"{piece.start:#x}-{piece.end:#x} is missing, a hole here: {piece.reason}"
    if count > _SHOWN:
        yield f"{count - _SHOWN} more ranges are missing, {lost} bytes in all"


def _copy(piece: Piece, file: SparseFile) -> None:
    view = piece.view()
    for start in range(0, len(view), _CHUNK):
        file.write(view[start : start + _CHUNK], piece.start + start)


def _extent(layer: Layer) -> int:
    """Where the last page of a segment ends that its pagemap tells of."""
    return max(
        (piece.end for piece in layer.pieces(0, _ADDRESS_END) if piece.state is not State.ZERO), default=0
    )


def _mapped(checkpoint: Checkpoint) -> dict[int, _Mapped]:
    """What all processes' mappings tell of segments that aren't memory files, by the number of each."""
    found: dict[int, _Mapped] = {}
    for vma in (vma for process in checkpoint.processes for vma in _vmas(checkpoint, process)):
        if vma.kind in (VmaKind.SHARED_MEMORY, VmaKind.SYSV) and not vma.has_status("VMA_AREA_MEMFD"):
            before = found.get(vma.shmid, _Mapped(0, vma.kind))
            found[vma.shmid] = before._replace(size=max(before.size, vma.offset + vma.size))
    return found


def _vmas(checkpoint: Checkpoint, process: Process) -> Iterator[Vma]:
    """The mappings of a process, without opening its memory."""
    messages = list(process.mm.vmas) if process.mm is not None else []
    messages += checkpoint.images.messages(f"vmas-{process.pid}.img")  # CRIU up to 1.1
    return (read_vma(message, MmBounds()) for message in messages if message.start < message.end)
