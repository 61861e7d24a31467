"""Memory: the mappings of tasks, their pages, and shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.generate.checkpoint.areas import (
    EXECUTE,
    GROWS,
    MORE,
    OWN,
    PRIVATE,
    READ,
    WRITE,
    Area,
    regular,
    ring_fields,
)
from dyncrit.fuzz.generate.checkpoint.opening import regular_file
from dyncrit.fuzz.generate.checkpoint.pages import add_pages
from dyncrit.fuzz.generate.words import path

if TYPE_CHECKING:
    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task

_AT_PAGESZ = 6


def add_memory(draft: Draft, task: Task) -> None:
    """Add the mappings of a task, its pagemap and its pages."""
    program = regular_file(draft, path(draft.noise) + "/program", mode=0o100755)
    layout, page, noise = draft.host.layout, draft.page, draft.noise
    of_file, own = regular("VMA_FILE_PRIVATE"), regular("VMA_ANON_PRIVATE")
    of_heap = regular("VMA_AREA_HEAP", "VMA_ANON_PRIVATE")
    code = Area(page, layout.code, noise.between(1, 4), READ | EXECUTE, PRIVATE, of_file, program)
    data = Area(page, code.end, noise.between(1, 2), READ | WRITE, PRIVATE, of_file, program, code.pages)
    heap = Area(page, layout.heap, noise.between(1, 8), READ | WRITE, OWN, of_heap)
    stack = Area(page, layout.stack, noise.between(2, 34), READ | WRITE, OWN | GROWS, own)
    areas = [code, data, heap, *_more(draft), stack, *_of_kernel(draft)]
    _add_mappings(draft, task, areas, (code, data, heap, stack))
    ranges = [(area.start, area.end) for area in areas if area.has_pages]
    add_pages(draft, f"pagemap-{task.pid}.img", ranges)


def add_shared_memory(draft: Draft) -> None:
    """Add the pages of all shared memory that tasks and files have."""
    has_parents = draft.has("pagemap_entry", "flags")  # of v3.5; before, all of it was dumped each time
    for number, size in sorted(draft.segments.items()):
        whole = (0, -(-size // draft.page) * draft.page)
        add_pages(draft, f"pagemap-shmem-{number}.img", [whole], has_parents=has_parents)


def _more(draft: Draft) -> list[Area]:
    """Mappings of all kinds, one behind the other, with holes between them."""
    areas: list[Area] = []
    start = draft.host.layout.libraries
    for _ in range(draft.chance.below(draft.knobs.mappings + 1)):
        start += draft.page * draft.noise.below(16)
        area = draft.chance.one_of(MORE)(draft, start)
        areas.append(area)
        start = area.end
    return areas


def _of_kernel(draft: Draft) -> list[Area]:
    """What the kernel maps into every program."""
    layout, page = draft.host.layout, draft.page
    vdso = regular("VMA_AREA_VDSO", "VMA_ANON_PRIVATE")
    areas = [Area(page, layout.vdso, 2, READ | EXECUTE, OWN, vdso)]
    if draft.chance.once_in(2):
        data = regular("VMA_AREA_VVAR", "VMA_ANON_PRIVATE")
        areas.insert(0, Area(page, layout.vdso - 4 * page, 4, READ, OWN, data))
    if layout.fixed is not None and draft.chance.once_in(2):
        fixed = ("VMA_AREA_VSYSCALL", "VMA_ANON_PRIVATE")
        areas.append(Area(page, layout.fixed, 1, EXECUTE, OWN, fixed))
    return areas


def _guards(draft: Draft, stack: Area) -> list[Area]:
    """Pages within a mapping that mustn't be touched, where CRIU knows of such (v4.2)."""
    if not draft.has("inventory_entry", "allow_uprobes") or not draft.chance.once_in(4):
        return []
    return [Area(draft.page, stack.start, 1, 0, 0, ("VMA_AREA_GUARD",))]


def _add_mappings(draft: Draft, task: Task, areas: list[Area], parts: tuple[Area, Area, Area, Area]) -> None:
    code, data, heap, stack = parts
    middle = stack.end - draft.page
    entries = [area.fields() for area in (*areas, *_guards(draft, stack))]
    draft.add(
        f"mm-{task.pid}.img",
        {
            "mm_start_code": code.start,
            "mm_end_code": code.end - draft.noise.below(draft.page),
            "mm_start_data": data.start,
            "mm_end_data": data.end - draft.noise.below(draft.page),
            "mm_start_stack": middle - 16,
            "mm_start_brk": heap.start,
            "mm_brk": heap.end,
            "mm_arg_start": middle,
            "mm_arg_end": middle + 64,
            "mm_env_start": middle + 64,
            "mm_env_end": middle + 512,
            "exe_file_id": code.file_id,
            "mm_saved_auxv": [_AT_PAGESZ, draft.page, 0, 0],
            "vmas": entries,
            "aios": [ring_fields(area) for area in areas if "VMA_AREA_AIORING" in area.status],
        },
    )
    if not draft.has("mm_entry", "vmas"):
        for fields in entries:
            draft.add(f"vmas-{task.pid}.img", fields)
