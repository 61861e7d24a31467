"""``dyncrit memory``: finds the subcommand."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "maps": "dyncrit.cli.memory.maps",
    "read": "dyncrit.cli.memory.read",
    "search": "dyncrit.cli.memory.search",
    "strings": "dyncrit.cli.memory.strings",
    "dump": "dyncrit.cli.memory.dump",
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


@click.group(
    "memory", cls=_Group, epilog="Example: dyncrit memory search checkpoint.tar.zst -p 1 'DEMO_PASSWORD='"
)
def command() -> None:
    """Look into the memory of processes."""
