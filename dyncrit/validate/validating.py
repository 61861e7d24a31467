"""Ties validation together: compile a schema, then ask every rule about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import SchemaError
from dyncrit.findings import Finding, Report
from dyncrit.schema.table import ImageTable
from dyncrit.validate import breaking_rules, compiling, corpus, table_rules
from dyncrit.validate.baseline import nearest_baseline, nearest_release
from dyncrit.validate.breaking import breaking_findings
from dyncrit.validate.config import Config
from dyncrit.validate.shape import schema_shape
from dyncrit.validate.subject import Subject

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.findings import Rule
    from dyncrit.validate.baseline import Baseline
    from dyncrit.validate.source import SchemaFiles

COMMAND = "validate"


def all_rules() -> tuple[Rule, ...]:
    """Every rule that a schema can be validated by."""
    return (*compiling.RULES, *table_rules.RULES, *breaking_rules.RULES, *corpus.RULES)


class Applied(NamedTuple):
    """What was found, the rules that were asked, and the baseline; None where the schema doesn't compile."""

    findings: tuple[Finding, ...]
    rules: tuple[Rule, ...]
    baseline: Baseline | None


def validate(
    source: SchemaFiles,
    *,
    baseline: Baseline | None = None,
    images: Path | None = None,
    config: Config | None = None,
    table: ImageTable | None = None,
) -> Report:
    """Validate a schema against the image table, a baseline and, if given, a folder of images.

    ``baseline`` is by default the catalogue's release nearest to the schema. Of a schema that doesn't compile
    only that is reported. Raises DyncritError where something can't be read at all.
    """
    applied = apply_rules(source, baseline, images, table or ImageTable())
    return Report(
        COMMAND,
        subject_name(source.name, applied.baseline),
        applied.rules,
        tuple((config or Config()).kept(applied.findings)),
    )


def apply_rules(
    source: SchemaFiles, baseline: Baseline | None, images: Path | None, table: ImageTable
) -> Applied:
    """Ask every rule about a schema; as :func:`validate`, without the report."""
    compiled = compiling.compile_files(source)
    findings = list(compiled.findings)
    if not compiled.files:
        return Applied(tuple(findings), compiling.RULES, baseline)
    subject = Subject(source, schema_shape(compiled.files))
    try:
        schema = compiling.load_schema(compiled, source, table)
    except SchemaError as error:
        findings.append(Finding.of(compiling.COMPILES, error.problem))
        return Applied(tuple(findings), compiling.RULES, baseline)
    baseline = baseline or nearest_baseline(subject.shape)
    release = baseline.release or nearest_release(subject.shape)
    findings += table_rules.table_findings(subject, table, release)
    findings += breaking_findings(subject, baseline, table)
    rules: tuple[Rule, ...] = (*compiling.RULES, *table_rules.RULES, *breaking_rules.RULES)
    if images is not None:
        findings += corpus.corpus_findings(subject, schema, images, baseline)
        rules += corpus.RULES
    return Applied(tuple(findings), rules, baseline)


def subject_name(name: str, baseline: Baseline | None) -> str:
    """What a report says that it is about: ``"criu/images (baseline: CRIU 4.1 (nearest))"``."""
    return f"{name} (baseline: {baseline.name})" if baseline else name
