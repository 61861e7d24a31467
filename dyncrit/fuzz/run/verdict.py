"""Runs all targets on an input, and tells what is to be kept of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.fuzz.run.compare import Comparison, difference
from dyncrit.fuzz.run.outcome import Kind, Outcome, outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dyncrit.fuzz.run.case import Case
    from dyncrit.fuzz.run.limits import Limits
    from dyncrit.fuzz.run.process import Execution, Runner
    from dyncrit.fuzz.run.sandbox import Sandbox
    from dyncrit.fuzz.run.target import Target


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits that targets have, and what of them is in order.

    ``expected`` are the exit codes that are in order, all if there are none; ``environment`` is put over what
    targets get of ours; ``ignored`` are paths that differences mean nothing at (see :func:`difference`).
    """

    limits: Limits
    expected: frozenset[int] = frozenset()
    comparison: Comparison = "json"
    environment: Mapping[str, str] | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something to be kept: ``targets`` are the numbers of those that it is about, from 0 on."""

    kind: Kind
    cause: str
    targets: tuple[int, ...]
    text: str = ""

    def key(self, targets: Sequence[Target]) -> str:
        """What tells it from others, as hex: the class, the cause and the commands."""
        parts = (self.kind, self.cause, *(targets[number].text for number in self.targets))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:12]

    def is_same(self, other: Verdict) -> bool:
        """Whether the other is about the same fault of the same targets."""
        return (self.kind, self.cause, self.targets) == (other.kind, other.cause, other.targets)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What each target did, in their order, and what of it is to be kept."""

    executions: tuple[Execution, ...]
    outcomes: tuple[Outcome, ...]
    verdicts: tuple[Verdict, ...]


class Judge:
    """Runs targets on inputs, one after the other."""

    def __init__(self, targets: Sequence[Target], rules: Rules, runner: Runner, sandbox: Sandbox) -> None:
        self.targets = targets
        self.rules = rules
        self.executions = 0
        self._runner = runner
        self._sandbox = sandbox

    def judge(self, case: Case) -> Judgement:
        """Run all targets on an input; raises OSError, and StoppedError where the run was stopped."""
        return self._judge(case, range(len(self.targets)))

    def shows(self, verdict: Verdict, case: Case) -> bool:
        """Whether an input has a verdict, too; runs only the targets that it is about. Raises as above."""
        return any(verdict.is_same(other) for other in self._judge(case, verdict.targets).verdicts)

    def _judge(self, case: Case, numbers: Sequence[int]) -> Judgement:
        executions = {number: self._run(self.targets[number], case) for number in numbers}
        outcomes = {
            number: outcome_of(execution, self.rules.expected) for number, execution in executions.items()
        }
        verdicts = (*_faults(outcomes), *_differences(executions, outcomes, self.rules))
        return Judgement(tuple(executions.values()), tuple(outcomes.values()), verdicts)

    def _run(self, target: Target, case: Case) -> Execution:
        self.executions += 1
        path = self._sandbox.enter(case)
        try:
            return self._runner.run(target.command(path))
        finally:
            self._sandbox.leave()


def _faults(outcomes: Mapping[int, Outcome]) -> Iterator[Verdict]:
    for number, outcome in outcomes.items():
        if not outcome.is_orderly:
            yield Verdict(outcome.kind, outcome.cause, (number,), outcome.text)


def _differences(
    executions: Mapping[int, Execution], outcomes: Mapping[int, Outcome], rules: Rules
) -> Iterator[Verdict]:
    """What each target makes of an input against the first that accepts it."""
    accepting = [number for number, outcome in outcomes.items() if outcome.kind == "ok"]
    if not accepting:
        return
    first = accepting[0]
    for number, outcome in outcomes.items():
        if outcome.kind == "refused":
            yield Verdict("accepts-refuses", outcome.cause, (first, number), outcome.text)
        elif outcome.kind == "ok" and number != first:
            found = difference(executions[first], executions[number], rules.comparison, rules.ignored)
            if found is not None:
                yield Verdict("difference", found.cause, (first, number), found.detail)
