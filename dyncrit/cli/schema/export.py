"""``dyncrit schema export``: a schema as .proto files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.parameters import NEW_FOLDER
from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from pathlib import Path


@click.command("export", epilog="Example: dyncrit schema export --criu 3.17 -o protos/")
@NEW_FOLDER
@schema_options
@click.pass_context
def command(ctx: click.Context, output: Path) -> None:
    """Write the schema as .proto files (proto2), that protoc compiles to the same descriptors."""
    from dyncrit.schema.export import export_protos

    choice = ctx.ensure_object(SchemaChoice)
    source = choice.schema().source
    files = export_protos(source, output, use_cache=not choice.no_cache)
    say(f"{len(files)} files of {source.name} in {output}")
