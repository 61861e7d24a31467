"""``dyncrit schema``: finds the subcommand."""

from __future__ import annotations

import click

from dyncrit.cli.lazy import LazyGroup

_COMMANDS = {
    "list": "dyncrit.cli.schema.list",
    "show": "dyncrit.cli.schema.show",
    "diff": "dyncrit.cli.schema.diff",
    "history": "dyncrit.cli.schema.history",
    "export": "dyncrit.cli.schema.export",
    "stubs": "dyncrit.cli.schema.stubs",
    "record": "dyncrit.cli.schema.record",
}


@click.group(
    "schema", cls=LazyGroup, modules=_COMMANDS, epilog="Example: dyncrit --proto-dir ~/criu schema show"
)
def command() -> None:
    """Tell about the schema: its messages and the image table."""
