"""A report as a JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dyncrit.findings.grouping import by_rule, rules_of
from dyncrit.findings.model import SEVERITIES

if TYPE_CHECKING:
    from dyncrit.findings.model import Finding, Report
    from dyncrit.types import JsonObject


def to_document(report: Report) -> JsonObject:
    """The report, always with the same keys; what a finding doesn't tell of its place is null.

    ``rules`` has those that hold, too, each with the number of its findings.
    """
    found = by_rule(report)
    return {
        "command": report.command,
        "subject": report.subject,
        "counts": {severity: report.count(severity) for severity in SEVERITIES},
        "rules": [
            {
                "id": rule.id,
                "severity": rule.severity,
                "title": rule.title,
                "consequence": rule.consequence,
                "findings": len(found[rule.id]),
            }
            for rule in rules_of(report)
        ],
        "findings": [_finding(finding) for finding in report.findings],
    }


def to_json(report: Report) -> str:
    r"""The document as text; what isn't UTF-8 in names is ``\udcXX`` in it."""
    return json.dumps(to_document(report), indent=2) + "\n"


def _finding(finding: Finding) -> JsonObject:
    return {
        "rule": finding.rule.id,
        "severity": finding.severity,
        "message": finding.message,
        "file": finding.file or None,
        "line": finding.line,
        "place": finding.place or None,
    }
