"""Validation of a git repository: one revision, or a range with the commit that introduced each finding."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError
from dyncrit.findings import Finding, Report
from dyncrit.schema.table import ImageTable
from dyncrit.validate.baseline import files_baseline
from dyncrit.validate.compiling import COMPILES
from dyncrit.validate.config import Config
from dyncrit.validate.source import schema_at
from dyncrit.validate.validating import COMMAND, Applied, apply_rules, subject_name, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dyncrit.schema.repository import Blob, Commit, Repository
    from dyncrit.validate.baseline import Baseline

_LINE = re.compile(r"\bline \d+")
_NEAREST = re.compile(r"nearest to \S+")

Key = tuple[str, str, str]
"""What makes two findings of different commits the same: rule, file and message; lines move."""


def validate_revision(
    repository: Repository,
    revision: str,
    *,
    baseline: Baseline | None = None,
    images: Path | None = None,
    config: Config | None = None,
    table: ImageTable | None = None,
) -> Report:
    """Validate the schema in one revision; as :func:`dyncrit.validate.validating.validate`."""
    name = _name(repository, revision)
    blobs = repository.schema_blobs(repository.resolve(revision))
    with schema_at(repository, blobs, name) as source:
        return validate(source, baseline=baseline, images=images, config=config, table=table)


def revision_baseline(repository: Repository, revision: str) -> Baseline:
    """The schema in a revision, to compare with; raises SchemaError if there is none that compiles."""
    blobs = repository.schema_blobs(repository.resolve(revision))
    with schema_at(repository, blobs, revision) as source:
        return files_baseline(source)


def validate_range(
    repository: Repository,
    range_: str,
    *,
    baseline: Baseline | None = None,
    images: Path | None = None,
    config: Config | None = None,
    table: ImageTable | None = None,
) -> Report:
    """Validate the end of a range ``A..B`` against its start, or another baseline.

    Each finding names the commit that introduced it: the last one in which it is there, and in none of its
    parents. One that is there at the start already names none.
    """
    start, end = repository.split_range(range_)
    table = table or ImageTable()
    baseline = baseline or replace(revision_baseline(repository, start), name=range_.partition("..")[0])
    walk = _Walk(repository, baseline, table)
    blobs = repository.schema_blobs(end)
    with schema_at(repository, blobs, _name(repository, range_)) as source:
        applied = apply_rules(source, baseline, images, table)
    wanted = {_key(finding) for finding in applied.findings}
    introduced = walk.introduced(repository.commits(start, end), wanted)
    findings = tuple(_with_commit(finding, introduced) for finding in applied.findings)
    name = subject_name(_name(repository, range_), baseline)
    return Report(COMMAND, name, applied.rules, tuple((config or Config()).kept(findings)))


class _Walk:
    """Finds what holds at each commit; each schema is looked at once, however many commits have it."""

    def __init__(self, repository: Repository, baseline: Baseline, table: ImageTable) -> None:
        self.repository = repository
        self.baseline = baseline
        self.table = table
        self.by_commit: dict[str, frozenset[Key]] = {}
        self.by_blobs: dict[tuple[Blob, ...], frozenset[Key]] = {}

    def introduced(self, commits: list[Commit], wanted: set[Key]) -> dict[Key, Commit]:
        """The last commit that introduced each finding."""
        found: dict[Key, Commit] = {}
        for commit in commits:
            new = self._keys(commit.id) & wanted
            for parent in commit.parents:
                new -= self._keys(parent)
            found.update(dict.fromkeys(new, commit))
        return found

    def _keys(self, commit: str) -> frozenset[Key]:
        if commit not in self.by_commit:
            blobs = self.repository.schema_blobs(commit)
            if blobs not in self.by_blobs:
                self.by_blobs[blobs] = frozenset(_key(finding) for finding in self._findings(blobs, commit))
            self.by_commit[commit] = self.by_blobs[blobs]
        return self.by_commit[commit]

    def _findings(self, blobs: tuple[Blob, ...], commit: str) -> Iterator[Finding]:
        try:
            with schema_at(self.repository, blobs, commit[:12]) as source:
                applied: Applied = apply_rules(source, self.baseline, None, self.table)
        except SchemaError as error:  # a commit without any schema
            yield Finding.of(COMPILES, error.problem)
            return
        yield from applied.findings


def _key(finding: Finding) -> Key:
    """What tells a finding from others: not the folder, since CRIU moved its schema from one to another."""
    message = _NEAREST.sub("", _LINE.sub("", finding.message))
    return finding.rule.id, finding.file.rpartition("/")[2], message


def _with_commit(finding: Finding, introduced: Mapping[Key, Commit]) -> Finding:
    commit = introduced.get(_key(finding))
    if commit is None:
        return finding
    place = f"{finding.place}, " if finding.place else ""
    return replace(finding, place=f"{place}since commit {commit}")


def _name(repository: Repository, revision: str) -> str:
    return f"{repository.folder.name}@{revision}"
