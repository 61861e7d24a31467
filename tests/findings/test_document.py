from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dyncrit.findings.document import to_document, to_json

if TYPE_CHECKING:
    from dyncrit.findings import Report


def test_the_keys_are_always_the_same(findings: Report, clean: Report) -> None:
    for report in (findings, clean):
        document = to_document(report)
        assert list(document) == ["command", "subject", "counts", "rules", "findings"]
        assert list(document["counts"]) == ["error", "warning", "note"]
        for rule in document["rules"]:
            assert list(rule) == ["id", "severity", "title", "consequence", "findings"]
        for finding in document["findings"]:
            assert list(finding) == ["rule", "severity", "message", "file", "line", "place"]


def test_counts_are_of_findings_by_severity_and_by_rule(findings: Report) -> None:
    document = to_document(findings)
    assert document["counts"] == {"error": 3, "warning": 1, "note": 1}
    assert [rule["findings"] for rule in document["rules"]] == [3, 1, 1, 0]


def test_what_a_finding_does_not_tell_is_null(findings: Report) -> None:
    found = to_document(findings)["findings"]
    assert found[3] == {
        "rule": "newer-row",
        "severity": "note",
        "message": "no message x",
        "file": "core.proto",
        "line": 12,
        "place": None,
    }
    assert (found[4]["file"], found[4]["line"]) == (None, None)


def test_the_text_gives_the_document_back_whatever_stands_in_it(findings: Report, hostile: Report) -> None:
    for report in (findings, hostile):
        assert json.loads(to_json(report)) == to_document(report)
        assert to_json(report).isascii()
