"""A finding as it is kept: what it is, of which input, and how it was come by."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from dyncrit.errors import DocumentError
from dyncrit.fuzz.run.compare import COMPARISONS
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.outcome import KINDS
from dyncrit.fuzz.run.verdict import Rules, Verdict
from dyncrit.version import __version__

if TYPE_CHECKING:
    from dyncrit.types import JsonObject


@dataclass(frozen=True, slots=True)
class Minimised:
    """What became of the input: its bytes before and after, and how often targets were run for it.

    One that is not ``reproduced`` did not show the fault a second time, so it was left as it is.
    """

    size: int
    from_size: int
    executions: int
    reproduced: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """``key`` tells it from others; ``targets`` are the commands that the verdict is about, in its order.

    ``seed`` is that of the run, ``number`` the input's place in it; ``hits`` counts the inputs that had the
    same verdict. Times are UTC, as ISO 8601 has them.
    """

    key: str
    verdict: Verdict
    targets: tuple[str, ...]
    name: str
    is_checkpoint: bool
    source: str
    seed: int
    number: int
    rules: Rules
    ends: tuple[str, ...] = ()
    hits: int = 1
    first_seen: str = ""
    last_seen: str = ""
    minimised: Minimised | None = None
    version: str = __version__

    @property
    def folder_name(self) -> str:
        """What its folder is called."""
        return f"{self.verdict.kind}-{self.key}"

    def seen_again(self, hits: int, when: str) -> Finding:
        """The finding, seen so many times more."""
        return replace(self, hits=self.hits + hits, last_seen=when)

    def to_dict(self) -> JsonObject:
        """The finding as JSON."""
        return {
            "finding": self.key,
            "class": self.verdict.kind,
            "cause": self.verdict.cause,
            "text": self.verdict.text,
            "targets": list(self.targets),
            "ends": list(self.ends),
            "input": {"name": self.name, "checkpoint": self.is_checkpoint, "source": self.source},
            "seed": self.seed,
            "number": self.number,
            "hits": self.hits,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "minimised": asdict(self.minimised) if self.minimised else None,
            "limits": self.rules.limits.to_dict(),
            "expected_exits": sorted(self.rules.expected),
            "compare": self.rules.comparison,
            "ignored": list(self.rules.ignored),
            "environment": dict(self.rules.environment or {}),
            "dyncrit": self.version,
        }

    def to_json(self) -> bytes:
        """The content of ``finding.json``."""
        return json.dumps(self.to_dict(), indent=2).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes, place: str) -> Finding:
        """The finding in a ``finding.json``; raises DocumentError for what is none."""
        try:
            return _finding(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DocumentError(f"no finding of `dyncrit fuzz run`: {error!r:.200}", place) from error


def _finding(shown: Any) -> Finding:
    commands = tuple(str(command) for command in shown["targets"])
    verdict = Verdict(
        _one_of(KINDS, shown["class"]), str(shown["cause"]), tuple(range(len(commands))), str(shown["text"])
    )
    rules = Rules(
        Limits.from_dict(shown["limits"]),
        frozenset(int(code) for code in shown["expected_exits"]),
        _one_of(COMPARISONS, shown["compare"]),
        {str(name): str(value) for name, value in shown["environment"].items()},
        tuple(str(path) for path in shown["ignored"]),
    )
    least = shown["minimised"]
    return Finding(
        key=str(shown["finding"]),
        verdict=verdict,
        targets=commands,
        name=_file_name(shown["input"]["name"]),
        is_checkpoint=bool(shown["input"]["checkpoint"]),
        source=str(shown["input"]["source"]),
        seed=int(shown["seed"]),
        number=int(shown["number"]),
        rules=rules,
        ends=tuple(str(end) for end in shown["ends"]),
        hits=int(shown["hits"]),
        first_seen=str(shown["first_seen"]),
        last_seen=str(shown["last_seen"]),
        minimised=Minimised(**least) if least else None,
        version=str(shown["dyncrit"]),
    )


def _one_of(known: tuple[Any, ...], value: Any) -> Any:
    if value not in known:
        raise ValueError(value)
    return value


def _file_name(value: str) -> str:
    """A name that leads nowhere else."""
    if not value or "/" in value or value in {".", ".."} or "\0" in value:
        raise ValueError(value)
    return value
