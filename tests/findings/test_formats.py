from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dyncrit.findings.formats import FORMATS, Format, render

if TYPE_CHECKING:
    from dyncrit.findings import Report


@pytest.mark.parametrize(
    ("format_", "begins"),
    [
        ("text", "fdinfo-2.img: "),
        ("json", '{\n  "command": "check"'),
        ("junit", "<?xml "),
        ("sarif", '{\n  "$schema"'),
        ("github", "::error file="),
    ],
)
def test_each_format_has_its_form_and_ends_its_last_line(
    findings: Report, format_: Format, begins: str
) -> None:
    text = render(findings, format_)
    assert text.startswith(begins)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_formats_are_those_that_commands_offer() -> None:
    assert FORMATS == ("text", "json", "junit", "sarif", "github")


def test_the_base_is_for_formats_that_others_look_files_up_by(findings: Report) -> None:
    assert "images/core.proto" in render(findings, "sarif", base="images")
    assert "images/core.proto" in render(findings, "github", base="images")
    assert json.loads(render(findings, "json", base="images"))["findings"][3]["file"] == "core.proto"


def test_what_fails_is_the_callers_choice(findings: Report) -> None:
    assert 'failures="1"' in render(findings, "junit")
    assert 'failures="3"' in render(findings, "junit", fail_on="note")
    assert 'failures="0"' in render(findings, "junit", fail_on=None)
