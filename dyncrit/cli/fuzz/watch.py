"""Shows how a run of the fuzzer goes, and stops it in order."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dyncrit.cli.streams import one_line, print_line, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Self

    from dyncrit.fuzz.run.finding import Finding
    from dyncrit.fuzz.run.plan import Plan, Tally
    from dyncrit.fuzz.run.store import FindingStore

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_SHOW_EVERY = 0.5
_SAY_EVERY = 60.0


class Watch:
    """Shows how a run goes, and stops it on Ctrl-C; a second one ends it at once."""

    def __init__(self, store: FindingStore, plan: Plan, *, quiet: bool) -> None:
        self._store = store
        self._plan = plan
        self._quiet = quiet
        self._stopping = False
        self._on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shown = self._said = time.monotonic()
        self._new = 0

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """A block in which signals stop the run in order."""
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._clear()

    def begin(self) -> None:
        """Say what is run on what."""
        for problem in self._store.problems:
            say(f"{problem}; left as it is")
        plan = self._plan
        known = f", {len(self._store.findings)} findings known" if self._store.findings else ""
        say(f"seed {plan.seed}, {len(plan.corpus.seeds)} in the corpus, jobs: {plan.jobs}{known}")

    def end(self, tally: Tally) -> None:
        """Say so if the run was stopped; what would show it again, too."""
        if self._stopping:
            self._clear()
            say(f"interrupted after {tally.seconds:.1f} s; of seed {self._plan.seed}, all is kept")

    def found(self, finding: Finding) -> None:
        """A line for a new finding."""
        self._new += 1
        if not self._quiet:
            self._clear()
            print_line(one_line(f"{finding.folder_name}: {finding.verdict.cause or finding.verdict.text}"))

    def progressed(self, tally: Tally) -> None:
        """The progress line on a terminal; elsewhere a line a minute."""
        now = time.monotonic()
        if self._on_terminal and now - self._shown >= _SHOW_EVERY:
            self._shown = now
            click.echo(f"\r\x1b[K{self._line(tally)}", err=True, nl=False)
        elif not self._on_terminal and now - self._said >= _SAY_EVERY:
            self._said = now
            say(self._line(tally))

    def warned(self, text: str) -> None:
        """A warning."""
        say(f"warning: {text}")

    def is_stopping(self) -> bool:
        """Whether Ctrl-C was pressed, or SIGTERM came."""
        return self._stopping

    def _line(self, tally: Tally) -> str:
        work = ", minimising" if tally.minimising and not tally.executions else ""
        return (
            f"{tally.seconds:.0f} s, {tally.executions} executions, {tally.rate:.0f}/s{work}, "
            f"{self._new} new findings, {sum(tally.hits.values())} hits"
        )

    def _clear(self) -> None:
        if self._on_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True
