"""Findings of rules: what ``validate`` and ``check`` report, and the formats that they report in."""

from dyncrit.findings.model import Finding, Report, Rule, Severity

__all__ = ["Finding", "Report", "Rule", "Severity"]
