"""``dyncrit info``: what a file is."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import open_input, print_json


@click.command("info", epilog="Example: dyncrit info pages-1.img")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@schema_options
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...]) -> int:
    """Tell what images are, as JSON: type, entries, payload, byte order; or what a raw file is.

    One file gives an object, several give a list.
    """
    from dyncrit.summary import summarise

    schema = ctx.ensure_object(SchemaChoice).schema()
    shown = []
    for path in files or (None,):
        with open_input(path, "an image") as (file, name):
            summary = summarise(file, name, schema).to_dict()
        shown.append({"file": name, **summary} if len(files) > 1 else summary)
    print_json(shown if len(shown) > 1 else shown[0])
    return 0
