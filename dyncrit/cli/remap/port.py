"""``dyncrit remap port``: moves sockets to another port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path

_PORT = click.IntRange(1, 65535)
_PROTOCOLS = ("tcp", "udp", "udplite")


@click.command(
    "port",
    epilog="Examples: dyncrit remap port checkpoint/ 8080 80 --proto tcp; "
    "dyncrit remap port --connected checkpoint.tar.zst 5432 15432",
)
@CHECKPOINT
@click.argument("old", type=_PORT)
@click.argument("new", type=_PORT)
@click.option("--proto", type=click.Choice(_PROTOCOLS), help="Only sockets of this protocol.")
@click.option(
    "--connected",
    is_flag=True,
    help="Also connected sockets; where both ends are in the checkpoint, both are changed.",
)
@edit_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    old: int,
    new: int,
    proto: str | None,
    connected: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Change the port OLD to NEW, of sockets that listen on it or are bound to it.

    Connections keep their ports, with or without the listener that they came through, unless --connected is
    given: their other ends, if they are outside, know the old one only. Where firewall rules and the engine's
    settings name the port, that is told, and left as it is.
    """
    if old == new:
        raise click.UsageError(f"OLD and NEW are both {old}", ctx)
    from dyncrit.edit.network.ports import remap_port

    return change(
        ctx,
        checkpoint,
        lambda edit: remap_port(edit, old, new, protocol=proto, connected=connected),
        dry_run=dry_run,
        as_json=as_json,
        nothing=_nothing(old, proto, connected=connected),
    )


def _nothing(port: int, protocol: str | None, *, connected: bool) -> str:
    text = f"no {f'{protocol} ' if protocol else ''}socket has the port {port}"
    return text if connected else f"{text}; connected ones would be changed with --connected"
