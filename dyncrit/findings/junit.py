"""A report as JUnit XML, in the form that pytest's junit-10.xsd describes and CI systems read.

A rule is a test case. JUnit knows tests that pass and tests that fail, and no severities: a rule fails if one
of its findings is bad enough; else its findings are what the test has printed. There is one failure to a
rule, with all of its findings, since what reads such files looks at the first only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dyncrit.findings.grouping import by_rule, rules_of
from dyncrit.findings.model import SEVERITIES, Severity
from dyncrit.findings.text import encodable

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dyncrit.findings.model import Finding, Report, Rule


def to_junit(report: Report, fail_on: Severity | None = "error") -> str:
    """The XML. Rules with findings at least as bad as ``fail_on`` are failures; none are for None."""
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on else ()
    found = by_rule(report)
    suite = Element("testsuite", name=encodable(report.subject))
    failures = sum(_add_case(suite, report, rule, found[rule.id], failing) for rule in rules_of(report))
    counts = {"tests": str(len(suite)), "failures": str(failures), "errors": "0"}
    suite.attrib |= {**counts, "skipped": "0"}
    suites = Element("testsuites", {"name": encodable(f"dyncrit {report.command}"), **counts})
    suites.append(suite)
    indent(suites)
    text: str = tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_case(
    suite: Element, report: Report, rule: Rule, findings: Sequence[Finding], failing: Container[Severity]
) -> bool:
    """Add a rule's test case; gives whether it fails."""
    case = SubElement(
        suite, "testcase", classname=encodable(f"dyncrit.{report.command}"), name=encodable(rule.id)
    )
    bad = [finding for finding in findings if finding.severity in failing]
    if bad:
        message = encodable(f"{rule.title}: {_counted(bad)}; {rule.consequence}")
        failure = SubElement(case, "failure", type=bad[0].severity, message=message)
        failure.text = _lines(bad)
    if rest := [finding for finding in findings if finding.severity not in failing]:
        SubElement(case, "system-out").text = _lines(rest)
    return bool(bad)


def _counted(findings: Sequence[Finding]) -> str:
    return f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"


def _lines(findings: Sequence[Finding]) -> str:
    return "\n".join(encodable(str(finding)) for finding in findings)
