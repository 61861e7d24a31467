"""A report as a SARIF 2.1.0 log (OASIS), which code scanning services and editors read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from dyncrit.findings.grouping import by_file, rules_of
from dyncrit.findings.paths import path_of
from dyncrit.findings.text import encodable
from dyncrit.version import __version__

if TYPE_CHECKING:
    from dyncrit.findings.model import Finding, Report, Rule
    from dyncrit.types import JsonObject

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_log(report: Report, base: str = "") -> JsonObject:
    """The log: one run of dyncrit, with its rules and a result for each finding.

    ``base`` is what files of findings are relative to, as seen from the root of the source tree.
    """
    rules = rules_of(report)
    places = {rule.id: index for index, rule in enumerate(rules)}
    driver = {"name": "dyncrit", "version": __version__, "rules": [_rule(rule) for rule in rules]}
    results = [_result(finding, report, base, places[finding.rule.id]) for finding in by_file(report)]
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": encodable(f"dyncrit {report.command}/")},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def to_sarif(report: Report, base: str = "") -> str:
    """The log as text."""
    return json.dumps(to_log(report, base), indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> JsonObject:
    title, consequence = encodable(rule.title), encodable(rule.consequence)
    return {
        "id": encodable(rule.id),
        "shortDescription": {"text": title},
        "fullDescription": {"text": consequence},
        "help": {"text": f"{title}. Where it doesn't hold: {consequence}"},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, report: Report, base: str, rule_index: int) -> JsonObject:
    # code scanning at GitHub refuses a log in which a result has no file
    physical: JsonObject = {"artifactLocation": {"uri": _uri(path_of(finding, report, base))}}
    if finding.line is not None and finding.line > 0:
        physical["region"] = {"startLine": finding.line}
    location: JsonObject = {"physicalLocation": physical}
    if finding.place:
        location["logicalLocations"] = [{"fullyQualifiedName": encodable(finding.place)}]
    return {
        "ruleId": encodable(finding.rule.id),
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": {"text": encodable(finding.message)},
        "locations": [location],
    }


def _uri(path: str) -> str:
    """A path as a URI reference: relative as it is, absolute with its scheme.

    >>> _uri("images/a b.proto"), _uri("/tmp/x")
    ('images/a%20b.proto', 'file:///tmp/x')
    """
    try:
        name = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        name = path.encode("utf-8", "backslashreplace")
    return ("file://" if path.startswith("/") else "") + quote(name, safe="/")
