"""What is amiss with a checkpoint, collected while its views are made from what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Severity = Literal["warning", "error"]
"""A warning is something odd that loses nothing; an error means that a view is not whole."""


_MOST = 10_000
"""How many problems are kept: a stranger's images can have millions."""


class Problem(NamedTuple):
    """One thing that is amiss: ``place`` is a file, or a process, of the checkpoint."""

    severity: Severity
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class Problems:
    """The problems found so far, each once, in the order in which they were met."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._left_out: dict[str, Problem] = {}

    def warn(self, place: str, text: str) -> None:
        """Take note of something odd."""
        self._add(Problem("warning", place, text))

    def error(self, place: str, text: str) -> None:
        """Take note of something missing or damaged."""
        self._add(Problem("error", place, text))

    @property
    def errors(self) -> list[Problem]:
        """Those that keep a view from being whole."""
        return [problem for problem in self if problem.severity == "error"]

    def __iter__(self) -> Iterator[Problem]:
        return iter([*self._found, *self._left_out.values()])

    def __len__(self) -> int:
        return len(self._found) + len(self._left_out)

    def _add(self, problem: Problem) -> None:
        if problem in self._found:
            return
        if len(self._found) < _MOST:
            self._found[problem] = None
            return
        text = f"there is more amiss than the {_MOST} things that are listed"
        self._left_out[problem.severity] = Problem(problem.severity, "", text)
