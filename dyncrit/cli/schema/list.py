"""``dyncrit schema list``: the releases whose schema dyncrit brings along."""

from __future__ import annotations

import click

from dyncrit.cli.streams import print_json
from dyncrit.cli.tables import print_table


@click.command("list", epilog="Example: dyncrit schema list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the CRIU releases of the catalogue: date, messages, fields, and how many of them were new."""
    from dyncrit.schema.history import releases

    rows = releases()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    heads = ("RELEASE", "DATE", "MESSAGES", "FIELDS", "NEW MESSAGES", "NEW FIELDS")
    print_table(
        heads,
        (
            (row.name, row.date, row.messages, row.fields, row.new_messages or "", row.new_fields or "")
            for row in rows
        ),
        numbers=heads[2:],
    )
