"""A report as workflow commands of GitHub Actions, which shows them as annotations of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.findings.grouping import by_file
from dyncrit.findings.paths import path_of
from dyncrit.findings.text import encodable, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.findings.model import Finding, Report, Severity

_COMMANDS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}
_DATA = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_DATA, (":", "%3A"), (",", "%2C"))


def to_github(report: Report, base: str = "") -> str:
    """A command a finding, and the summary as an ordinary line.

    ``base`` is what files of findings are relative to, as seen from the root of the repository.
    """
    commands = [_command(finding, report, base) for finding in by_file(report)]
    # a subject that looks like a command is none in the middle of a line
    return "".join(
        f"{line}\n" for line in (*commands, encodable(f"dyncrit: {report.subject}: {summary(report)}"))
    )


def _command(finding: Finding, report: Report, base: str) -> str:
    properties = {"file": path_of(finding, report, base) if finding.file else "", "title": finding.rule.id}
    if finding.line is not None and finding.line > 0:
        properties["line"] = str(finding.line)
    shown = ",".join(
        f"{name}={_escaped(properties[name], _PROPERTY)}"
        for name in ("file", "line", "title")
        if properties.get(name)
    )
    message = ": ".join(filter(None, (finding.place, finding.message))) + f"\n{finding.rule.consequence}"
    return f"::{_COMMANDS[finding.severity]} {shown}::{_escaped(message, _DATA)}"


def _escaped(text: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for char, escape in replacements:
        text = text.replace(char, escape)
    return encodable(text)
