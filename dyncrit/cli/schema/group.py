"""``dyncrit schema``: finds the subcommand."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "list": "dyncrit.cli.schema.list",
    "show": "dyncrit.cli.schema.show",
    "diff": "dyncrit.cli.schema.diff",
    "history": "dyncrit.cli.schema.history",
    "export": "dyncrit.cli.schema.export",
    "stubs": "dyncrit.cli.schema.stubs",
    "record": "dyncrit.cli.schema.record",
}


class _Group(click.Group):
    """A group whose commands are imported when they are called (or listed)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group("schema", cls=_Group, epilog="Example: dyncrit --proto-dir ~/criu schema show")
def command() -> None:
    """Tell about the schema: its messages and the image table."""
