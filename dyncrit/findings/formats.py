"""All formats of a report by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from dyncrit.findings.model import Report, Severity

Format = Literal["text", "json", "junit", "sarif", "github"]

FORMATS: tuple[Format, ...] = get_args(Format)


def render(report: Report, format: Format, *, fail_on: Severity | None = "error", base: str = "") -> str:  # noqa: A002
    """A report in a format, with the end of its last line.

    ``fail_on`` is the least severity that JUnit's test cases fail for, None if none do. ``base`` is put
    before the names of files, which are relative to what was looked at, where others look for them in a
    source tree (sarif, github).
    """
    if format == "json":
        from dyncrit.findings.document import to_json

        return to_json(report)
    if format == "junit":
        from dyncrit.findings.junit import to_junit

        return to_junit(report, fail_on)
    if format == "sarif":
        from dyncrit.findings.sarif import to_sarif

        return to_sarif(report, base)
    if format == "github":
        from dyncrit.findings.github import to_github

        return to_github(report, base)
    from dyncrit.findings.text import to_text

    return to_text(report)
