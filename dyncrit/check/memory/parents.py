"""Rules on what an incremental dump wants of the one that it builds on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.memory.runs import count_pages, pagemaps
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context

PARENT = Rule(
    "parent-present",
    "error",
    "a dump with pages in a parent has that parent",
    "A restore stops at the first such page.",
)
PAGES = Rule(
    "parent-pages",
    "error",
    "the parents have all pages that the dump says they have",
    "A restore stops at the first page that is in no parent.",
)


def _present(context: Context) -> Iterator[Finding]:
    if context.checkpoint.parent is not None:
        return
    wanting = [runs for runs in pagemaps(context).own() if runs.in_parent]
    if wanting:
        pages = sum(runs.in_parent for runs in wanting)
        where = wanting[0].name if len(wanting) == 1 else f"{len(wanting)} pagemaps"
        message = f"in the parent: {count_pages(pages)} of {where}; {context.checkpoint.no_parent}"
        yield Finding.of(PARENT, message, "parent")


def _pages(context: Context) -> Iterator[Finding]:
    if context.checkpoint.parent is None:
        return
    for runs in pagemaps(context).own():
        lost = pagemaps(context).lost(runs)
        first = next(lost, None)
        if first is not None:
            size = first.end - first.start + sum(piece.end - piece.start for piece in lost)
            pages = size // pagemaps(context).page_size
            message = f"in no parent: {count_pages(pages)}, the first at {first.start:#x}: {first.reason}"
            yield Finding.of(PAGES, message, runs.name)


CHECKS: tuple[Check, ...] = (Check(PARENT, _present), Check(PAGES, _pages))
