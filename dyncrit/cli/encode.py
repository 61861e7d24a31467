"""``dyncrit encode``: JSON to images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import (
    FOLDER_ADVICE,
    all_inputs,
    file_options,
    into_folder,
    open_input,
    open_output,
    say,
)

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "encode",
    epilog="Examples: dyncrit encode -i core-1.json -o core-1.img; dyncrit encode json/ -o checkpoint/",
)
@file_options("The JSON to encode.", "Where the image goes.")
@click.option("--allow-unknown", is_flag=True, help="Pass over keys that no field has.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], input_: Path | None, output: Path | None, allow_unknown: bool
) -> int:
    """Encode JSON, from dyncrit, crit or go-crit, plain or pretty, or NDJSON, to images.

    One document, or several and directories with -o DIR.
    """
    from dyncrit.convert import encode_document

    choice = ctx.ensure_object(SchemaChoice)
    inputs = all_inputs(files, input_)
    if folder := into_folder(files, input_, output):
        return _encode_many(choice, inputs, folder, allow_unknown)
    with (
        open_input(inputs[0] if inputs else None, "JSON", folder_advice=FOLDER_ADVICE) as (document, name),
        open_output(output, binary=True) as file,
    ):
        notes = encode_document(document, name, file, choice.schema(), allow_unknown=allow_unknown)
    for note in notes:
        say(note)
    return 0


def _encode_many(choice: SchemaChoice, inputs: list[Path], folder: Path, allow_unknown: bool) -> int:
    from dyncrit.batch import encode_files, encode_jobs
    from dyncrit.cli.progress import report

    schema = choice.schema()
    jobs = encode_jobs(inputs, folder, schema.table)
    return report(encode_files(jobs, schema, allow_unknown=allow_unknown), len(jobs), "encoded")
