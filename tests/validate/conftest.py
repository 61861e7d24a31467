"""Small schemas, written where a test wants them, and what validation finds in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.validate.baseline import files_baseline
from dyncrit.validate.source import schema_files
from dyncrit.validate.validating import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dyncrit.findings import Finding, Report

SYNTAX = 'syntax = "proto2";\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files, given by relative path, below a new folder and gives the folder."""

    def files(contents: Mapping[str, str], name: str = "tree") -> Path:
        root = tmp_path / name
        for path, text in contents.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text if not path.endswith(".proto") or "syntax" in text else SYNTAX + text)
        return root

    return files


@pytest.fixture
def report(write: Callable[..., Path]) -> Callable[..., Report]:
    """The report on a schema, given by its files, against a baseline given the same way, or the nearest."""

    def make(files: Mapping[str, str], before: Mapping[str, str] | None = None, **options: Any) -> Report:
        root = write(files)
        baseline = files_baseline(schema_files(write(before, "before"))) if before else None
        return validate(schema_files(root, root=root), baseline=baseline, **options)

    return make


@pytest.fixture
def found(report: Callable[..., Report]) -> Callable[..., list[Finding]]:
    """The findings of one rule in a schema; as ``report``."""

    def make(rule: str, *arguments: Any, **options: Any) -> list[Finding]:
        made = report(*arguments, **options)
        assert rule in {known.id for known in made.rules}
        return [finding for finding in made.findings if finding.rule.id == rule]

    return make


@pytest.fixture
def changed(report: Callable[..., Report]) -> Callable[[str, str], list[Finding]]:
    """The findings about what changed between two texts of ``images/a.proto``."""

    def make(before: str, after: str) -> list[Finding]:
        made = report({"images/a.proto": after}, {"images/a.proto": before})
        return [item for item in made.findings if item.rule.id.startswith(("wire-", "json-", "added-"))]

    return make
