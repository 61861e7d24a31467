"""A run from its start to its end: processes that fuzz, and findings that are kept as they come."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dyncrit.fuzz.run.children import Children
from dyncrit.fuzz.run.finding import Finding
from dyncrit.fuzz.run.outcome import fails_alike
from dyncrit.fuzz.run.plan import Found, Probed, Reduced, Tally
from dyncrit.fuzz.run.sandbox import remove_tree
from dyncrit.fuzz.run.store import Output
from dyncrit.fuzz.run.target import TargetError
from dyncrit.fuzz.run.worker import fuzz, probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.fuzz.run.outcome import Outcome
    from dyncrit.fuzz.run.plan import Plan
    from dyncrit.fuzz.run.store import FindingStore

_TICK = 0.1
"""How often is looked whether to stop, in seconds."""
_FLUSH = 10.0
"""How often the counts of findings are written, in seconds."""


class Listener(Protocol):
    """Who is told what a run comes to."""

    def found(self, finding: Finding) -> None:
        """A finding is new, and was kept."""

    def progressed(self, tally: Tally) -> None:
        """So much was done until now; called some times a second."""

    def warned(self, text: str) -> None:
        """Something is odd about the run."""

    def is_stopping(self) -> bool:
        """Whether the run is to end now."""


def run(plan: Plan, store: FindingStore, listener: Listener) -> Tally:
    """Do what a plan says; gives what was done.

    Processes are forked, so no other thread should hold a lock. Raises TargetError for a target that fails on
    everything in the same way, and OSError (a full disk); what was found until then is kept.
    """
    with temporary_folder() as folder:
        _probe(plan, folder, listener)
        return _Campaign(plan, store, listener).run(folder)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for sandboxes, removed when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="dyncrit-fuzz-"))
    try:
        yield folder
    finally:
        remove_tree(folder)


def _probe(plan: Plan, folder: Path, listener: Listener) -> None:
    """See whether targets do anything with the corpus as it is; raises TargetError where one doesn't."""
    outcomes: tuple[tuple[Outcome, ...], ...] = ()
    with Children() as children:
        children.start(partial(probe, plan=plan, folder=folder / "probe"))
        while children:
            for message in children.received(_TICK):
                if isinstance(message, Probed):
                    outcomes = message.outcomes
            if listener.is_stopping():
                return
        if children.failure:
            raise children.failure
    for target, column in zip(plan.targets, zip(*outcomes, strict=True), strict=True):
        if any(outcome.kind == "ok" for outcome in column):
            continue
        first = column[0]
        said = f"{first.kind}, {first.text or first.cause}"
        if not fails_alike(column):
            listener.warned(
                f"target {target.text!r} accepts none of the first {len(column)} files as they are"
            )
        elif plan.force:
            listener.warned(f"target {target.text!r} fails on all {len(column)} files as they are: {said}")
        else:
            raise TargetError(
                f"fails on all of {len(column)} files of the corpus as they are, in the same way ({said}); "
                f"--force runs it all the same{_advice(said)}",
                f"target {target.text!r}",
            )


def _advice(said: str) -> str:
    """What else may help: sanitizers map far more memory than a limit on it lets them."""
    return "; --memory-kind resident is for sanitizers" if "allocate" in said else ""


class _Campaign:
    def __init__(self, plan: Plan, store: FindingStore, listener: Listener) -> None:
        self._plan = plan
        self._store = store
        self._listener = listener
        self._tally = Tally()
        self._failure: Exception | None = None
        self._start = self._flushed = time.monotonic()

    def run(self, folder: Path) -> Tally:
        plan = self._plan
        end = None if plan.seconds is None else self._start + plan.seconds
        known = frozenset(self._store.findings)
        try:
            with Children() as children:
                for place in range(plan.jobs):
                    body = partial(
                        fuzz, plan=plan, place=place, end=end, known=known, folder=folder / str(place)
                    )
                    children.start(body)
                self._listen(children)
        finally:
            self._tally.seconds = time.monotonic() - self._start
            self._flush()
        if self._failure:
            raise self._failure
        return self._tally

    def _flush(self) -> None:
        """Write how often findings were seen; where that fails, the run does."""
        self._flushed = time.monotonic()
        try:
            self._store.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Take note of the first error in keeping findings; what has no name is about their folder."""
        if error.filename is None:
            error.filename = str(self._store.folder)
        self._failure = self._failure or error

    def _listen(self, children: Children) -> None:
        """Take what the processes tell until all of them have ended."""
        while children:
            if self._listener.is_stopping():
                children.stop()
            for message in children.received(_TICK):
                try:
                    self._take(message, children)
                except OSError as error:  # what else was found may still find room
                    self._fail(error)
                    children.stop()
            now = time.monotonic()
            self._tally.seconds = now - self._start
            self._listener.progressed(self._tally)
            if now - self._flushed >= _FLUSH:
                self._flush()
                if self._failure:
                    children.stop()
        self._failure = self._failure or children.failure

    def _take(self, message: object, children: Children) -> None:
        if isinstance(message, Found):
            self._keep(message, children)
        elif isinstance(message, Reduced):
            self._store.minimise(message.key, message.case, message.minimised)
        elif isinstance(message, Tally):
            self._tally.add(message)
            for key, hits in message.hits.items():
                self._store.count(key, hits)

    def _keep(self, found: Found, children: Children) -> None:
        plan = self._plan
        targets = [plan.targets[number] for number in found.verdict.targets]
        finding = Finding(
            key=found.key,
            verdict=found.verdict,
            targets=tuple(target.text for target in targets),
            name=found.case.name,
            is_checkpoint=found.case.is_checkpoint,
            source=found.record.source,
            seed=plan.seed,
            number=found.number,
            rules=plan.rules,
            ends=tuple(_ended(execution.status) for execution in found.executions),
        )
        outputs = [Output(execution.stdout, execution.stderr) for execution in found.executions]
        self._tally.hits[found.key] += 1
        if self._store.add(finding, found.case, found.record, outputs, targets):
            children.tell(found.key)
            self._listener.found(self._store.findings[found.key])


def _ended(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"
