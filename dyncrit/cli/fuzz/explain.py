"""``dyncrit fuzz explain``: what was done to a mutated image or checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.streams import one_line, print_json, print_line, say


@click.command("explain", epilog="Example: dyncrit fuzz explain mutants/0007.img")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Say what `dyncrit fuzz mutate` did to a file or a checkpoint, from the sidecar beside it.

    Checks the hashes, too: whether it, and what it was made of, are as they were. The exit code is 1 where
    a mutant was changed since, or is gone.
    """
    from dyncrit.fuzz.mutate.explaining import explain

    explanations = [explain(path) for path in files]
    if as_json:
        shown = [explanation.to_dict() for explanation in explanations]
        print_json(shown[0] if len(shown) == 1 else shown)
    code = 0
    for explanation in explanations:
        if not as_json:
            for line in explanation.words():
                print_line(one_line(line))
        if explanation.source != "same":
            what = "is not there" if explanation.source == "missing" else "is another than it was"
            say(f"warning: {explanation.record.source}: {what}")
        if explanation.result != "same":
            what = "is not there" if explanation.result == "missing" else "was changed since it was made"
            say(f"{explanation.path}: {what}")
            code = 1
    return code
