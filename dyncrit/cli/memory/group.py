"""``dyncrit memory``: finds the subcommand."""

from __future__ import annotations

import click

from dyncrit.cli.lazy import LazyGroup

_COMMANDS = {
    "maps": "dyncrit.cli.memory.maps",
    "read": "dyncrit.cli.memory.read",
    "search": "dyncrit.cli.memory.search",
    "strings": "dyncrit.cli.memory.strings",
    "dump": "dyncrit.cli.memory.dump",
    "write": "dyncrit.cli.memory.write",
}


@click.group(
    "memory",
    cls=LazyGroup,
    modules=_COMMANDS,
    epilog="Example: dyncrit memory search checkpoint.tar.zst -p 1 'DEMO_PASSWORD='",
)
def command() -> None:
    """Look into the memory of processes, and write to it."""
