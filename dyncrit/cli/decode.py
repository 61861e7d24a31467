"""``dyncrit decode``: images to JSON."""

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

    from dyncrit.convert import DecodeOptions


@click.command(
    "decode",
    epilog="Examples: dyncrit decode core-1.img; dyncrit decode checkpoint/ -o json/; "
    "cat mm-1.img | dyncrit decode --pretty",
)
@file_options("The image to decode.", "Where the JSON goes.")
@click.option(
    "--pretty",
    is_flag=True,
    help="Indent, and show numbers by their meaning: hex, flags, addresses, devices.",
)
@click.option("--nopl", is_flag=True, help="Leave payloads out; the result can't be encoded.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "ndjson"]),
    default="json",
    help="ndjson: a header line, then a line an entry.",
)
@click.option("--as", "as_message", default="", metavar="MESSAGE", help="Take each record for this message.")
@click.option("--keep-going", is_flag=True, help='Decode what can be read; put an "@error" where it can\'t.')
@schema_options
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    input_: Path | None,
    output: Path | None,
    pretty: bool,
    nopl: bool,
    format_: str,
    as_message: str,
    keep_going: bool,
) -> int:
    """Decode images to JSON.

    One image, or several images and directories with -o DIR: there each image becomes NAME.json, and
    files that are no images are listed as skipped.
    """
    from dyncrit.convert import DecodeOptions, decode_image

    choice = ctx.ensure_object(SchemaChoice)
    inputs = all_inputs(files, input_)
    options = DecodeOptions(
        pretty=pretty,
        payloads=not nopl,
        format="ndjson" if format_ == "ndjson" else "json",
        as_message=as_message,
        keep_going=keep_going,
    )
    if folder := into_folder(files, input_, output):
        return _decode_many(choice, inputs, folder, options)
    with (
        open_input(inputs[0] if inputs else None, "an image", folder_advice=FOLDER_ADVICE) as (image, name),
        open_output(output, binary=False) as file,
    ):
        errors = decode_image(image, name, file, choice.schema(), options)
    for error in errors:
        say(error)
    return 1 if errors else 0


def _decode_many(choice: SchemaChoice, inputs: list[Path], folder: Path, options: DecodeOptions) -> int:
    from dyncrit.batch import decode_files, decode_jobs
    from dyncrit.cli.progress import report

    jobs = decode_jobs(inputs, folder, options)
    return report(decode_files(jobs, choice.schema(), options), len(jobs), "decoded")
