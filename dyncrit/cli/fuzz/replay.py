"""``dyncrit fuzz replay``: findings run again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.streams import one_line, print_json, print_line

if TYPE_CHECKING:
    from dyncrit.fuzz.run.replay import Replayed
    from dyncrit.types import JsonObject


@click.command("replay", epilog="Example: dyncrit fuzz replay findings/ --target 'crit decode -i {image}'")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FINDINGS|FINDING..."
)
@click.option(
    "--target",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="Run this command instead of those that the findings are of, with {image} or {checkpoint}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], commands: tuple[str, ...], as_json: bool) -> int:
    """Run findings again, and tell which still reproduce.

    Each runs with the limits that it was found with: on its minimised input, then, if that shows nothing, on
    the first one. Files that its command names are looked for from here. As a check against regressions:
    exits with 1 if a finding reproduces, if something else goes wrong with its input (changed), or if one
    can't be run; with 0 if all are gone.
    """
    from dyncrit.fuzz.run.replay import find_findings, replay
    from dyncrit.fuzz.run.target import Target, TargetError

    try:
        targets = [Target.parse(text) for text in commands]
    except TargetError as error:
        raise click.UsageError(one_line(str(error)), ctx) from error
    done = []
    for item in replay(find_findings(paths), targets):
        done.append(item)
        if not as_json:
            _print(item)
    if as_json:
        print_json([_document(item) for item in done])
    else:
        counts = Counter(item.state for item in done)
        print_line(", ".join(f"{count} {state}" for state, count in counts.most_common()))
    return 1 if any(item.state != "gone" for item in done) else 0


def _print(item: Replayed) -> None:
    about = item.detail
    if item.state == "changed":
        about = "; ".join(f"now {found.kind}: {found.cause}" for found in item.found)
    elif item.finding is not None and not about:
        about = f"{item.finding.verdict.kind}: {item.finding.verdict.cause}"
    print_line(one_line(f"{item.state}: {item.folder}: {about}"))


def _document(item: Replayed) -> JsonObject:
    return {
        "folder": str(item.folder),
        "state": item.state,
        "class": item.finding.verdict.kind if item.finding else None,
        "cause": item.finding.verdict.cause if item.finding else None,
        "found": [{"class": found.kind, "cause": found.cause} for found in item.found],
        "detail": item.detail or None,
    }
