"""``dyncrit stats``: what dumps and restores took, and whether another pre-dump pays."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options, opened, report
from dyncrit.cli.streams import one_line, print_json, print_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.statistics import Advice, DumpStatistics, Round, Statistics
    from dyncrit.types import JsonObject


@click.command("stats", epilog="Examples: dyncrit stats checkpoint/; dyncrit stats pre-1/ pre-2/ pre-3/")
@click.argument(
    "checkpoints",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="CHECKPOINT...",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoints: tuple[Path, ...], as_json: bool) -> int:
    """Show what dumps and restores took.

    Of a chain of pre-dumps (its last CHECKPOINT, or all of them, the oldest first), each round's pages, and
    what the rules of LXD and p.haul say about another one.
    """
    from dyncrit.checkpoint.statistics import advise, rounds_of

    with ExitStack() as stack:
        opened_ones = [stack.enter_context(opened(ctx, path)) for path in checkpoints]
        chain = _chain(opened_ones)
        dumps = [dump for checkpoint in chain if (dump := checkpoint.statistics.dump)]
        advice = advise(_pre_dumps(chain))
        if as_json:
            print_json(_document(chain, rounds_of(dumps), advice))
        else:
            if len(dumps) > 1:
                _print_rounds(rounds_of(dumps))
            for item in advice:
                print_line(
                    f"{item.rule}: {'another round pays' if item.another_round else 'stop'}: {item.reason}"
                )
            for checkpoint in chain:
                _print(checkpoint)
        return max(report(checkpoint.problems) for checkpoint in chain)


def _chain(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints, the oldest first, with the parents of the only one."""
    if len(checkpoints) > 1:
        return list(checkpoints)
    return list(checkpoints[0].chain)[::-1]


def _pre_dumps(chain: Sequence[Checkpoint]) -> list[DumpStatistics]:
    """The rounds that could be followed by another: the pre-dumps, or all of a chain of full dumps."""
    rounds = [checkpoint for checkpoint in chain if not checkpoint.is_full]
    if not rounds and len(chain) > 1:
        rounds = list(chain)
    return [dump for checkpoint in rounds if (dump := checkpoint.statistics.dump)]


def _document(chain: Sequence[Checkpoint], rounds: Sequence[Round], advice: Sequence[Advice]) -> JsonObject:
    return {
        "checkpoints": [
            {
                "name": checkpoint.name,
                "dump": asdict(dump) if (dump := checkpoint.statistics.dump) else None,
                "restore": asdict(restore) if (restore := checkpoint.statistics.restore) else None,
            }
            for checkpoint in chain
        ],
        "rounds": [{**asdict(item), "share_skipped": round(item.share_skipped, 4)} for item in rounds],
        "advice": [asdict(item) for item in advice],
    }


def _print(checkpoint: Checkpoint) -> None:
    from dyncrit.cli.tables import print_table

    print_line(one_line(checkpoint.name))
    rows = list(statistics_rows(checkpoint.statistics))
    if rows:
        print_table(("figure", "value", "unit"), rows, numbers=("value",), headless=True)
    else:
        print_line("no statistics")


def statistics_rows(statistics: Statistics) -> Iterator[tuple[str, str, str]]:
    """Name, value and unit of each figure."""
    for part in (statistics.dump, statistics.restore):
        for name, value in asdict(part).items() if part else ():
            if value is None:
                continue
            label = name.replace("_", " ")
            if name.endswith("_time"):
                yield label.removesuffix(" time"), f"{value / 1000:.3f}", "ms"
            else:
                yield label, str(value), "pages" if "page_pipe" not in name else ""


def _print_rounds(rounds: Sequence[Round]) -> None:
    from dyncrit.cli.tables import print_table

    heads = ("round", "scanned", "written", "skipped", "lazy", "skipped %")
    rows = [
        (item.index, item.scanned, item.written, item.skipped, item.lazy, f"{item.share_skipped:.1%}")
        for item in rounds
    ]
    print_table(heads, rows, numbers=heads)
