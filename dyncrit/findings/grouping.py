"""Findings and rules in the order that formats show them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyncrit.findings.model import Finding, Report, Rule


def rules_of(report: Report) -> list[Rule]:
    """The rules that were applied, then those that only findings name; each id once."""
    rules = {rule.id: rule for rule in report.rules}
    for finding in report.findings:
        rules.setdefault(finding.rule.id, finding.rule)
    return list(rules.values())


def by_file(report: Report) -> list[Finding]:
    """The findings, those of one file together, files in the order in which they first turn up."""
    groups: dict[str, list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault(finding.file, []).append(finding)
    return [finding for group in groups.values() for finding in group]


def by_rule(report: Report) -> dict[str, list[Finding]]:
    """The findings of each rule of :func:`rules_of`, by its id; none where the rule holds."""
    groups: dict[str, list[Finding]] = {rule.id: [] for rule in rules_of(report)}
    for finding in report.findings:
        groups[finding.rule.id].append(finding)
    return groups
