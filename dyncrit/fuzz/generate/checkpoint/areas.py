"""Mappings of all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.codec.names import FLAGS
from dyncrit.fuzz.generate.checkpoint.opening import memory_file, regular_file
from dyncrit.fuzz.generate.checkpoint.sockets import packet_socket
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dyncrit.fuzz.generate.checkpoint.draft import Draft
    from dyncrit.fuzz.generate.messages import Fields

STATUS: Mapping[str, int] = {**FLAGS["mmap.status"], "VMA_AREA_GUARD": 1 << 16}
"""The bits of vma_entry.status by name."""

READ, WRITE, EXECUTE = 1, 2, 4
SHARED, PRIVATE, ANONYMOUS, GROWS = 0x1, 0x2, 0x20, 0x100
OWN = PRIVATE | ANONYMOUS
_AIO_REQUEST = 32  # the size of struct io_event; as large is the ring's head


@dataclass(slots=True)
class Area:
    """A mapping; ``status`` names its bits, ``offset`` and ``pages`` are in pages of ``page`` bytes."""

    page: int
    start: int
    pages: int
    prot: int
    flags: int
    status: tuple[str, ...]
    file_id: int = 0
    offset: int = 0

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.start + self.pages * self.page

    @property
    def has_pages(self) -> bool:
        """Whether its pages are the task's own, so that they are in its pagemap."""
        return bool(self.flags & PRIVATE) and not set(self.status) & _WITHOUT_PAGES

    def fields(self) -> Fields:
        """The fields of its vma_entry."""
        return {
            "start": self.start,
            "end": self.end,
            "pgoff": self.offset * self.page,
            "shmid": self.file_id,
            "prot": self.prot,
            "flags": self.flags,
            "status": sum(STATUS[name] for name in self.status),
            "fd": -1,
        }


_WITHOUT_PAGES = {"VMA_AREA_SOCKET", "VMA_AREA_VVAR", "VMA_AREA_VSYSCALL", "VMA_AREA_GUARD"}


def regular(*status: str) -> tuple[str, ...]:
    """The bits of a mapping as most are."""
    return ("VMA_AREA_REGULAR", *status)


def anonymous(draft: Draft, start: int) -> Area:
    """Memory of the task's own."""
    prot = draft.noise.one_of((READ | WRITE, 0, READ, READ | WRITE | EXECUTE))
    return Area(draft.page, start, draft.noise.between(1, 64), prot, OWN, regular("VMA_ANON_PRIVATE"))


def _library(draft: Draft, start: int) -> Area:
    file_id = regular_file(draft, "/usr/lib" + path(draft.noise))
    pages = draft.noise.between(1, 16)
    prot = draft.noise.one_of((READ, READ | EXECUTE, READ | WRITE))
    status = regular("VMA_FILE_PRIVATE")
    return Area(draft.page, start, pages, prot, PRIVATE, status, file_id, draft.noise.below(8))


def _shared_file(draft: Draft, start: int) -> Area:
    file_id = regular_file(draft, path(draft.noise))
    pages = draft.noise.between(1, 16)
    return Area(draft.page, start, pages, READ | WRITE, SHARED, regular("VMA_FILE_SHARED"), file_id)


def _shared(draft: Draft, start: int) -> Area:
    """Shared anonymous memory, maybe of another task, too."""
    number = draft.chance.one_of([*sorted(draft.anonymous), 0])
    if not number:
        number = draft.number("segment")
        draft.anonymous.add(number)
        draft.segments[number] = draft.chance.between(1, 16) * draft.page
    pages = draft.segments[number] // draft.page
    status = regular("VMA_ANON_SHARED")
    return Area(draft.page, start, pages, READ | WRITE, SHARED | ANONYMOUS, status, number)


def _memory_file(draft: Draft, start: int) -> Area:
    """A memory file without a name, as CRIU calls it; shared anonymous memory, where there were none yet."""
    if "MEMFD" not in draft.file_types:
        return _shared(draft, start)
    pages = draft.chance.between(1, 8)
    is_shared = draft.chance.below(2) == 0
    status = regular("VMA_FILE_SHARED" if is_shared else "VMA_FILE_PRIVATE", "VMA_AREA_MEMFD")
    flags = SHARED if is_shared else PRIVATE
    return Area(draft.page, start, pages, READ | WRITE, flags, status, memory_file(draft, pages))


def _attached(draft: Draft, start: int) -> Area:
    """A System V segment, where there are any."""
    if not draft.sysv:
        return anonymous(draft, start)
    number = draft.chance.one_of(sorted(draft.sysv))
    pages = -(-draft.sysv[number] // draft.page)
    status = regular("VMA_ANON_SHARED", "VMA_AREA_SYSVIPC")
    return Area(draft.page, start, pages, READ | WRITE, SHARED | ANONYMOUS, status, number)


def _ring(draft: Draft, start: int) -> Area:
    """A ring of asynchronous I/O, where the schema has them."""
    if not draft.has("aio_ring_entry"):
        return anonymous(draft, start)
    return Area(draft.page, start, draft.noise.between(1, 4), READ | WRITE, SHARED, ("VMA_AREA_AIORING",))


def ring_fields(area: Area) -> Fields:
    """The aio_ring_entry of a ring."""
    size = area.end - area.start
    return {"id": area.start, "nr_req": size // _AIO_REQUEST - 1, "ring_len": size}


def _packets(draft: Draft, start: int) -> Area:
    """A ring of a packet socket."""
    status = regular("VMA_AREA_SOCKET")
    return Area(draft.page, start, 1, READ | WRITE, PRIVATE, status, packet_socket(draft))


MORE: tuple[Callable[[Draft, int], Area], ...] = (
    anonymous,
    anonymous,
    _library,
    _shared_file,
    _shared,
    _memory_file,
    _attached,
    _ring,
    _packets,
)
"""What makes mappings, of which a task may have any number, at an address."""
