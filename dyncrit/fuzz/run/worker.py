"""What a process of a run does: makes inputs, runs the targets, and tells what it found."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dyncrit.fuzz.minimise import Budget, minimise, minimise_checkpoint
from dyncrit.fuzz.run.case import Case
from dyncrit.fuzz.run.finding import Minimised
from dyncrit.fuzz.run.inputs import Input, Inputs
from dyncrit.fuzz.run.plan import Found, Probed, Reduced, Tally
from dyncrit.fuzz.run.process import Runner, StoppedError, has_hung_up
from dyncrit.fuzz.run.sandbox import Sandbox, environment_for
from dyncrit.fuzz.run.verdict import Judge, Judgement, Rules, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dyncrit.fuzz.run.children import Link
    from dyncrit.fuzz.run.outcome import Outcome
    from dyncrit.fuzz.run.plan import Plan
    from dyncrit.fuzz.run.target import Target

_AGAIN = 3
"""How often an input is tried until it shows its fault again; time and memory are by chance, a bit."""
_REPORT = 0.2
"""How often a process tells what it did, in seconds."""
_PROBES, _PROBE_TIME = 200, 10.0
"""How many files of the corpus targets are tried with as they are, and for how many seconds."""


@contextmanager
def judging(targets: Sequence[Target], rules: Rules, folder: Path, life: int) -> Iterator[Judge]:
    """A judge with a sandbox in ``folder``, which is removed when the block ends.

    So is the folder around it, when the run is stopped and it is empty: nobody else may be left to do it.
    """
    sandbox = Sandbox(folder)
    environment = environment_for(str(sandbox.work), os.environ, rules.environment or {})
    runner = Runner(rules.limits, environment, life)
    try:
        yield Judge(targets, rules, runner, sandbox)
    finally:
        runner.close()
        sandbox.remove()
        if has_hung_up(life):
            with suppress(OSError):
                folder.parent.rmdir()


def probe(link: Link, plan: Plan, folder: Path) -> None:
    """Run the targets on files of the corpus as they are, until each has accepted one, or for some time."""
    with judging(plan.targets, plan.rules, folder, link.life) as judge:
        outcomes: list[tuple[Outcome, ...]] = []
        end = time.monotonic() + _PROBE_TIME
        for seed in plan.corpus.seeds[:_PROBES]:
            outcomes.append(judge.judge(seed.case).outcomes)
            columns = zip(*outcomes, strict=True)
            if all(any(outcome.kind == "ok" for outcome in column) for column in columns):
                break
            if time.monotonic() >= end:
                break
        link.send(Probed(tuple(outcomes)))


def fuzz(link: Link, plan: Plan, place: int, end: float | None, known: frozenset[str], folder: Path) -> None:
    """Run the targets on every ``plan.jobs``-th input from ``place`` on, until the clock says ``end``."""
    with judging(plan.targets, plan.rules, folder, link.life) as judge:
        worker = _Worker(link, plan, judge, known)
        numbers = itertools.count(place, plan.jobs)
        try:
            for number in numbers if plan.count is None else range(place, plan.count, plan.jobs):
                if (end is not None and time.monotonic() >= end) or link.is_stopped():
                    break
                worker.do(number)
        finally:
            worker.report()


class _Worker:
    def __init__(self, link: Link, plan: Plan, judge: Judge, known: frozenset[str]) -> None:
        self._link = link
        self._plan = plan
        self._judge = judge
        self._known = set(known)
        self._inputs = Inputs(plan.corpus, plan.schema, plan.seed)
        self._tally = Tally()
        self._reported = time.monotonic()

    def do(self, number: int) -> None:
        """Make an input, run the targets on it, tell what is new, and make that smaller."""
        made = self._inputs.make(number)
        judgement = self._judge.judge(made.case)
        self._tally.inputs += 1
        self._tally.executions += len(judgement.executions)
        self._tally.left_behind += sum(execution.left_behind for execution in judgement.executions)
        self._tally.ends.update(outcome.kind for outcome in judgement.outcomes)
        for verdict in judgement.verdicts:
            key = verdict.key(self._plan.targets)
            if key not in self._known:
                self._listen()
            if key in self._known:
                self._tally.hits[key] += 1
            else:
                self._known.add(key)
                self._tell(key, verdict, made, judgement)
        if time.monotonic() - self._reported >= _REPORT:
            self.report()

    def report(self) -> None:
        """Tell what was done since the last time."""
        self._listen()
        self._link.send(self._tally)
        self._tally = Tally()
        self._reported = time.monotonic()

    def _listen(self) -> None:
        """Take note of what other processes found."""
        try:
            self._known.update(self._link.received())
        except StoppedError:
            return

    def _tell(self, key: str, verdict: Verdict, made: Input, judgement: Judgement) -> None:
        executions = tuple(judgement.executions[number] for number in verdict.targets)
        self._link.send(Found(key, verdict, made.number, made.case, made.record, executions))
        effort = self._plan.effort
        if effort.executions <= 0 or effort.seconds <= 0:
            return
        before = self._judge.executions
        budget = Budget(effort.executions, effort.seconds)
        case, reproduced = _minimised(self._judge, verdict, made.case, self._plan, budget)
        used = self._judge.executions - before
        self._tally.minimising += used
        smaller = case if case.size < made.case.size or case.digest != made.case.digest else None
        self._link.send(
            Reduced(key, smaller, Minimised(case.size, made.case.size, used, reproduced=reproduced))
        )


def _minimised(judge: Judge, verdict: Verdict, case: Case, plan: Plan, budget: Budget) -> tuple[Case, bool]:
    """The least input that was found with the same verdict, and whether this one had it a second time."""

    def is_same(candidate: Case) -> bool:
        return judge.shows(verdict, candidate)

    if not any(budget.take() and is_same(case) for _ in range(_AGAIN)):
        return case, False
    if not case.is_checkpoint:
        data = minimise(
            case.files[case.name],
            case.name,
            plan.schema,
            lambda data: is_same(Case.of_image(case.name, data)),
            budget=budget,
        )
        return Case.of_image(case.name, data), True

    def is_same_checkpoint(files: Mapping[str, bytes]) -> bool:
        return is_same(Case(case.name, files, is_checkpoint=True))

    files = minimise_checkpoint(case.files, plan.schema, is_same_checkpoint, budget=budget)
    return Case(case.name, files, is_checkpoint=True), True
