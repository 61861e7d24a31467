"""``dyncrit fuzz mutate``: broken copies of an image or a checkpoint, and what was done to each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.parameters import given_output, output_option
from dyncrit.cli.streams import one_line, print_json, print_line, say
from dyncrit.errors import DyncritError
from dyncrit.fuzz.mutate.mutation import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator


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
@click.option(
    "-s",
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The same seed makes the same bytes everywhere.",
)
@output_option("DIR", "A new or empty folder.")
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
@click.option("--json", "as_json", is_flag=True, help="Print what was written, or the list, as JSON.")
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
    as_json: bool,
) -> None:
    """Write broken copies of an image, or of a checkpoint directory.

    An image gives 0000.img, 0001.img and so on; a directory gives whole checkpoints 0000/, 0001/, whose
    unchanged files are copies (hard links, if they are large). Beside each stands NAME.mutation.json, which
    tells what was done; `dyncrit fuzz explain` shows it.
    """
    from dyncrit.fuzz.mutate.writing import MutantPlan, write_mutants

    chosen = _weights(weights, layers)
    if as_list:
        _print_mutations(layers, chosen, as_json=as_json)
        return
    if source is None:
        raise click.UsageError("Missing argument 'IMAGE|DIR'.")
    output = given_output(output)
    if each and not source.is_dir():
        raise click.UsageError(f"--each is for directories; {source} is a file")
    plan = MutantPlan(count, seed, layers or None, chosen, each)  # type: ignore[arg-type]  # by click
    _write(write_mutants(source, output, ctx.ensure_object(SchemaChoice).schema(), plan), count, output)
    if as_json:
        print_json({"folder": str(output), "source": str(source), "seed": seed, "count": count})
        return
    what = f"{count} mutant{'s' if count > 1 else ''} of {source}, of seed {seed}"
    print_line(one_line(f"{output}: {what}"))


def _write(mutants: Iterator[Path], count: int, output: Path) -> None:
    """Write mutants; errors say how many of them there are."""
    written = 0
    try:
        for _ in mutants:
            written += 1
    except OSError as error:  # on a full disk, it names no file
        reason = f"{error.strerror or error}; {_so_far(written, count)}"
        raise DyncritError(reason, str(error.filename or output)) from error
    except DyncritError as error:
        if not written:
            raise
        raise type(error)(f"{error.problem}; {_so_far(written, count)}", *error.place) from error
    except KeyboardInterrupt:
        say(f"{output}: {_so_far(written, count)}")
        raise


def _so_far(written: int, count: int) -> str:
    return f"{written} of {count} mutants written"


def _weights(given: tuple[str, ...], layers: tuple[str, ...]) -> dict[str, int]:
    """The weights by the names of mutations; raises UsageError for what is none, or isn't of the layers."""
    from dyncrit.errors import did_you_mean
    from dyncrit.fuzz.mutate.catalogue import all_mutations

    known = {mutation.name: mutation.layer for mutation in all_mutations()}
    weights = {}
    for text in given:
        match = re.fullmatch(r"(.+)=([0-9]{1,6})", text)
        if match is None:
            raise click.UsageError(f"--weight {text!r}: expected NAME=N, such as boundary=20, N up to 999999")
        if match[1] not in known:
            hint = did_you_mean(match[1], known)
            raise click.UsageError(f"--weight: there is no mutation {match[1]!r}{hint} (--list has all)")
        if layers and known[match[1]] not in layers:
            raise click.UsageError(
                f"--weight {text}: that is of the layer {known[match[1]]}, which --layer leaves out"
            )
        weights[match[1]] = int(match[2])
    return weights


def _print_mutations(layers: tuple[str, ...], weights: dict[str, int], *, as_json: bool) -> None:
    from dyncrit.cli.tables import print_table
    from dyncrit.fuzz.mutate.catalogue import all_mutations

    rows = [
        (item.name, item.layer, weights.get(item.name, item.weight), item.description)
        for item in all_mutations()
        if not layers or item.layer in layers
    ]
    if as_json:
        print_json(
            [dict(zip(("mutation", "layer", "weight", "description"), row, strict=True)) for row in rows]
        )
        return
    print_table(("mutation", "layer", "weight", "what it does"), rows, numbers=("weight",))
