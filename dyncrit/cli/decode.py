"""``dyncrit decode``: images to JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import one_input, open_input, open_output

if TYPE_CHECKING:
    from dyncrit.convert import DecodeOptions


@click.command(
    "decode",
    epilog="Examples: dyncrit decode core-1.img; dyncrit decode checkpoint/ -o json/; "
    "cat mm-1.img | dyncrit decode --pretty",
)
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-i",
    "--in",
    "input_",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The image to decode. Default: stdin.",
)
@click.option(
    "-o",
    "--out",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where the JSON goes. Default: stdout.",
)
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
    images: tuple[Path, ...],
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
    inputs = one_input(images, input_)
    options = DecodeOptions(
        pretty=pretty,
        payloads=not nopl,
        format="ndjson" if format_ == "ndjson" else "json",
        as_message=as_message,
        keep_going=keep_going,
    )
    if len(inputs) > 1 or any(path.is_dir() for path in images):
        return _decode_many(choice, images, input_, output, options)
    with (
        open_input(inputs[0] if inputs else None, "an image") as (image, name),
        open_output(output, binary=False) as file,
    ):
        errors = decode_image(image, name, file, choice.schema(), options)
    for error in errors:
        click.echo(f"dyncrit: {error}", err=True)
    return 1 if errors else 0


def _decode_many(
    choice: SchemaChoice,
    images: tuple[Path, ...],
    input_: Path | None,
    output: Path | None,
    options: DecodeOptions,
) -> int:
    from dyncrit.batch import decode_files, decode_jobs
    from dyncrit.cli.progress import report

    if output is None or output.is_file():
        raise click.UsageError("several images or a directory need -o DIR for the output")
    jobs = decode_jobs(one_input(images, input_), output, options)
    return report(decode_files(jobs, choice.schema(), options), len(jobs), "decoded")
