"""Rules on pagemaps: their entries, the pages images behind them, and what they want of parents."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.memory.runs import count_pages, pagemaps, pages_id
from dyncrit.check.memory.spaces import STATUS, all_mappings
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context
    from dyncrit.check.memory.runs import Ranges, Runs
    from dyncrit.check.memory.spaces import Mappings
    from dyncrit.types import DynamicMessage

_PRIVATE = STATUS["VMA_ANON_PRIVATE"] | STATUS["VMA_FILE_PRIVATE"]
_DUMPED_ELSE = STATUS["VMA_AREA_AIORING"] | STATUS["VMA_AREA_SHSTK"]

HEAD = Rule(
    "pagemap-head",
    "error",
    "every pagemap begins with the number of its pages image",
    "A restore stops when it opens the pages.",
)
BOUNDS = Rule(
    "pagemap-bounds",
    "error",
    "every entry of a pagemap begins with a page and ends before the last address",
    "A restore puts the pages where they do not belong, or refuses them.",
)
EMPTY = Rule(
    "pagemap-empty",
    "warning",
    "every entry of a pagemap is of at least one page",
    "A restore passes it over; if it was of some pages, all that follow are read from the wrong places.",
)
ORDER = Rule(
    "pagemap-order",
    "error",
    "the entries of a pagemap are in the order of their addresses, none on top of another",
    "A restore refuses the entry: it looks for mappings in one direction only.",
)
PLACE = Rule(
    "pagemap-place",
    "error",
    "every entry of a pagemap tells where its pages are: here, in the parent, or left at the host",
    "A restore takes other pages in their place.",
)
PAGE_FLAGS = Rule(
    "pagemap-flags",
    "note",
    "the flags of pagemap entries are known",
    "A newer CRIU wrote them; what they mean for a restore is not known here.",
)
MAPPED = Rule(
    "pages-mapped",
    "error",
    "the pages of a process are in its mappings",
    "A restore refuses a page outside of all mappings.",
)
PRIVATE = Rule(
    "pages-private",
    "error",
    "the pages of a process are in private mappings; shared memory has pagemaps of its own",
    "A restore refuses a page of a mapping that is not private.",
)
LAZY = Rule(
    "pages-lazy",
    "note",
    "no pages were left at the dumped host",
    "A restore needs --lazy-pages, and the host to still serve the pages.",
)
UNIQUE = Rule(
    "pages-unique",
    "error",
    "every pages image belongs to one pagemap",
    "One process comes back with the memory of another.",
)
ORPHANS = Rule(
    "pages-orphan",
    "warning",
    "every pages image belongs to a pagemap",
    "A restore passes it over. It is left from another dump, or its pagemap is missing.",
)
PRESENT_PAGES = Rule(
    "pages-present",
    "error",
    "every pagemap with pages in it has its pages image",
    "A restore stops when it reads the pages.",
)
CUT = Rule(
    "pages-cut",
    "error",
    "every pages image holds all pages that its pagemap has in it",
    "A restore stops at the first page behind the end.",
)
SURPLUS = Rule(
    "pages-surplus",
    "warning",
    "no pages image holds more than the pages that its pagemap has in it",
    "A restore passes the rest over. If the pagemap is of another dump, all its pages are wrong ones.",
)


def _heads(context: Context) -> Iterator[Finding]:
    """Find empty pagemaps but those of tasks, whose images another rule looks at."""
    of_tasks = {f"pagemap-{task.pid}.img" for task in context.living}
    for runs in pagemaps(context).own():
        if runs.name not in of_tasks and not runs.damaged and pages_id(context, runs.name) is None:
            yield Finding.of(HEAD, "it has no pagemap_head, which would tell the pages image", runs.name)


def _bounds(context: Context) -> Iterator[Finding]:
    size = pagemaps(context).page_size
    for runs in pagemaps(context).own():
        if runs.askew:
            message = f"not on pages of {size} bytes, or past the last address: {_entries(runs.askew.count)}"
            yield Finding.of(BOUNDS, f"{message}, the first at {runs.askew.first:#x}", runs.name)


def _empty(context: Context) -> Iterator[Finding]:
    for runs in pagemaps(context).own():
        if runs.empty:
            message = f"of no pages: {_entries(runs.empty.count)}, the first at {runs.empty.first:#x}"
            yield Finding.of(EMPTY, message, runs.name)


def _order(context: Context) -> Iterator[Finding]:
    for runs in pagemaps(context).own():
        if runs.disordered:
            how = "on top of others" if runs.overlaps else "out of order"
            message = f"{how}: {_entries(runs.disordered.count)}, the first at {runs.disordered.first:#x}"
            yield Finding.of(ORDER, message, runs.name)


def _place(context: Context) -> Iterator[Finding]:
    for runs in pagemaps(context).own():
        if runs.nowhere:
            message = f"no flag tells of {count_pages(runs.nowhere.count)} where to find them"
            yield Finding.of(PLACE, f"{message}, the first at {runs.nowhere.first:#x}", runs.name)


def _flags(context: Context) -> Iterator[Finding]:
    for runs in pagemaps(context).own():
        for flags, count in sorted(runs.strange_flags.items()):
            yield Finding.of(PAGE_FLAGS, f"flags {flags:#x} have no name: {_entries(count)}", runs.name)


def _mapped(context: Context) -> Iterator[Finding]:
    for mappings, runs in _with_pages(context):
        if stray := _outside(runs, mappings.entries):
            message = f"not mapped: {_pages(stray, context)}, the first at {stray[0][0]:#x}"
            yield Finding.of(MAPPED, message, runs.name)


def _owned(context: Context) -> Iterator[Finding]:
    for mappings, runs in _with_pages(context):
        others = [entry for entry in mappings.entries if not _is_private(entry)]
        held = [
            (start, end)
            for entry in others
            for start, end, flags in runs.pieces(entry.start, entry.end)
            if flags is not None
        ]
        if held:
            message = (
                f"in mappings that are not private: {_pages(held, context)}, the first at {held[0][0]:#x}"
            )
            yield Finding.of(PRIVATE, message, runs.name)


def _lazy(context: Context) -> Iterator[Finding]:
    for runs in pagemaps(context).own():
        if runs.lazy:
            message = f"left at the host: {count_pages(runs.lazy.count)}, the first at {runs.lazy.first:#x}"
            yield Finding.of(LAZY, message, runs.name)


def _unique(context: Context) -> Iterator[Finding]:
    owners: dict[int, str] = {}
    for runs in pagemaps(context).own():
        number = pages_id(context, runs.name)
        if number is None:
            continue
        first = owners.setdefault(number, runs.name)
        if first != runs.name:
            yield Finding.of(UNIQUE, f"pages-{number}.img belongs to {first}, too", runs.name)


def _orphans(context: Context) -> Iterator[Finding]:
    images = context.images
    names = [f"{stem}-{n}.img" for stem in ("pagemap", "pagemap-shmem") for n in images.numbers(stem)]
    if not names:
        return  # CRIU up to 0.4 had none
    numbers = {pages_id(context, name) for name in names}
    if None in numbers:
        return  # any of them may be of the one whose head is missing
    for number in sorted(set(images.numbers("pages")) - numbers):
        yield Finding.of(ORPHANS, "no pagemap has its number", f"pages-{number}.img")


def _present(context: Context) -> Iterator[Finding]:
    for runs, name in _pages_images(context):
        if name not in context.names and runs.present:
            yield Finding.of(
                PRESENT_PAGES, f"{name} is missing, which should hold {count_pages(runs.present)}", runs.name
            )


def _cut(context: Context) -> Iterator[Finding]:
    for runs, name in _pages_images(context):
        wanted = runs.present * pagemaps(context).page_size
        if name in context.names and (held := context.images.tree.size(name)) < wanted:
            message = f"has {held} bytes, {count_pages(runs.present)} of {runs.name} take {wanted}"
            yield Finding.of(CUT, message, name)


def _surplus(context: Context) -> Iterator[Finding]:
    for runs, name in _pages_images(context):
        wanted = runs.present * pagemaps(context).page_size
        if name in context.names and (held := context.images.tree.size(name)) > wanted:
            message = f"has {held} bytes, {count_pages(runs.present)} of {runs.name} take {wanted}"
            yield Finding.of(SURPLUS, message, name)


def _pages_images(context: Context) -> Iterator[tuple[Runs, str]]:
    """Each pagemap that can be read, with the name of its pages image; of those that share one, the first."""
    seen = set()
    for runs in pagemaps(context).own():
        number = pages_id(context, runs.name)
        if number is not None and not runs.damaged and number not in seen:
            seen.add(number)
            yield runs, f"pages-{number}.img"


def _with_pages(context: Context) -> Iterator[tuple[Mappings, Runs]]:
    """Processes whose mappings can be looked up, with their pagemaps."""
    for mappings in all_mappings(context):
        runs = pagemaps(context).runs(f"pagemap-{mappings.pid}.img")
        if runs is not None and mappings.are_sound:
            yield mappings, runs


def _outside(runs: Runs, entries: tuple[DynamicMessage, ...]) -> Ranges:
    """The ranges that pages are said to be in, and no mapping is."""
    bounds = [0, *(bound for entry in entries for bound in (entry.start, entry.end)), 1 << 64]
    gaps = list(pairwise(bounds))[::2]
    return [
        (start, end)
        for first, last in gaps
        for start, end, flags in (runs.pieces(first, last) if first < last else ())
        if flags is not None
    ]


def _is_private(entry: DynamicMessage) -> bool:
    """As CRIU tells it (criu/include/vma.h): the pages of such mappings are the process's own."""
    return bool(entry.status & (_PRIVATE | _DUMPED_ELSE))


def _pages(ranges: Ranges, context: Context) -> str:
    return count_pages(sum(end - start for start, end in ranges) // pagemaps(context).page_size)


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


CHECKS: tuple[Check, ...] = (
    Check(HEAD, _heads),
    Check(BOUNDS, _bounds),
    Check(EMPTY, _empty),
    Check(ORDER, _order),
    Check(PLACE, _place),
    Check(PAGE_FLAGS, _flags),
    Check(MAPPED, _mapped),
    Check(PRIVATE, _owned),
    Check(LAZY, _lazy),
    Check(UNIQUE, _unique),
    Check(ORPHANS, _orphans),
    Check(PRESENT_PAGES, _present, needs_pages=True),
    Check(CUT, _cut, needs_pages=True),
    Check(SURPLUS, _surplus, needs_pages=True),
)
