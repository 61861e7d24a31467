"""Rules on the address spaces of processes: mappings, and the addresses that the kernel is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.memory.runs import pagemaps
from dyncrit.check.memory.spaces import STATUS, all_mappings, told_page_sizes
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context
    from dyncrit.types import DynamicMessage

_OF_FILE = STATUS["VMA_FILE_PRIVATE"] | STATUS["VMA_FILE_SHARED"]
_AIO_RING = STATUS["VMA_AREA_AIORING"]


BOUNDS = Rule(
    "mapping-bounds",
    "error",
    "every mapping is of whole pages, and of at least one",
    "A restore stops: the kernel refuses to map it.",
)
ORDER = Rule(
    "mapping-order",
    "error",
    "the mappings of a process are in the order of their addresses, none on top of another",
    "A restore refuses mappings out of order; one on top of another takes its place.",
)
MEMORY_BOUNDS = Rule(
    "memory-bounds",
    "error",
    "the code, data, heap, arguments and environment of a process end behind where they begin",
    "A restore stops: the kernel refuses the addresses (PR_SET_MM).",
)
MEMORY_ADDRESSES = Rule(
    "memory-addresses",
    "warning",
    "the code, stack, heap, arguments and environment of a process are in its mappings",
    "Older kernels refuse the addresses (PR_SET_MM); on newer ones /proc shows other things of the task.",
)
EXECUTABLE = Rule(
    "executable-mapped",
    "note",
    "the executable of a process is mapped into it",
    "The process comes back as it was; which program it runs is not the one that /proc/PID/exe names.",
)
AIO_RINGS = Rule(
    "aio-rings",
    "error",
    "every ring of asynchronous I/O is a mapping of its size, and every such mapping a ring",
    "A restore stops when it sets the ring up; a mapping without a ring comes back as plain memory.",
)
PAGE_SIZE = Rule(
    "page-size",
    "error",
    "all processes were told the same page size",
    "They are of different hosts; a restore reads the pages of some from the wrong places.",
)

_PAIRS = (  # as the kernel wants them: only code can't be empty
    ("mm_start_code", "mm_end_code", False),
    ("mm_start_data", "mm_end_data", True),
    ("mm_start_brk", "mm_brk", True),
    ("mm_arg_start", "mm_arg_end", True),
    ("mm_env_start", "mm_env_end", True),
)
_MAPPED = (  # the end of what, if anything, begins there
    ("mm_start_code", ""),
    ("mm_start_stack", ""),
    ("mm_start_brk", "mm_brk"),
    ("mm_arg_start", "mm_arg_end"),
    ("mm_env_start", "mm_env_end"),
)


def _bounds(context: Context) -> Iterator[Finding]:
    page_size = pagemaps(context).page_size
    for mappings in all_mappings(context):
        for entry in mappings.entries:
            problem = ""
            if entry.start >= entry.end:
                problem = "ends before it begins" if entry.end < entry.start else "is empty"
            elif entry.start % page_size or entry.end % page_size:
                problem = f"is not of whole pages of {page_size} bytes"
            if problem:
                yield Finding.of(BOUNDS, f"mapping {_range(entry)} {problem}", mappings.name)


def _order(context: Context) -> Iterator[Finding]:
    for mappings in all_mappings(context):
        before = None
        for entry in mappings.entries:
            if entry.start >= entry.end:
                continue  # another rule's
            if before is not None and entry.start < before.end:
                how = "stands behind" if entry.end <= before.start else "overlaps"
                yield Finding.of(ORDER, f"mapping {_range(entry)} {how} {_range(before)}", mappings.name)
            else:
                before = entry


def _mm_order(context: Context) -> Iterator[Finding]:
    for pid, _, mm, _ in all_mappings(context):
        for first, last, may_be_empty in _PAIRS if mm is not None else ():
            start, end = getattr(mm, first), getattr(mm, last)
            if start > end or (start == end and not may_be_empty):
                message = f"{first} is {start:#x}, {last} {end:#x}"
                yield Finding.of(MEMORY_BOUNDS, message, f"mm-{pid}.img", place=first)


def _mm_mapped(context: Context) -> Iterator[Finding]:
    for mappings in all_mappings(context):
        for first, last in _MAPPED if mappings.mm is not None and mappings.are_sound else ():
            address = getattr(mappings.mm, first)
            is_empty = last and getattr(mappings.mm, last) <= address
            if is_empty or any(entry.start <= address < entry.end for entry in mappings.entries):
                continue
            message = f"{first} is {address:#x}, where nothing is mapped"
            yield Finding.of(MEMORY_ADDRESSES, message, f"mm-{mappings.pid}.img", place=first)


def _executable(context: Context) -> Iterator[Finding]:
    """Find programs that aren't mapped by path: up to CRIU 1.1 the same file has several ids."""
    for mappings in all_mappings(context):
        program = None if mappings.mm is None else context.file_table.find(mappings.mm.exe_file_id)
        if mappings.mm is None or program is None:
            continue
        ids = {entry.shmid for entry in mappings.entries if entry.status & _OF_FILE}
        mapped = (context.file_table.find(number) for number in ids)
        if program.id not in ids and program.path not in {file.path for file in mapped if file is not None}:
            message = f"{program.path or program.name}, its program, is not among its mappings"
            yield Finding.of(EXECUTABLE, message, f"mm-{mappings.pid}.img", place="exe_file_id")


def _aio(context: Context) -> Iterator[Finding]:
    for mappings in all_mappings(context):
        name = f"mm-{mappings.pid}.img"
        rings = [entry for entry in mappings.entries if entry.status & _AIO_RING]
        sizes = {entry.start: entry.end - entry.start for entry in rings}
        for index, ring in enumerate(mappings.mm.aios if mappings.mm is not None else ()):
            held = sizes.pop(ring.id, None)
            if held != ring.ring_len:
                found = "has none" if held is None else f"has {held}"
                message = f"the ring at {ring.id:#x} takes {ring.ring_len} bytes, its mapping {found}"
                yield Finding.of(AIO_RINGS, message, name, place=f"aios[{index}]")
        for start in sizes:
            yield Finding.of(AIO_RINGS, f"the mapping at {start:#x} is of a ring, and aios has none", name)


def _page_size(context: Context) -> Iterator[Finding]:
    told = told_page_sizes(context)
    expected = next(iter(told.values()), 0)
    for pid, size in told.items():
        if size != expected:
            message = f"the process was told pages of {size} bytes, process {next(iter(told))} of {expected}"
            yield Finding.of(PAGE_SIZE, message, f"mm-{pid}.img", place="mm_saved_auxv")


def _range(entry: DynamicMessage) -> str:
    return f"{entry.start:#x}-{entry.end:#x}"


CHECKS: tuple[Check, ...] = (
    Check(BOUNDS, _bounds),
    Check(ORDER, _order),
    Check(MEMORY_BOUNDS, _mm_order),
    Check(MEMORY_ADDRESSES, _mm_mapped),
    Check(EXECUTABLE, _executable),
    Check(AIO_RINGS, _aio),
    Check(PAGE_SIZE, _page_size),
)
