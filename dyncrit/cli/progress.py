"""What commands show while they work for long, and when they are done with many files."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import Progress, TaskID

    from dyncrit.batch import Outcome


_PATIENCE = 1.0


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


@contextmanager
def advancing(label: str, total: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """A function to call with the bytes that were done since its last call.

    On a terminal a bar shows how far it is, once it has taken a second; only then ``total`` is called.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    bar = _LateBar(label, total)
    try:
        yield bar.advance
    finally:
        bar.stop()


class _LateBar:
    """A progress bar that appears when what it shows turns out to take long."""

    def __init__(self, label: str, total: Callable[[], int]) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, size: int) -> None:
        self._done += size
        if self._progress is None:
            if time.monotonic() - self._start < _PATIENCE:
                return
            self._progress = _make_bar()
            self._progress.start()
            self._task = self._progress.add_task(self._label, total=self._total())
        assert self._task is not None  # noqa: S101 (made with the bar)
        self._progress.update(self._task, completed=self._done)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _make_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
