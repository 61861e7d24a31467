"""``dyncrit validate``: whether a schema's images can be read, and what it breaks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice
from dyncrit.cli.findings import findings_options, finish
from dyncrit.cli.streams import print_line

if TYPE_CHECKING:
    from dyncrit.cli.findings import FailOn
    from dyncrit.findings import Report
    from dyncrit.findings.formats import Format
    from dyncrit.schema.repository import Repository
    from dyncrit.schema.table import ImageTable
    from dyncrit.validate.baseline import Baseline
    from dyncrit.validate.config import Config

_EXAMPLES = (
    "Examples: dyncrit validate --proto-dir criu/images;"
    " dyncrit validate --proto-dir criu/images --baseline 4.2 --corpus images/;"
    " dyncrit validate --git criu --range v4.1..HEAD --format github"
)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("validate", epilog=_EXAMPLES)
@click.option(
    "--proto-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The schema: CRIU's source tree, its images/, or any .proto files. Default: $DYNCRIT_PROTO_DIR.",
)
@click.option(
    "--git", type=_FOLDER, metavar="REPO", help="Take schemas from a git repository, without checkout."
)
@click.option("--rev", metavar="REV", help="The revision to validate, with --git. Default: HEAD.")
@click.option(
    "--range",
    "range_",
    metavar="A..B",
    help="Validate B against A, with --git, and tell which commit introduced each finding.",
)
@click.option(
    "--baseline",
    metavar="VERSION|REV",
    help="Compare with a CRIU release, or with --git a revision. Default: the release nearest to the schema.",
)
@click.option("--baseline-dir", type=_FOLDER, metavar="DIR", help="Compare with the schema in DIR.")
@click.option("--corpus", type=_FOLDER, metavar="DIR", help="Decode and encode every image below DIR.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.yaml",
    help="Leave out findings, by rule and path.",
)
@click.option(
    "--list-rules", is_flag=True, help="List the rules, and what each one's breach breaks for whom."
)
@findings_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    proto_dir: Path | None,
    git: Path | None,
    rev: str | None,
    range_: str | None,
    baseline: str | None,
    baseline_dir: Path | None,
    corpus: Path | None,
    config: Path | None,
    list_rules: bool,
    format_: Format,
    fail_on: FailOn,
    output: Path | None,
) -> int:
    """Validate a schema: against the image table, a baseline, and real images.

    Tells, before a CRIU release is out, what of it dyncrit can't read, and what breaks for older images,
    older releases and JSON documents.
    """
    from dyncrit.validate.validating import all_rules, validate

    if list_rules:
        _print_rules()
        return 0
    choice = ctx.ensure_object(SchemaChoice)
    if choice.descriptor_set or choice.criu:
        raise click.UsageError("validate needs a schema's .proto files: give --proto-dir or --git")
    if baseline and baseline_dir:
        raise click.UsageError("--baseline and --baseline-dir both say what to compare with; give one")
    from dyncrit.validate.config import read_config

    settings = read_config(config, all_rules()) if config else None
    table = _table(choice)
    if git:
        if proto_dir:
            raise click.UsageError("--proto-dir and --git both say where the schema is; give one")
        report = _validate_git(git, rev, range_, baseline, baseline_dir, corpus, settings, table)
    else:
        if rev or range_:
            raise click.UsageError(f"{'--rev' if rev else '--range'} needs --git REPO")
        from dyncrit.validate.source import schema_files

        source = schema_files(_folder(choice, proto_dir))
        compared = _baseline(baseline, baseline_dir)
        report = validate(source, baseline=compared, images=corpus, config=settings, table=table)
    return finish(report, format_, fail_on, output)


def _folder(choice: SchemaChoice, proto_dir: Path | None) -> Path:
    environment = os.environ.get("DYNCRIT_PROTO_DIR")
    folder = proto_dir or choice.proto_dir or (Path(environment) if environment else None)
    if folder is None:
        raise click.UsageError("give the schema to validate: --proto-dir DIR, or --git REPO")
    return folder


def _table(choice: SchemaChoice) -> ImageTable:
    from dyncrit.schema.table import ImageTable

    if choice.table is None:
        return ImageTable()
    from dyncrit.schema.overlay import read_overlay

    return ImageTable().overlaid(read_overlay(choice.table))


def _baseline(
    version: str | None, folder: Path | None, repository: Repository | None = None
) -> Baseline | None:
    """What the options compare with; a name that a repository has as a revision is that one."""
    from dyncrit.validate.baseline import files_baseline, release_baseline
    from dyncrit.validate.source import schema_files

    if folder:
        return files_baseline(schema_files(folder))
    if version is None:
        return None
    if repository:
        from dyncrit.schema.repository import GitError
        from dyncrit.validate.over_git import revision_baseline

        try:
            repository.resolve(version)
        except GitError:
            return release_baseline(version)
        return revision_baseline(repository, version)
    return release_baseline(version)


def _validate_git(
    folder: Path,
    revision: str | None,
    range_: str | None,
    baseline: str | None,
    baseline_dir: Path | None,
    corpus: Path | None,
    config: Config | None,
    table: ImageTable,
) -> Report:
    from dyncrit.schema.repository import Repository
    from dyncrit.validate.over_git import validate_range, validate_revision

    if revision and range_:
        raise click.UsageError("--rev and --range both say what to validate; give one")
    repository = Repository(folder)
    compared = _baseline(baseline, baseline_dir, repository)
    check = validate_range if range_ else validate_revision
    return check(
        repository, range_ or revision or "HEAD", baseline=compared, images=corpus, config=config, table=table
    )


def _print_rules() -> None:
    from dyncrit.validate.validating import all_rules

    for rule in all_rules():
        print_line(f"{rule.id} ({rule.severity}): {rule.title}")
        print_line(f"    {rule.consequence}")
