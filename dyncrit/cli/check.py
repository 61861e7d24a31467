"""``dyncrit check``: whether a checkpoint is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options, chosen_limits, opened
from dyncrit.cli.choice import SchemaChoice
from dyncrit.cli.findings import findings_options, finish
from dyncrit.cli.streams import print_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from dyncrit.cli.findings import FailOn
    from dyncrit.findings import Rule
    from dyncrit.findings.formats import Format


@click.command(
    "check",
    epilog="Examples: dyncrit check checkpoint/; dyncrit check checkpoint.tar.zst --deep --fail-on warning",
)
@click.argument("path", metavar="CHECKPOINT", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--without-pages", is_flag=True, help="Leave out what needs pages images.")
@click.option("--deep", is_flag=True, help="Read what is in pages images, too.")
@click.option("--rules", metavar="ID,...", help="Apply these rules only.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="ID",
    help="Leave a rule out; may be given more than once, or as ID,...",
)
@click.option(
    "--list-rules", is_flag=True, help="List the rules, and what comes of it where one doesn't hold."
)
@findings_options
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context,
    path: Path | None,
    *,
    without_pages: bool,
    deep: bool,
    rules: str | None,
    ignore: tuple[str, ...],
    list_rules: bool,
    format_: Format,
    fail_on: FailOn,
    output: Path | None,
) -> int:
    """Check whether a checkpoint is whole, before a restore is tried.

    Every finding names the rule that doesn't hold; --list-rules tells what a restore would do.
    """
    from dyncrit.check.checking import all_rules, check

    if rules is not None and not _ids(rules):
        raise click.UsageError("--rules names no rule")
    chosen = _chosen(all_rules(), _ids(rules), _ids(",".join(ignore)))
    _refuse_unapplied(_ids(rules), without_pages=without_pages, deep=deep)
    if list_rules:
        _print_rules([rule for rule in all_rules() if chosen is None or rule.id in chosen])
        return 0
    if path is None:
        raise click.UsageError("Missing argument 'CHECKPOINT'.")
    if ctx.ensure_object(SchemaChoice).criu:
        raise click.UsageError("--criu has no say in checks: the newest schema reads images of every release")
    if deep and without_pages:
        raise click.UsageError("--deep reads pages images, which --without-pages leaves out")
    with opened(ctx, path) as checkpoint:
        report = check(
            checkpoint, pages=not without_pages, deep=deep, rules=chosen, limits=chosen_limits(ctx)
        )
    return finish(report, format_, fail_on, output)


def _ids(text: str | None) -> list[str]:
    return [part for part in (text or "").replace(" ", "").split(",") if part]


def _chosen(known: Collection[Rule], wanted: list[str], ignored: list[str]) -> set[str] | None:
    """The ids of the rules to apply, None for all; raises UsageError for ids that there aren't."""
    ids = {rule.id for rule in known}
    if unknown := [name for name in (*wanted, *ignored) if name not in ids]:
        raise click.UsageError(f"there is no rule {unknown[0]}; --list-rules lists them")
    return (set(wanted) or ids) - set(ignored) if wanted or ignored else None


def _refuse_unapplied(wanted: Collection[str], *, without_pages: bool, deep: bool) -> None:
    """Say of rules that were asked for by name that other options leave them out."""
    from dyncrit.check.checking import checks

    for item in checks():
        if item.rule.id in wanted and item.needs_depth and not deep:
            raise click.UsageError(f"the rule {item.rule.id} needs --deep")
        if item.rule.id in wanted and item.needs_pages and without_pages:
            raise click.UsageError(f"the rule {item.rule.id} needs pages, which --without-pages leaves out")


def _print_rules(rules: Collection[Rule]) -> None:
    for rule in rules:
        print_line(f"{rule.id} ({rule.severity}): {rule.title}")
        print_line(f"    {rule.consequence}")
