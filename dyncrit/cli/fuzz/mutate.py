"""``dyncrit fuzz mutate``: broken copies of an image or a checkpoint, and what was done to each."""

from __future__ import annotations

import re
from pathlib import Path

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import say
from dyncrit.fuzz.mutate.mutation import LAYERS


@click.command(
    "mutate",
    epilog="Examples: dyncrit fuzz mutate core-1.img --count 100 -o mutants/; "
    "dyncrit fuzz mutate checkpoint/ --count 50 --seed 3 --layer checkpoint -o mutants/",
)
@click.argument("source", metavar="IMAGE|DIR", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "-n",
    "--count",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    help="How many to make.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same bytes everywhere.")
@click.option(
    "-o", "--out", "output", type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)
@click.option("--each", is_flag=True, help="Of a directory: mutate its images in turn, not the checkpoint.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    type=click.Choice(LAYERS),
    help="Break this layer of the format only; may be given more than once.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="NAME=N",
    help="How often to choose a mutation, beside the others; 0 leaves it out.",
)
@click.option("--list", "as_list", is_flag=True, help="List the mutations, with layer and weight.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context,
    source: Path | None,
    count: int,
    seed: int,
    output: Path | None,
    *,
    each: bool,
    layers: tuple[str, ...],
    weights: tuple[str, ...],
    as_list: bool,
) -> None:
    """Write broken copies of an image, or of a checkpoint directory.

    An image gives 0000.img, 0001.img and so on; a directory gives whole checkpoints 0000/, 0001/, whose
    unchanged files are copies (hard links, if they are large). Beside each stands NAME.mutation.json, which
    tells what was done; `dyncrit fuzz explain` shows it.
    """
    from dyncrit.fuzz.mutate.writing import MutantPlan, write_mutants

    if as_list:
        _print_mutations(layers, _weights(weights))
        return
    if source is None:
        raise click.UsageError("Missing argument 'IMAGE|DIR'.")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    if each and not source.is_dir():
        raise click.UsageError(f"--each is for directories; {source} is a file")
    plan = MutantPlan(count, seed, layers or None, _weights(weights), each)  # type: ignore[arg-type]  # by click
    written = 0
    try:
        for _ in write_mutants(source, output, ctx.ensure_object(SchemaChoice).schema(), plan):
            written += 1
    finally:
        if written:
            say(f"{written} of {count} mutants written to {output}")


def _weights(given: tuple[str, ...]) -> dict[str, int]:
    """The weights by the names of mutations; raises UsageError for what is none."""
    from dyncrit.errors import did_you_mean
    from dyncrit.fuzz.mutate.catalogue import all_mutations

    known = [mutation.name for mutation in all_mutations()]
    weights = {}
    for text in given:
        match = re.fullmatch(r"(.+)=([0-9]{1,6})", text)
        if match is None:
            raise click.UsageError(f"--weight {text!r}: expected NAME=N, such as boundary=20")
        if match[1] not in known:
            hint = did_you_mean(match[1], known)
            raise click.UsageError(f"--weight: there is no mutation {match[1]!r}{hint} (--list has all)")
        weights[match[1]] = int(match[2])
    return weights


def _print_mutations(layers: tuple[str, ...], weights: dict[str, int]) -> None:
    from dyncrit.cli.tables import print_table
    from dyncrit.fuzz.mutate.catalogue import all_mutations

    rows = [
        (item.name, item.layer, weights.get(item.name, item.weight), item.description)
        for item in all_mutations()
        if not layers or item.layer in layers
    ]
    print_table(("mutation", "layer", "weight", "what it does"), rows, numbers=("weight",))
