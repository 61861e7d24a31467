"""A report as text: a line a finding, those of one file together, and a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.findings.grouping import by_file
from dyncrit.findings.model import SEVERITIES, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.findings.model import Finding, Report


class Line(NamedTuple):
    """A line in parts, so that the severity can be set off; the summary has none."""

    where: str
    severity: Severity | None
    text: str

    def __str__(self) -> str:
        return self.where + (f"{self.severity}: " if self.severity else "") + self.text


def to_lines(report: Report) -> Iterator[Line]:
    """A line a finding, safe to print; one a rule that says what comes of it; and the summary."""
    yield from map(_line, by_file(report))
    for rule in dict.fromkeys(finding.rule for finding in by_file(report)):
        yield Line("", None, printable(f"[{rule.id}] {rule.consequence}"))
    yield Line("", None, printable(f"{report.subject}: {summary(report)}"))


def to_text(report: Report) -> str:
    """The lines, each with its end."""
    return "".join(f"{line}\n" for line in to_lines(report))


def summary(report: Report) -> str:
    """How many findings there are of each severity.

    >>> from dyncrit.findings import Report
    >>> summary(Report("check", "images", (), ()))
    'no findings (0 rules applied)'
    """
    counts = [_counted(report.count(severity), severity) for severity in SEVERITIES]
    found = ", ".join(filter(None, counts)) or "no findings"
    return f"{found} ({_counted(len(report.rules), 'rule') or '0 rules'} applied)"


def printable(text: str) -> str:
    r"""Text on one line without control characters, which are shown as escapes.

    Bytes of names that aren't UTF-8 (surrogate escapes) are left to who encodes the text.

    >>> printable("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or "\ud800" <= char < "\ue000" else ascii(char)[1:-1] for char in text
    )


def encodable(text: str) -> str:
    """As :func:`printable`, with surrogates as escapes, too: for formats that are UTF-8 throughout."""
    return printable(text).encode("utf-8", "backslashreplace").decode()


def _line(finding: Finding) -> Line:
    where = ":".join(filter(None, (finding.file, str(finding.line or ""))))
    before = "".join(f"{part}: " for part in (where, finding.place) if part)
    return Line(printable(before), finding.severity, printable(f"{finding.message} [{finding.rule.id}]"))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""
