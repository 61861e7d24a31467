"""What a run is to do, and what it tells on its way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dyncrit.fuzz.mutate.record import MutationRecord
    from dyncrit.fuzz.run.case import Case
    from dyncrit.fuzz.run.corpus import Corpus
    from dyncrit.fuzz.run.finding import Minimised
    from dyncrit.fuzz.run.outcome import Kind, Outcome
    from dyncrit.fuzz.run.process import Execution
    from dyncrit.fuzz.run.target import Target
    from dyncrit.fuzz.run.verdict import Rules, Verdict
    from dyncrit.schema import Schema


class Effort(NamedTuple):
    """How much is done to minimise one finding: executions of targets, and seconds; none of it with 0."""

    executions: int = 1000
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: ``seconds`` and ``count`` (of inputs) end it, whichever comes first; without them it goes on.

    With one job, the same seed, corpus, targets and count give the same inputs and findings.
    """

    targets: tuple[Target, ...]
    corpus: Corpus
    schema: Schema
    rules: Rules
    seed: int = 0
    jobs: int = 1
    seconds: float | None = None
    count: int | None = None
    effort: Effort = field(default_factory=Effort)
    force: bool = False


@dataclass(slots=True)
class Tally:
    """What was done so far. ``ends`` counts executions by how they ended, ``seconds`` are those that passed.

    ``minimising`` are the executions for that; they are not among ``executions``.
    """

    inputs: int = 0
    executions: int = 0
    minimising: int = 0
    left_behind: int = 0
    ends: Counter[Kind] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Take in what another counted; not its time."""
        self.inputs += other.inputs
        self.executions += other.executions
        self.minimising += other.minimising
        self.left_behind += other.left_behind
        self.ends += other.ends
        self.hits += other.hits

    @property
    def rate(self) -> float:
        """Executions a second, those for minimising included."""
        return (self.executions + self.minimising) / self.seconds if self.seconds else 0.0


class Probed(NamedTuple):
    """What targets make of files of the corpus as they are: for each file, each target's outcome."""

    outcomes: tuple[tuple[Outcome, ...], ...]


class Found(NamedTuple):
    """The first input with a verdict, and what the targets that it is about did."""

    key: str
    verdict: Verdict
    number: int
    case: Case
    record: MutationRecord
    executions: tuple[Execution, ...]


class Reduced(NamedTuple):
    """What a finding's input was minimised to; ``case`` is None where it could not be made smaller."""

    key: str
    case: Case | None
    minimised: Minimised
