"""``dyncrit fuzz generate``: valid images, or whole checkpoints, out of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.parameters import given_output, output_option
from dyncrit.cli.streams import one_line, print_json, print_line
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dyncrit.codec.framing import Framing
    from dyncrit.fuzz.generate.knobs import Generated, Knobs
    from dyncrit.schema import ImageType, Schema
    from dyncrit.types import ByteOrder

_LEAST_DIGITS = 4


@click.command(
    "generate",
    epilog="Examples: dyncrit fuzz generate --type CORE --count 1000 --seed 7 -o images/; "
    "dyncrit fuzz generate --checkpoint --count 10 --knob tasks=8 -o checkpoints/",
)
@click.option(
    "-t",
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="A type of images, as CORE; several take turns. all: all that the schema has.",
)
@click.option("--checkpoint", is_flag=True, help="Write checkpoint directories that check finds whole.")
@click.option(
    "-n", "--count", type=click.IntRange(1, 100_000_000), default=100, show_default=True, help="How many."
)
@click.option(
    "-s",
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The same seed, the same bytes.",
)
@output_option("DIR", "Where they go, as 0000.img and so on: a new folder, or an empty one.")
@click.option("-f", "--force", is_flag=True, help="Replace files in DIR, if it has any; others stay.")
@click.option(
    "--knob",
    "settings",
    multiple=True,
    metavar="NAME=N",
    help="Sizes and shares: entries, payload, repeated, text, bytes, depth; optional, interesting (percent); "
    "of checkpoints tasks, threads, mappings, files, pages, parents; namespaces, foreign (percent); payload, "
    "depth, interesting, too.",
)
@click.option(
    "--framing",
    type=click.Choice(["v1.0", "common", "service"]),
    help="The head. Default: as CRIU writes it.",
)
@click.option(
    "--byte-order",
    type=click.Choice(["little", "big"]),
    default="little",
    show_default=True,
    help="That of the dumped host.",
)
@click.option("--list", "as_list", is_flag=True, help="List the types that there are.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written, or the list, as JSON.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context,
    types: tuple[str, ...],
    checkpoint: bool,
    count: int,
    seed: int,
    output: Path | None,
    force: bool,
    settings: tuple[str, ...],
    framing: Framing | None,
    byte_order: ByteOrder,
    as_list: bool,
    as_json: bool,
) -> None:
    """Write valid images of some types, or whole checkpoints.

    Image N depends on the seed, on N and on its type alone, so fewer of them are the same ones. All are
    written, or nothing. A checkpoint may build on others (--knob parents=N): each stands in the folder
    parent of the one that builds on it.
    """
    from dyncrit.cli.tables import human_size
    from dyncrit.fuzz.generate.knobs import DEFAULT_KNOBS
    from dyncrit.fuzz.generate.writing import write_files

    choice = ctx.ensure_object(SchemaChoice)
    if as_list:
        _print_types(choice.schema(), as_json=as_json)
        return
    if types and checkpoint:
        raise click.UsageError("expected --type or --checkpoint, found both; a checkpoint has all its types")
    if not types and not checkpoint:
        raise click.UsageError("say what to write: --type TYPE, which may be all, or --checkpoint")
    output = given_output(output)
    if str(output) == "-":
        raise click.UsageError("--out: expected a folder, found -; images go into files")
    if checkpoint and framing:
        raise click.UsageError("--framing is for images of a --type; checkpoints have the heads of CRIU's")
    knobs = _knobs(DEFAULT_KNOBS, settings, "checkpoints" if checkpoint else "images")
    schema = choice.schema()
    rows = _rows(schema, types)
    files = (
        _checkpoints(schema, seed, knobs, count, byte_order)
        if checkpoint
        else _images(schema, seed, knobs, count, rows, framing, byte_order)
    )
    written = write_files(output, files, replace=force)
    if as_json:
        of = {"checkpoints": count} if checkpoint else {"types": [row.name for row in rows]}
        summary = {"seed": seed, "count": count, "files": written.files, "bytes": written.size}
        print_json({"folder": str(output), **summary, **of})
        return
    what = f"checkpoint{'s' if count > 1 else ''}" if checkpoint else f"image{'s' if count > 1 else ''}"
    print_line(f"{one_line(str(output))}: {count} {what}, {human_size(written.size)}, of seed {seed}")


def _rows(schema: Schema, names: Sequence[str]) -> list[ImageType]:
    """The types with these names; raises DyncritError for one that there isn't."""
    from dyncrit.fuzz.generate.images import find_types

    try:
        return find_types(schema, names)
    except DyncritError as error:
        raise type(error)(f"{error.problem} (--list has all)", *error.place) from None


def _print_types(schema: Schema, *, as_json: bool) -> None:
    from dyncrit.cli.tables import print_table
    from dyncrit.fuzz.generate.images import known_types, usual_name

    rows = [(row.name, row.record(0).message, usual_name(row)) for row in known_types(schema)]
    if as_json:
        print_json([dict(zip(("type", "message", "file"), row, strict=True)) for row in rows])
        return
    print_table(("type", "message", "file"), rows)


def _knobs(knobs: Knobs, settings: Sequence[str], generated: Generated) -> Knobs:
    try:
        return knobs.with_settings(settings, generated)
    except DyncritError as error:
        raise click.UsageError(f"--knob: {error}") from None


def _images(
    schema: Schema,
    seed: int,
    knobs: Knobs,
    count: int,
    rows: Sequence[ImageType],
    framing: Framing | None,
    byte_order: ByteOrder,
) -> Iterator[tuple[str, bytes]]:
    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.generate.images import ImageGenerator, file_name

    source = Chance(seed)
    template = ImageGenerator(schema, source, knobs)
    for index, digits in _numbered(count):
        row = rows[index % len(rows)]
        generator = template.seeded(source.child(index))
        yield file_name(row, digits), generator.generate(row, framing=framing, byte_order=byte_order)


def _checkpoints(
    schema: Schema, seed: int, knobs: Knobs, count: int, byte_order: ByteOrder
) -> Iterator[tuple[str, bytes]]:
    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator

    source = Chance(seed)
    template = CheckpointGenerator(schema, source, knobs, byte_order=byte_order)
    for index, digits in _numbered(count):
        for name, data in template.seeded(source.child(index)).generate().items():
            yield f"{digits}/{name}", data


def _numbered(count: int) -> Iterator[tuple[int, str]]:
    """Each number with its digits, all of the same length."""
    width = max(_LEAST_DIGITS, len(str(count - 1)))
    return ((index, f"{index:0{width}}") for index in range(count))
