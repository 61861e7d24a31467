"""``dyncrit info``: what files are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import open_input, print_json, say

if TYPE_CHECKING:
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject


@click.command("info", epilog="Examples: dyncrit info pages-1.img; dyncrit info checkpoint/")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@schema_options
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...]) -> int:
    """Tell what images are, as JSON: type, entries, payload, byte order; or what a raw file is.

    "criu" has the releases that can have written an image, with the evidence; null where nothing bounds them.

    One file gives an object; several, or directories, give a list, in which what can't be read has an
    "error".
    """
    schema = ctx.ensure_object(SchemaChoice).schema()
    if len(files) < 2 and not any(path.is_dir() for path in files):
        print_json(_describe(files[0] if files else None, schema))
        return 0
    described = _describe_all(files, schema)
    print_json(described)
    return 1 if any("error" in item for item in described) else 0


def _describe(path: Path | None, schema: Schema) -> JsonObject:
    from dyncrit.checkpoint.image_release import release_of_image
    from dyncrit.codec.framing import is_head
    from dyncrit.codec.source import seekable
    from dyncrit.summary import summarise

    with open_input(path, "an image") as (file, name):
        image = seekable(file, lambda start: is_head(start, schema.table))  # it is read twice
        described = summarise(image, name, schema).to_dict()
        if (releases := release_of_image(image, name, schema)) is not None:
            described["criu"] = asdict(releases)
        return described


def _describe_all(files: tuple[Path, ...], schema: Schema) -> list[JsonObject]:
    from dyncrit.batch import list_files
    from dyncrit.errors import DyncritError

    described = []
    for path, skip in list_files(files):
        item: JsonObject = {"file": str(path)}
        try:
            item |= {"skipped": skip} if skip else _describe(path, schema)
        except (DyncritError, OSError) as error:
            item["error"] = str(error)
            say(item["error"])
        described.append(item)
    return described
