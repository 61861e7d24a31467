from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from dyncrit.findings.junit import to_junit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Report


def cases(text: str) -> dict[str | None, ET.Element]:
    return {case.get("name"): case for case in ET.fromstring(text).iter("testcase")}


@pytest.mark.parametrize("name", ["findings", "clean", "hostile"])
@pytest.mark.parametrize("fail_on", ["error", "note", None])
def test_it_is_what_the_published_schema_describes(
    name: str, fail_on: None, junit_schema: Path, request: pytest.FixtureRequest
) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    xmlschema.XMLSchema(junit_schema).validate(to_junit(request.getfixturevalue(name), fail_on))


def test_the_published_schema_would_refuse_something_else(junit_schema: Path) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    assert not xmlschema.XMLSchema(junit_schema).is_valid("<testsuite><testcase/></testsuite>")


def test_a_rule_is_a_test_case_that_fails_for_its_findings(findings: Report) -> None:
    text = to_junit(findings)
    failing = {name for name, case in cases(text).items() if case.find("failure") is not None}
    assert list(cases(text)) == ["files-resolve", "pagemap-sorted", "newer-row", "one-architecture"]
    assert failing == {"files-resolve"}
    failure = cases(text)["files-resolve"].find("failure")
    assert failure is not None
    assert failure.get("message") == "Every file id is in files.img: 3 findings; the restore fails"
    assert (failure.text or "").splitlines() == [
        str(item) for item in findings.findings if item.rule.id == "files-resolve"
    ]


def test_findings_that_are_not_bad_enough_are_the_output_of_a_test_that_passes(findings: Report) -> None:
    case = cases(to_junit(findings))["pagemap-sorted"]
    assert case.find("failure") is None
    assert "0x2000 behind 0x3000" in (case.findtext("system-out") or "")


@pytest.mark.parametrize(("fail_on", "count"), [("error", 1), ("warning", 2), ("note", 3), (None, 0)])
def test_counts_are_of_test_cases(findings: Report, fail_on: None, count: int) -> None:
    root = ET.fromstring(to_junit(findings, fail_on))
    for element in (root, root[0]):
        assert (element.get("tests"), element.get("failures"), element.get("errors")) == (
            "4",
            str(count),
            "0",
        )


def test_hostile_text_is_xml_and_tame(hostile: Report, assert_tame: Callable[[str], None]) -> None:
    text = to_junit(hostile)
    assert_tame(text)
    (case,) = cases(text).values()
    assert "\\x1b[31m\\r\\n::error::b%,:<&\"'" in (case.findtext("failure") or "")
