"""``dyncrit show``: an image, pretty, on stdout."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import open_input, open_output


@click.command("show", epilog="Example: dyncrit show --nopl pipes-data.img")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--nopl", is_flag=True, help="Show the size of payloads instead of their bytes.")
@schema_options
@click.pass_context
def command(ctx: click.Context, file: Path | None, nopl: bool) -> int:
    """Show an image, pretty: short for decode --pretty."""
    from dyncrit.convert import DecodeOptions, decode_image

    schema = ctx.ensure_object(SchemaChoice).schema()
    with open_input(file, "an image") as (image, name), open_output(None, binary=False) as output:
        decode_image(image, name, output, schema, DecodeOptions(pretty=True, payloads=not nopl))
    return 0
