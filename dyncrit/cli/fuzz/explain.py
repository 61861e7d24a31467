"""``dyncrit fuzz explain``: what was done to a mutated image or checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.streams import one_line, print_json, print_line, say
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from dyncrit.fuzz.mutate.explaining import Explanation


@click.command("explain", epilog="Example: dyncrit fuzz explain mutants/0007.img")
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Say what `dyncrit fuzz mutate` did to a file or a checkpoint, from the sidecar beside it.

    A folder that mutants were written to stands for all of them.

    Checks the hashes, too: whether it, and what it was made of, are as they were. The exit code is 1 where
    a mutant was changed since, or is gone, or has no sidecar; the others are explained all the same.
    """
    from dyncrit.fuzz.mutate.explaining import explain, mutants_at

    explanations = []
    mutants = tuple(mutant for path in files for mutant in mutants_at(path))
    for path in mutants:
        try:
            explanations.append(explain(path))
        except DyncritError as error:
            say(str(error))
        except OSError as error:
            say(f"{error.filename or path}: {error.strerror or error}")
    if as_json and explanations:
        shown = [explanation.to_dict() for explanation in explanations]
        print_json(shown[0] if mutants == files[:1] else shown)
    for explanation in explanations:
        if not as_json:
            for line in explanation.words():
                print_line(one_line(line))
        _warn(explanation)
    is_fine = len(explanations) == len(mutants) and all(item.result == "same" for item in explanations)
    return 0 if is_fine else 1


def _warn(explanation: Explanation) -> None:
    """Say on stderr what isn't as it was any more."""
    if explanation.source != "same":
        what = "is not there" if explanation.source == "missing" else "is another than it was"
        source = explanation.record.source
        hint = "" if Path(source).is_absolute() else f" (seen from {Path.cwd()})"
        say(f"warning: {source}: {what}{hint}")
    if explanation.result != "same":
        what = "is not there" if explanation.result == "missing" else "was changed since it was made"
        say(f"{explanation.path}: {what}")
