from __future__ import annotations

from dyncrit.findings import Finding, Report, Rule
from dyncrit.findings.grouping import by_file, by_rule, rules_of


def test_findings_of_a_file_come_together_in_the_order_of_files(findings: Report) -> None:
    assert [item.file for item in by_file(findings)] == [
        "fdinfo-2.img",
        "fdinfo-2.img",
        "pagemap-1.img",
        "core.proto",
        "",
    ]
    assert [item.message for item in by_file(findings)][:2] == ["no file 7", "no file 8"]


def test_rules_that_hold_have_no_findings(findings: Report) -> None:
    assert {name: len(found) for name, found in by_rule(findings).items()} == {
        "files-resolve": 3,
        "pagemap-sorted": 1,
        "newer-row": 1,
        "one-architecture": 0,
    }


def test_a_rule_that_only_a_finding_names_is_there_once() -> None:
    rule = Rule("late", "error", "t", "c")
    report = Report("check", "x", (), (Finding.of(rule, "a"), Finding.of(rule, "b")))
    assert rules_of(report) == [rule]
    assert [item.message for item in by_rule(report)["late"]] == ["a", "b"]
