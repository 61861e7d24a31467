"""``dyncrit get``: what a JMESPath expression gives for an image or a checkpoint."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options
from dyncrit.cli.documents import print_document
from dyncrit.cli.images import SOURCE, read_source
from dyncrit.cli.streams import open_output

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.types import Json


@click.command(
    "get",
    epilog="Examples: dyncrit get files.img \"entries[?type=='REG'].reg.name\"; "
    "dyncrit get -r checkpoint/ '\"core-1.img\".entries[0].tc.comm'; dyncrit get dump.tar.zst 'keys(@)'",
)
@SOURCE
@click.argument("expression", metavar="EXPR")
@click.option("--plain", is_flag=True, help="Look at numbers as they are, not as --pretty shows them.")
@click.option(
    "-r",
    "--raw-output",
    is_flag=True,
    help="Print a text as it is, without quotes; of a list, an item a line.",
)
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, source: Path, expression: str, plain: bool, raw_output: bool) -> int:
    """Print what EXPR, in JMESPath (https://jmespath.org), gives, as JSON.

    It looks at the document of an image (a file, or ARCHIVE/NAME), as `decode --pretty` prints it. For a
    checkpoint, it looks at an object with a document for each image by its name, which needs quotes in EXPR:
    '"files.img".entries'. Only images that EXPR comes to are read.

    A document is held in memory; of a payload of over 1 MiB, it has only the size.
    """
    from dyncrit.edit.general.query import Query, QueryError

    try:
        query = Query(expression)
        with read_source(ctx, source) as reading:
            result = query.evaluate(reading, pretty=not plain)
    except QueryError as error:
        raise click.UsageError(str(error)) from None
    if raw_output:
        _print_raw(result)
    else:
        print_document(result)
    return 0


def _print_raw(result: Json) -> None:
    """Print texts byte for byte, and anything else as JSON, a line an item of a list."""
    with open_output(None, binary=False) as output:
        for item in result if isinstance(result, list) else [result]:
            output.write(_raw(item) + b"\n")


def _raw(item: Json) -> bytes:
    """A text's bytes, or JSON: of what is no text, and of a text with characters that are none."""
    if isinstance(item, str):
        with suppress(UnicodeEncodeError):
            return item.encode("utf-8", "surrogateescape")
    return _compact(item).encode()


def _compact(value: Json) -> str:
    import json

    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
