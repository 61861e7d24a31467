"""What commands on many files show while they work and when they are done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.batch import Outcome


def report(outcomes: Iterable[Outcome], total: int, verb: str) -> int:
    """Run through ``outcomes``; lists what was skipped or failed on stderr and gives the exit code.

    On a terminal a progress bar shows how far it is.
    """
    counts = {"converted": 0, "noted": 0, "skipped": 0, "damaged": 0, "failed": 0}
    for outcome in _with_bar(outcomes, total, verb):
        counts[outcome.kind] += 1
        if outcome.kind == "skipped":
            say(f"{outcome.source}: skipped: {outcome.message}")
        elif outcome.message:
            say(outcome.message)
    failed = counts["failed"] + counts["damaged"]
    done = counts["converted"] + counts["noted"] + counts["damaged"]
    say(f"{done} {verb}, {counts['skipped']} skipped, {failed} with errors")
    return 1 if failed else 0


def _with_bar(outcomes: Iterable[Outcome], total: int, verb: str) -> Iterator[Outcome]:
    if sys.stderr is None or not sys.stderr.isatty():
        yield from outcomes
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(outcomes, total=total, description=verb)
