"""Memory: the mappings of tasks, their pages, and shared memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.codec.names import FLAGS
from dyncrit.fuzz.generate.checkpoint.draft import PAGE, Draft, Task
from dyncrit.fuzz.generate.checkpoint.files import open_file, regular_file
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dyncrit.fuzz.generate.messages import Fields

_STATUS: Mapping[str, int] = FLAGS["mmap.status"]
_PRESENT = FLAGS["pmap.flags"]["PE_PRESENT"]
_READ, _WRITE, _EXECUTE = 1, 2, 4
_SHARED, _PRIVATE, _ANONYMOUS, _GROWS = 0x1, 0x2, 0x20, 0x100
_AT_PAGESZ = 6
_CODE, _HEAP, _LIBRARIES, _STACK, _VDSO = 0x400000, 0x2000000, 0x7F0000000000, 0x7FFC00000000, 0x7FFD00000000


@dataclass(slots=True)
class _Area:
    """A mapping; ``status`` names its bits, those of a regular one left out."""

    start: int
    pages: int
    prot: int
    flags: int
    status: tuple[str, ...]
    file_id: int = 0
    page_offset: int = 0

    @property
    def end(self) -> int:
        return self.start + self.pages * PAGE

    @property
    def is_private(self) -> bool:
        """Whether its pages are the task's own."""
        return bool(self.flags & _PRIVATE)

    def fields(self) -> Fields:
        """The fields of its vma_entry."""
        return {
            "start": self.start,
            "end": self.end,
            "pgoff": self.page_offset * PAGE,
            "shmid": self.file_id,
            "prot": self.prot,
            "flags": self.flags,
            "status": _STATUS["VMA_AREA_REGULAR"] | sum(_STATUS[name] for name in self.status),
            "fd": -1,
        }


def add_memory(draft: Draft, task: Task) -> None:
    """Add the mappings of a task, its pagemap and its pages."""
    program = regular_file(draft, path(draft.noise) + "/program", mode=0o100755)
    code = _Area(_CODE, draft.noise.between(1, 4), _READ | _EXECUTE, _PRIVATE, ("VMA_FILE_PRIVATE",), program)
    data = _Area(
        code.end,
        draft.noise.between(1, 2),
        _READ | _WRITE,
        _PRIVATE,
        ("VMA_FILE_PRIVATE",),
        program,
        code.pages,
    )
    own = _PRIVATE | _ANONYMOUS
    heap = _Area(_HEAP, draft.noise.between(1, 8), _READ | _WRITE, own, ("VMA_AREA_HEAP", "VMA_ANON_PRIVATE"))
    stack = _Area(_STACK, draft.noise.between(2, 34), _READ | _WRITE, own | _GROWS, ("VMA_ANON_PRIVATE",))
    vdso = _Area(_VDSO, 2, _READ | _EXECUTE, own, ("VMA_AREA_VDSO", "VMA_ANON_PRIVATE"))
    areas = [code, data, heap, *_more_areas(draft), stack, vdso]
    _add_mappings(draft, task, program, areas)
    _add_pages(draft, f"pagemap-{task.pid}.img", _runs(draft, [area for area in areas if area.is_private]))


def add_shared_memory(draft: Draft) -> None:
    """Add the pages of all shared memory that tasks and files have."""
    for number, size in sorted(draft.segments.items()):
        whole = _Area(0, -(-size // PAGE), _READ, _SHARED, ())
        _add_pages(draft, f"pagemap-shmem-{number}.img", _runs(draft, [whole]))


def _more_areas(draft: Draft) -> list[_Area]:
    """Mappings of all kinds, one behind the other, with holes between them."""
    areas: list[_Area] = []
    start = _LIBRARIES
    for _ in range(draft.chance.below(draft.knobs.mappings + 1)):
        start += PAGE * draft.noise.below(16)
        area = draft.chance.one_of(_KINDS)(draft, start)
        areas.append(area)
        start = area.end
    return areas


def _anonymous(draft: Draft, start: int) -> _Area:
    prot = draft.noise.one_of((_READ | _WRITE, 0, _READ, _READ | _WRITE | _EXECUTE))
    return _Area(start, draft.noise.between(1, 64), prot, _PRIVATE | _ANONYMOUS, ("VMA_ANON_PRIVATE",))


def _library(draft: Draft, start: int) -> _Area:
    file_id = regular_file(draft, "/usr/lib" + path(draft.noise))
    pages = draft.noise.between(1, 16)
    prot = draft.noise.one_of((_READ, _READ | _EXECUTE, _READ | _WRITE))
    return _Area(start, pages, prot, _PRIVATE, ("VMA_FILE_PRIVATE",), file_id, draft.noise.below(8))


def _shared_file(draft: Draft, start: int) -> _Area:
    file_id = regular_file(draft, path(draft.noise))
    pages = draft.noise.between(1, 16)
    return _Area(start, pages, _READ | _WRITE, _SHARED, ("VMA_FILE_SHARED",), file_id)


def _shared(draft: Draft, start: int) -> _Area:
    """Shared anonymous memory, maybe of another task, too."""
    known = [number for number in sorted(draft.segments) if number not in draft.sysv]
    number = draft.chance.one_of([*known, 0])
    if not number:
        number = draft.number("segment")
        draft.segments[number] = draft.chance.between(1, 16) * PAGE
    pages = draft.segments[number] // PAGE
    return _Area(start, pages, _READ | _WRITE, _SHARED | _ANONYMOUS, ("VMA_ANON_SHARED",), number)


def _memory_file(draft: Draft, start: int) -> _Area:
    """A memory file without a name, as CRIU calls it; shared anonymous memory, where there were none yet."""
    if not draft.has("memfd_file_entry"):
        return _shared(draft, start)
    pages = draft.chance.between(1, 8)
    number, inode = draft.number("segment"), draft.number("memfd")
    draft.segments[number] = pages * PAGE
    name = draft.noise.one_of(("", "shm", "jit-cache"))
    fields: Fields = {"name": name, "size": pages * PAGE, "shmid": number, "inode_id": inode, "seals": 0}
    draft.add("memfd.img", fields)
    file_id = open_file(draft, "MEMFD", {"inode_id": inode, "flags": 2, "pos": 0})
    status = ("VMA_FILE_SHARED", "VMA_AREA_MEMFD")
    return _Area(start, pages, _READ | _WRITE, _SHARED, status, file_id)


def _attached(draft: Draft, start: int) -> _Area:
    """A System V segment, where there are any."""
    if not draft.sysv:
        return _anonymous(draft, start)
    number = draft.chance.one_of(sorted(draft.sysv))
    pages = -(-draft.sysv[number] // PAGE)
    status = ("VMA_ANON_SHARED", "VMA_AREA_SYSVIPC")
    return _Area(start, pages, _READ | _WRITE, _SHARED | _ANONYMOUS, status, number)


_KINDS: tuple[Callable[[Draft, int], _Area], ...] = (
    _anonymous,
    _anonymous,
    _library,
    _shared_file,
    _shared,
    _memory_file,
    _attached,
)


def _add_mappings(draft: Draft, task: Task, program: int, areas: list[_Area]) -> None:
    code, data, heap, stack = areas[0], areas[1], areas[2], areas[-2]
    middle = stack.end - PAGE
    entries = [area.fields() for area in areas]
    draft.add(
        f"mm-{task.pid}.img",
        {
            "mm_start_code": code.start,
            "mm_end_code": code.end - draft.noise.below(PAGE),
            "mm_start_data": data.start,
            "mm_end_data": data.end - draft.noise.below(PAGE),
            "mm_start_stack": middle - 16,
            "mm_start_brk": heap.start,
            "mm_brk": heap.end,
            "mm_arg_start": middle,
            "mm_arg_end": middle + 64,
            "mm_env_start": middle + 64,
            "mm_env_end": middle + 512,
            "exe_file_id": program,
            "mm_saved_auxv": [_AT_PAGESZ, PAGE, 0, 0],
            "vmas": entries,
        },
    )
    if not draft.has("mm_entry", "vmas"):
        for fields in entries:
            draft.add(f"vmas-{task.pid}.img", fields)


def _runs(draft: Draft, areas: list[_Area]) -> list[tuple[int, int]]:
    """The first address and the number of some pages, in order."""
    chance = draft.chance
    runs = []
    for area in areas:
        left = min(chance.below(draft.knobs.pages + 1), area.pages)
        start = area.start + PAGE * draft.noise.below(area.pages - left + 1)
        if left:
            runs.append((start, left))
    return runs


def _add_pages(draft: Draft, name: str, runs: list[tuple[int, int]]) -> None:
    number = draft.number("pages")
    draft.add(name, {"pages_id": number})
    for start, count in runs:
        run: Fields = {"vaddr": start, "nr_pages": count, "compat_nr_pages": 0, "flags": _PRESENT}
        draft.add(name, run)
    total = sum(count for _, count in runs)
    if total:
        pages = [draft.noise.bytes(16) * (PAGE // 16) for _ in range(total)]
        draft.add_raw(f"pages-{number}.img", b"".join(pages))
