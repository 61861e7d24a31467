"""Pagemaps and pages: in the checkpoint itself, or in one that it builds on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.names import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dyncrit.fuzz.generate.checkpoint.draft import Draft
    from dyncrit.fuzz.generate.messages import Fields

_SMALL_PAGE = 4096
_PARENT = "parent/"
_PRESENT, _IN_PARENT = FLAGS["pmap.flags"]["PE_PRESENT"], FLAGS["pmap.flags"]["PE_PARENT"]
_OF_MEMORY = ("pagemap-", "pages-")


class _Run(NamedTuple):
    """Pages in a row, and how many checkpoints up they stand."""

    start: int
    pages: int
    level: int


def add_pages(
    draft: Draft, name: str, ranges: Iterable[tuple[int, int]], *, has_parents: bool = True
) -> None:
    """Add a pagemap with some of the pages in ranges of addresses (ends excluded), and the pages.

    Of a checkpoint that builds on others, some stand there, but for one without parents.
    """
    runs = _runs(draft, ranges, draft.parents if has_parents else 0)
    for level in range(max((run.level for run in runs), default=0) + 1):
        folder = _PARENT * level
        number = draft.number(f"{folder}pages")
        draft.add(folder + name, {"pages_id": number})
        here = [run for run in runs if run.level >= level]
        for run in here:
            draft.add(folder + name, _fields(draft, run, is_here=run.level == level))
        total = sum(run.pages for run in here if run.level == level)
        if total:
            pages = [draft.noise.bytes(16) * (draft.page // 16) for _ in range(total)]
            draft.add_raw(f"{folder}pages-{number}.img", b"".join(pages))


def add_parents(draft: Draft) -> None:
    """Add what else there is in the checkpoints that it builds on: of pre-dumps little, of dumps all."""
    own = [name for name in draft.names() if "/" not in name and not name.startswith(_OF_MEMORY)]
    for level in range(1, draft.parents + 1):
        folder = _PARENT * level
        if draft.chance.once_in(3):
            for name in own:
                draft.share(name, folder)
        else:
            draft.add(f"{folder}inventory.img", {"img_version": 0, "pre_dump_mode": 1})


def _runs(draft: Draft, ranges: Iterable[tuple[int, int]], parents: int) -> list[_Run]:
    """Some pages, in order; of those of one range, some may stand further up than others."""
    chance = draft.chance
    most = -(-draft.knobs.pages * _SMALL_PAGE // draft.page)
    runs = []
    for start, end in ranges:
        size = (end - start) // draft.page
        count = min(chance.below(most + 1), size)
        first = start + draft.page * draft.noise.below(size - count + 1)
        cut = draft.noise.below(count + 1) if parents else count
        for at, pages in ((first, cut), (first + draft.page * cut, count - cut)):
            if pages:
                runs.append(_Run(at, pages, chance.below(parents + 1)))
    return runs


def _fields(draft: Draft, run: _Run, *, is_here: bool) -> Fields:
    has_flags = draft.has("pagemap_entry", "flags")
    return {
        "vaddr": run.start,
        "nr_pages": run.pages,
        "compat_nr_pages": 0,
        "in_parent": None if is_here or has_flags else True,
        "flags": _PRESENT if is_here else _IN_PARENT,
    }
