"""How formats for other programs name files."""

from __future__ import annotations

from posixpath import join, normpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyncrit.findings.model import Finding, Report


def path_of(finding: Finding, report: Report, base: str) -> str:
    """The path of a finding's file below ``base``; the subject's where the finding is about all of it."""
    if not finding.file:
        return base or report.subject
    return normpath(join(base, finding.file))
