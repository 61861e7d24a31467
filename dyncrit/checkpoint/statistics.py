"""Statistics of dumps and restores, and whether another pre-dump pays."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dyncrit.checkpoint.fields import number, optional
from dyncrit.checkpoint.images import ImageSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dyncrit.checkpoint.problems import Problems
    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.schema import Schema

DUMP_IMAGE = "stats-dump"
RESTORE_IMAGE = "stats-restore"


@dataclass(frozen=True, slots=True)
class DumpStatistics:
    """What a dump or a pre-dump took: times in microseconds, memory in pages.

    ``freezing_time`` is what stopping the tasks took, ``frozen_time`` for how long they stood,
    ``memdump_time`` and ``memwrite_time`` what of it went into collecting and writing memory.
    ``pages_scanned`` are all that were looked at; of those, ``pages_written`` are in this dump,
    ``pages_skipped_parent`` in the one before, ``pages_lazy`` left to be fetched at the restore. The
    ``shared_pages`` are those of shared memory, counted beside the others. None where the release that
    dumped didn't count it: ``irmap_resolve_time`` since CRIU 1.2, ``pages_lazy`` since 3.5, the pipes since
    3.7, ``shared_pages`` since 3.13.
    """

    freezing_time: int
    frozen_time: int
    memdump_time: int
    memwrite_time: int
    pages_scanned: int
    pages_skipped_parent: int
    pages_written: int
    irmap_resolve_time: int | None = None
    pages_lazy: int | None = None
    page_pipes: int | None = None
    page_pipe_buffers: int | None = None
    shared_pages_scanned: int | None = None
    shared_pages_skipped_parent: int | None = None
    shared_pages_written: int | None = None


@dataclass(frozen=True, slots=True)
class RestoreStatistics:
    """What a restore took: times in microseconds, memory in pages.

    ``pages_compared`` were looked at to find those that a parent and child share, ``pages_skipped_cow`` are
    the latter. ``pages_restored`` is None before CRIU 1.2.
    """

    pages_compared: int
    pages_skipped_cow: int
    forking_time: int
    restore_time: int
    pages_restored: int | None = None


class Statistics(NamedTuple):
    """The statistics that were found; None without."""

    dump: DumpStatistics | None = None
    restore: RestoreStatistics | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One dump of a chain, counted from 1; its pages, and beside them those of shared memory."""

    index: int
    scanned: int
    written: int
    skipped: int
    lazy: int
    shared_scanned: int = 0
    shared_written: int = 0
    shared_skipped: int = 0

    @property
    def share_skipped(self) -> float:
        """The share, from 0 to 1, of its private pages that were in the dump before; 1 if there are none."""
        total = self.written + self.skipped
        return self.skipped / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Advice:
    """What one rule says: whether another pre-dump pays before the last dump, and why, in a phrase."""

    rule: str
    another_round: bool
    reason: str


LXD_SHARE = 0.7
LXD_ROUNDS = 10
PHAUL_ROUNDS = 8
PHAUL_PAGES = 64
PHAUL_GROWTH = 32


def read_statistics(trees: Iterable[FileTree], schema: Schema, problems: Problems) -> Statistics:
    """The statistics in the first of ``trees`` that has them, for dump and restore each.

    Engines keep them beside the images or a folder above.
    """
    dump: DumpStatistics | None = None
    restore: RestoreStatistics | None = None
    for tree in trees:
        images = ImageSet(tree, schema, problems)
        dump = dump or _part(images, DUMP_IMAGE, "dump", DumpStatistics)
        restore = restore or _part(images, RESTORE_IMAGE, "restore", RestoreStatistics)
    return Statistics(dump, restore)


def rounds_of(chain: Iterable[DumpStatistics]) -> tuple[Round, ...]:
    """The rounds of a chain of dumps, the oldest first."""
    return tuple(
        Round(
            index,
            scanned=dump.pages_scanned,
            written=dump.pages_written,
            skipped=dump.pages_skipped_parent,
            lazy=dump.pages_lazy or 0,
            shared_scanned=dump.shared_pages_scanned or 0,
            shared_written=dump.shared_pages_written or 0,
            shared_skipped=dump.shared_pages_skipped_parent or 0,
        )
        for index, dump in enumerate(chain, 1)
    )


def advise(chain: Iterable[DumpStatistics]) -> tuple[Advice, ...]:
    """Whether another round pays after a chain of pre-dumps, the oldest first, by both rules that are in use.

    Like the programs they come from, they look at private memory alone. Without a dump there is no advice.
    """
    rounds = rounds_of(chain)
    return (_lxd(rounds), _phaul(rounds)) if rounds else ()


def _lxd(rounds: Sequence[Round]) -> Advice:
    """LXD's (lxd/migrate_instance.go): until enough of the memory doesn't change; 10 rounds at most."""
    share = rounds[-1].share_skipped
    skipped = f"{share:.1%} of the pages didn't change in the last round"
    if share >= LXD_SHARE:
        return Advice("LXD", False, f"{skipped}; {LXD_SHARE:.0%} are enough")
    if len(rounds) >= LXD_ROUNDS:
        return Advice("LXD", False, f"{len(rounds)} rounds were made; {LXD_ROUNDS} are the most")
    return Advice("LXD", True, f"{skipped}; the aim is {LXD_SHARE:.0%}")


def _phaul(rounds: Sequence[Round]) -> Advice:
    """p.haul's, as first written in Go (phaul/client.go): until little is written, or more than before.

    It makes 8 rounds at most. Its Python program, and later releases, bound the growth by 10 % instead of
    32 pages.
    """
    written = rounds[-1].written
    growth = written - rounds[-2].written if len(rounds) > 1 else 0
    if len(rounds) >= PHAUL_ROUNDS:
        return Advice("p.haul", False, f"{len(rounds)} rounds were made; {PHAUL_ROUNDS} are the most")
    if written < PHAUL_PAGES:
        return Advice("p.haul", False, f"the last round wrote {written} pages; under {PHAUL_PAGES} are few")
    if growth >= PHAUL_GROWTH:
        return Advice("p.haul", False, f"the last round wrote {growth} pages more than the one before")
    return Advice("p.haul", True, f"the last round wrote {written} pages; the aim is under {PHAUL_PAGES}")


_OTHER_NAMES = {
    "irmap_resolve_time": "irmap_resolve",
    "page_pipe_buffers": "page_pipe_bufs",
    "shared_pages_scanned": "shpages_scanned",
    "shared_pages_skipped_parent": "shpages_skipped_parent",
    "shared_pages_written": "shpages_written",
}
"""The names in the images of those fields that we call otherwise."""

_Part = TypeVar("_Part", DumpStatistics, RestoreStatistics)


def _part(images: ImageSet, name: str, part: str, result: type[_Part]) -> _Part | None:
    """One of the messages in a stats image; None where it isn't there."""
    message = images.first(name)
    found = None if message is None else optional(message, part)
    if found is None:
        return None
    values: dict[str, int | None] = {}
    for field in fields(result):
        read = number if field.default is MISSING else optional
        values[field.name] = read(found, _OTHER_NAMES.get(field.name, field.name))
    return result(**values)  # type: ignore[arg-type]  # the required ones are numbers
