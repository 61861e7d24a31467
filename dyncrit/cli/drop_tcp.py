"""``dyncrit drop-tcp``: takes TCP connections out of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("drop-tcp", epilog="Example: dyncrit drop-tcp checkpoint.tar.zst")
@CHECKPOINT
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, dry_run: bool, as_json: bool) -> int:
    """Take TCP connections out, so that the checkpoint restores anywhere without --tcp-established.

    Programs keep the sockets and find the connections closed: reading gives the end, writing fails. Data that
    wasn't read or delivered goes. Sockets that listen stay.
    """
    from dyncrit.edit.network.tcp import drop_tcp

    return change(
        ctx,
        checkpoint,
        drop_tcp,
        dry_run=dry_run,
        as_json=as_json,
        nothing="there are no TCP connections",
        required=False,
    )
