"""``dyncrit verify``: whether images come back byte for byte."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import chosen_limits, limit_options
from dyncrit.cli.choice import SchemaChoice
from dyncrit.cli.streams import one_line, print_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.explore.verify import Verdict
    from dyncrit.types import JsonObject

_SAID = {
    "same": ("image comes back byte for byte", "images come back byte for byte"),
    "differs": ("differs", "differ"),
    "failed": ("failed", "failed"),
    "skipped": ("is no image and was skipped", "are no images and were skipped"),
}
"""What is said of one file of a kind, and of several."""


@click.command("verify", epilog="Examples: dyncrit verify core-1.img; dyncrit verify --pretty checkpoint.tar")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="IMAGE|DIR|CHECKPOINT...",
)
@click.option("--pretty", is_flag=True, help="Verify the pretty documents, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a verdict for each file.")
@limit_options
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], pretty: bool, as_json: bool) -> int:
    """Decode images to documents, encode these again, and say where the bytes are not the same.

    Names each file that is no image and so has no document. Exit code 1 if an image comes back different, or
    can't be decoded.
    """
    from dyncrit.explore.verify import verify_paths

    schema = ctx.ensure_object(SchemaChoice).schema()
    counts: Counter[str] = Counter(same=0, differs=0, failed=0, skipped=0)
    verdicts = _counted(verify_paths(paths, schema, pretty=pretty, limits=chosen_limits(ctx)), counts)
    if as_json:
        _print_json(verdicts, counts)
    else:
        for verdict in verdicts:
            if verdict.kind != "same":
                print_line(one_line(f"{verdict.file}: {verdict.kind}: {verdict.message}"))
        print_line(_summary(counts))
    return 1 if counts["differs"] or counts["failed"] else 0


def _counted(verdicts: Iterable[Verdict], counts: Counter[str]) -> Iterator[Verdict]:
    for verdict in verdicts:
        counts[verdict.kind] += 1
        yield verdict


def _summary(counts: Counter[str]) -> str:
    return ", ".join(
        f"{counts[kind]} {one if counts[kind] == 1 else several}"
        for kind, (one, several) in _SAID.items()
        if counts[kind] or kind == "same"
    )


def _print_json(verdicts: Iterator[Verdict], counts: Counter[str]) -> None:
    from dyncrit.cli.documents import print_document

    shown: Iterator[JsonObject] = (verdict.to_dict() for verdict in verdicts)
    print_document({"files": shown, "counts": counts})  # which are written, and whole, when the files are
