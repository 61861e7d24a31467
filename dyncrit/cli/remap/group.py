"""``dyncrit remap``: finds the subcommand."""

from __future__ import annotations

import click

from dyncrit.cli.lazy import LazyGroup

_COMMANDS = {
    "ip": "dyncrit.cli.remap.ip",
    "port": "dyncrit.cli.remap.port",
    "path": "dyncrit.cli.remap.path",
    "cgroup": "dyncrit.cli.remap.cgroup",
    "id": "dyncrit.cli.remap.id_",
    "tty": "dyncrit.cli.remap.tty",
}


@click.group(
    "remap",
    cls=LazyGroup,
    modules=_COMMANDS,
    epilog="Example: dyncrit remap ip checkpoint.tar.zst 10.0.0.7 10.0.0.8",
)
def command() -> None:
    """Move a checkpoint to another address, port, path, control group, container id or terminal."""
