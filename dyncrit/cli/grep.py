"""``dyncrit grep``: every field of every image that holds a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options, report
from dyncrit.cli.images import SOURCE, read_source
from dyncrit.cli.streams import one_line, print_json_line, print_line

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.search import Pattern
    from dyncrit.edit.general.searching import FieldHit


@click.command(
    "grep", epilog="Examples: dyncrit grep -F 10.0.0.7 checkpoint/; dyncrit grep -i 'tok(en)?=' files.img"
)
@click.argument("pattern")
@SOURCE
@click.option(
    "-F", "--fixed-strings", "literal", is_flag=True, help="PATTERN is text, not a regular expression."
)
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case (ASCII) are the same.")
@click.option("--names", is_flag=True, help="Look at the names of fields instead of their values.")
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context,
    pattern: str,
    source: Path,
    literal: bool,
    ignore_case: bool,
    names: bool,
    as_json: bool,
) -> int:
    """Find the fields that hold PATTERN, in an image (a file, or ARCHIVE/NAME) or in all of a checkpoint.

    A line a field: its image, its path and its value. Values are looked at as `decode --pretty` shows them
    (0x1000, O_RDWR, 10.0.0.7), numbers in decimal, too; bytes, and payloads such as what waits in queues, as
    they are. ^ and $ are the beginning and the end of a value. Memory is not searched; `memory search` does
    that.

    The exit code is 0 if something was found; 1 if nothing was, or an image is damaged.
    """
    from dyncrit.edit.general.searching import search_fields

    wanted = _pattern(pattern, literal, ignore_case)
    found = False
    with read_source(ctx, source) as reading:
        for hit in search_fields(reading, wanted, names=names):
            found = True
            if as_json:
                print_json_line(hit.to_dict())
            else:
                _print_hit(hit)
        damaged = report(reading.checkpoint.problems)
    return damaged or int(not found)


def _pattern(text: str, literal: bool, ignore_case: bool) -> Pattern:
    from dyncrit.checkpoint.search import PatternError
    from dyncrit.edit.general.searching import field_pattern

    try:
        return field_pattern(text, literal=literal, ignore_case=ignore_case)
    except PatternError as error:
        raise click.UsageError(str(error)) from None


def _print_hit(hit: FieldHit) -> None:
    text, start, end, is_cut = hit.excerpt
    match = click.style(one_line(text[start:end]), fg="red", bold=True) if end > start else ""
    value = f"{one_line(text[:start])}{match}{one_line(text[end:])}{' ...' if is_cut else ''}"
    print_line(f"{one_line(hit.image)} {one_line(hit.path)}: {value}")
