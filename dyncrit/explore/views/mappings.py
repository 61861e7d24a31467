"""What CRIT's views tell of mappings: what each is of, and which of them the entries of a pagemap lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dyncrit.checkpoint.memory.pagemap import read_runs
from dyncrit.checkpoint.memory.vma import is_guard
from dyncrit.codec.names import FLAGS
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.memory.pagemap import Run
    from dyncrit.types import DynamicMessage

UNKNOWN_PATH: Final = "unknown path"
"""What stands for the name of a file that the images don't have."""


class SegmentNumbers:
    """Small numbers for shared memory segments in the order in which they are met, from ``first`` on."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._numbers: dict[int, int] = {}

    def __getitem__(self, shmid: int) -> int:
        return self._numbers.setdefault(shmid, self._first + len(self._numbers))


class Resident(NamedTuple):
    """A pagemap entry, ``pages`` from the address ``start`` on, and the mappings (vma_entry) that it lies in.

    ``continued`` tells that the first of them is the last one of the entry before.
    """

    start: int
    pages: int
    vmas: tuple[DynamicMessage, ...]
    continued: bool


def mappings_of(checkpoint: Checkpoint, process: Process) -> list[DynamicMessage]:
    """The vma_entry messages of a process as they stand in mm-PID.img, up to CRIU 1.1 in vmas-PID.img."""
    if not process.is_alive:
        return []
    inside = [] if process.mm is None else list(process.mm.vmas)
    return inside + checkpoint.images.messages(f"vmas-{process.pid}.img")


def maps_path(vma: DynamicMessage) -> bool:
    """Whether a mapping is of a file, which its shmid is the id of."""
    return bool(vma.status & (_FILE_PRIVATE | _FILE_SHARED))


def resource(
    vma: DynamicMessage, path: Callable[[int], str], numbers: SegmentNumbers, number_format: str
) -> str:
    """What a mapping is of in CRIT's words, "" for anonymous memory; ``*`` marks what CRIU doesn't map.

    ``path`` gives a file's path by its id.
    """
    parts = [_what(vma, path, numbers, number_format)]
    if not vma.status & _REGULAR:
        parts.append("*")
    return " ".join(filter(None, parts))


def protection(vma: DynamicMessage) -> str:
    """What a mapping allows: ``rw-``."""
    return "".join(letter if vma.prot & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4)))


def resident_of(checkpoint: Checkpoint, process: Process, page_size: int) -> Iterator[Resident]:
    """The pagemap entries of a process, as they are read; damage goes to the checkpoint's problems."""
    if not process.is_alive:
        return
    name = f"pagemap-{process.pid}.img"
    if name not in checkpoint.images:
        checkpoint.problems.error(name, f"missing; the memory of process {process.pid} is not known")
        return
    vmas = [vma for vma in mappings_of(checkpoint, process) if not is_guard(vma)]
    vmas.sort(key=lambda vma: vma.start)
    try:
        yield from resident(read_runs(checkpoint.images, name), vmas, page_size)
    except ImageError as error:
        checkpoint.problems.error(name, str(error))
    except OSError as error:
        checkpoint.problems.error(name, error.strerror or str(error))


def resident(runs: Iterable[Run], vmas: Sequence[DynamicMessage], page_size: int) -> Iterator[Resident]:
    """Each pagemap entry with the mappings that it lies in; ``vmas`` are in the order of their addresses.

    Takes time in proportion to the entries and the mappings, whatever they say: it only goes forward, so of
    entries that are out of order, the late ones lie in none.
    """
    index, listed, count = 0, -1, len(vmas)
    last: tuple[DynamicMessage, ...] = ()
    last_end = 0
    for start, pages, _ in runs:
        end = start + pages * page_size
        if start < end <= last_end and index == listed:  # most lie where the one before did
            yield Resident(start, pages, last, True)
            continue
        while index < count and vmas[index].end <= start:
            index += 1
        found = []
        continued = index == listed
        while index < count and (vma := vmas[index]).start < end:
            found.append(vma)
            listed = index
            index += 1
        if found:
            index -= 1  # the next entry may lie in the last mapping, too
            last, last_end = (found[-1],), found[-1].end
        yield Resident(start, pages, tuple(found), continued and bool(found))


_STATUS = FLAGS["mmap.status"]
_REGULAR = _STATUS["VMA_AREA_REGULAR"]
_FILE_PRIVATE, _FILE_SHARED = _STATUS["VMA_FILE_PRIVATE"], _STATUS["VMA_FILE_SHARED"]
_MAP_GROWSDOWN = FLAGS["mmap.flags"]["MAP_GROWSDOWN"]
_SEGMENTS = (
    (_STATUS["VMA_AREA_SYSVIPC"], "ips"),
    (_STATUS["VMA_ANON_SHARED"], "shmem"),
    (_STATUS["VMA_AREA_SOCKET"], "packet"),
)
_SPECIAL = (
    (_STATUS["VMA_AREA_STACK"], "[stack]"),
    (_STATUS["VMA_AREA_VSYSCALL"], "[vsyscall]"),
    (_STATUS["VMA_AREA_VDSO"], "[vdso]"),
)


def _what(
    vma: DynamicMessage, path: Callable[[int], str], numbers: SegmentNumbers, number_format: str
) -> str:
    status = vma.status
    for bit, name in _SEGMENTS:
        if status & bit:
            return f"{name}[{numbers[vma.shmid]:{number_format}}]"
    if maps_path(vma):
        offset = f" + {vma.pgoff:#x}" if vma.pgoff else ""
        return path(vma.shmid) + offset + (" (s)" if status & _FILE_SHARED else "")
    for bit, name in _SPECIAL:
        if status & bit:
            return name
    return "[stack?]" if vma.flags & _MAP_GROWSDOWN else ""
