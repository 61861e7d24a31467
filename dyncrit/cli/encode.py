"""``dyncrit encode``: JSON to images."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import one_input, open_input, open_output


@click.command(
    "encode",
    epilog="Examples: dyncrit encode -i core-1.json -o core-1.img; dyncrit encode json/ -o checkpoint/",
)
@click.argument("documents", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-i",
    "--in",
    "input_",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The JSON to encode. Default: stdin.",
)
@click.option(
    "-o",
    "--out",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where the image goes. Default: stdout.",
)
@click.option("--allow-unknown", is_flag=True, help="Pass over keys that no field has.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context,
    documents: tuple[Path, ...],
    input_: Path | None,
    output: Path | None,
    allow_unknown: bool,
) -> int:
    """Encode JSON, from dyncrit, crit or go-crit, plain or pretty, or NDJSON, to images.

    One document, or several and directories with -o DIR.
    """
    from dyncrit.convert import encode_document

    choice = ctx.ensure_object(SchemaChoice)
    inputs = one_input(documents, input_)
    if len(inputs) > 1 or any(path.is_dir() for path in documents):
        return _encode_many(choice, inputs, output, allow_unknown)
    with (
        open_input(inputs[0] if inputs else None, "JSON") as (document, name),
        open_output(output, binary=True) as file,
    ):
        encode_document(document, name, file, choice.schema(), allow_unknown=allow_unknown)
    return 0


def _encode_many(choice: SchemaChoice, inputs: list[Path], output: Path | None, allow_unknown: bool) -> int:
    from dyncrit.batch import encode_files, encode_jobs
    from dyncrit.cli.progress import report

    if output is None or output.is_file():
        raise click.UsageError("several documents or a directory need -o DIR for the output")
    schema = choice.schema()
    jobs = encode_jobs(inputs, output, schema.table)
    return report(encode_files(jobs, schema, allow_unknown=allow_unknown), len(jobs), "encoded")
