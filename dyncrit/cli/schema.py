"""``dyncrit schema``: the schema in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import print_json

if TYPE_CHECKING:
    from dyncrit.types import JsonObject


@click.group("schema", epilog="Example: dyncrit --proto-dir ~/criu schema show")
def command() -> None:
    """Tell about the schema: its messages and the image table."""


@command.command("show", epilog="Example: dyncrit --criu 3.17 schema show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@schema_options
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Tell which schema is in use and why."""
    facts = _facts(ctx.ensure_object(SchemaChoice))
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' ') + ':':14} {value}")


def _facts(choice: SchemaChoice) -> JsonObject:
    schema = choice.schema()
    source = schema.source
    return {
        "schema": source.name,
        "why": choice.reason(),
        "messages": len(schema.message_names),
        "image_types": len(schema.table.types),
        "magics_from": str(source.magic_header) if source.magic_header else None,
        "table": str(choice.table) if choice.table else None,
        "compiled": None if source.cached is None else "before (in the cache)" if source.cached else "now",
    }
