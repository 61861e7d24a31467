"""What is amiss with a checkpoint, collected while its views are made from what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Severity = Literal["warning", "error"]
"""A warning is something odd that loses nothing; an error means that a view is not whole."""


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

    def warn(self, place: str, text: str) -> None:
        """Take note of something odd."""
        self._found[Problem("warning", place, text)] = None

    def error(self, place: str, text: str) -> None:
        """Take note of something missing or damaged."""
        self._found[Problem("error", place, text)] = None

    @property
    def errors(self) -> list[Problem]:
        """Those that keep a view from being whole."""
        return [problem for problem in self if problem.severity == "error"]

    def __iter__(self) -> Iterator[Problem]:
        return iter(list(self._found))

    def __len__(self) -> int:
        return len(self._found)
