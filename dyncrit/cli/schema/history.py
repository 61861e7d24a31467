"""``dyncrit schema history``: what became of a message, a field or an enum."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from dyncrit.cli.streams import one_line, print_json, print_line

if TYPE_CHECKING:
    from dyncrit.schema.history import NameSpan, Span


@click.command("history", epilog="Example: dyncrit schema history pagemap_entry.nr_pages")
@click.argument("name", metavar="MESSAGE[.FIELD]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, as_json: bool) -> None:
    """Tell what CRIU's releases made of a message, a field or an enum: from when, under which names."""
    from dyncrit.schema.history import trace

    found = trace(name)
    if as_json:
        print_json(found.to_dict())
        return
    print_line(one_line(f"{found.kind} {found.name} ({found.file or 'in its message'}): {_span(found.span)}"))
    if len(found.names) > 1:
        for row in found.names:
            print_line(one_line(f"  {_named(row)}: {_span(row.span)}"))
    for release, changes in groupby(found.changes, key=lambda item: item[0]):
        print_line(release)
        for _, difference in changes:
            print_line(one_line(f"  {difference}"))


def _named(row: NameSpan) -> str:
    return row.name if row.number is None else f"{row.name} = {row.number}"


def _span(span: Span) -> str:
    return f"{span.first} to {span.last}" if span.last else f"since {span.first}"
