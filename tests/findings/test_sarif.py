from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.findings.sarif import to_log, to_sarif

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.findings import Report


def results(report: Report, base: str = "") -> list[Any]:
    (run,) = to_log(report, base)["runs"]
    found: list[Any] = run["results"]
    return found


def uris(report: Report, base: str = "") -> list[str]:
    return [
        item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for item in results(report, base)
    ]


@pytest.mark.parametrize("name", ["findings", "clean", "hostile"])
@pytest.mark.parametrize("base", ["", "criu/images", "/srv/a b"])
def test_it_is_what_the_published_schema_describes(
    name: str, base: str, sarif_schema: Any, request: pytest.FixtureRequest
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.validators.validator_for(sarif_schema)
    log = json.loads(to_sarif(request.getfixturevalue(name), base))
    errors = validator(sarif_schema, format_checker=validator.FORMAT_CHECKER).iter_errors(log)
    assert [error.message for error in errors] == []


def test_the_published_schema_would_refuse_something_else(sarif_schema: Any, findings: Report) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    log = to_log(findings)
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not jsonschema.validators.validator_for(sarif_schema)(sarif_schema).is_valid(log)


def test_rules_are_the_drivers_and_results_point_at_them(findings: Report) -> None:
    driver = to_log(findings)["runs"][0]["tool"]["driver"]
    assert driver["name"] == "dyncrit"
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == [
        "error",
        "warning",
        "note",
        "error",
    ]
    for item in results(findings):
        assert driver["rules"][item["ruleIndex"]]["id"] == item["ruleId"]


def test_a_result_tells_line_and_place(findings: Report) -> None:
    found = {item["message"]["text"]: item["locations"][0] for item in results(findings)}
    assert found["no message x"]["physicalLocation"]["region"] == {"startLine": 12}
    assert found["no file 7"]["logicalLocations"] == [{"fullyQualifiedName": "entry 3: id"}]
    assert "region" not in found["no file 7"]["physicalLocation"]


def test_every_result_has_a_file(findings: Report) -> None:
    assert uris(findings)[-2:] == ["core.proto", "dump/"]


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("", "core.proto"),
        ("criu/images", "criu/images/core.proto"),
        ("./images/", "images/core.proto"),
        ("/srv/a b", "file:///srv/a%20b/core.proto"),
    ],
)
def test_files_are_named_as_seen_from_the_base(findings: Report, base: str, shown: str) -> None:
    assert uris(findings, base)[3] == shown


def test_a_name_that_is_not_utf_8_is_its_bytes_in_the_uri(hostile: Report) -> None:
    assert "%FF" in uris(hostile)[0]
    assert uris(hostile)[0].isascii()


def test_hostile_text_is_tame(hostile: Report, assert_tame: Callable[[str], None]) -> None:
    assert_tame(to_sarif(hostile))
    assert_tame(json.loads(to_sarif(hostile))["runs"][0]["results"][0]["message"]["text"])
