"""``dyncrit fuzz``: finds the subcommand."""

from __future__ import annotations

import click

from dyncrit.cli.lazy import LazyGroup

_COMMANDS = {
    "generate": "dyncrit.cli.fuzz.generate",
    "mutate": "dyncrit.cli.fuzz.mutate",
    "explain": "dyncrit.cli.fuzz.explain",
    "run": "dyncrit.cli.fuzz.run",
    "replay": "dyncrit.cli.fuzz.replay",
    "seeds": "dyncrit.cli.fuzz.seeds",
}


@click.group(
    "fuzz",
    cls=LazyGroup,
    modules=_COMMANDS,
    epilog="Example: dyncrit fuzz generate --type CORE --count 1000 --seed 7 -o images/",
)
def command() -> None:
    """Make images, break them, and run programs on them."""
