"""What a rule is, what it finds, and a report of all findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold.

    ``id`` is short and stable (``"files-resolve"``); ``title`` says in a line what must hold, ``consequence``
    what comes of it where it doesn't, and for whom.
    """

    id: str
    severity: Severity
    title: str
    consequence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where a rule doesn't hold.

    ``file`` is relative to what was looked at, and ``line`` counts from 1 where the file is text; ``place``
    tells the entry and field path within an image. ``severity`` is the rule's, unless this one is of another.
    """

    rule: Rule
    message: str
    file: str = ""
    line: int | None = None
    place: str = ""
    severity: Severity = field(default="error")

    @classmethod
    def of(
        cls, rule: Rule, message: str, file: str = "", *, line: int | None = None, place: str = ""
    ) -> Finding:
        """A finding of the rule's own severity."""
        return cls(rule, message, file, line, place, rule.severity)

    def __str__(self) -> str:
        where = ":".join(filter(None, (self.file, str(self.line or ""))))
        parts = filter(None, (where, self.place, f"{self.severity}: {self.message} [{self.rule.id}]"))
        return ": ".join(parts)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found in ``subject``, and the rules that were applied, found or not."""

    command: str
    subject: str
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fails_on(self, severity: Severity) -> bool:
        """Whether there is a finding at least as bad as ``severity``."""
        worst = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return any(finding.severity in worst for finding in self.findings)
