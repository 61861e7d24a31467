"""``dyncrit drop-seccomp``: restore without system call filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("drop-seccomp", epilog="Example: dyncrit drop-seccomp checkpoint/")
@CHECKPOINT
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, dry_run: bool, as_json: bool) -> int:
    """Take the system call filters (seccomp) out of all processes.

    They are restored without, so nothing keeps them from any system call any more: do this only to
    checkpoints that you trust. The flag no_new_privs stays as it is.
    """
    from dyncrit.edit.seccomp import drop_seccomp

    return change(
        ctx,
        checkpoint,
        drop_seccomp,
        dry_run=dry_run,
        as_json=as_json,
        nothing="there is nothing to drop: no process has system call filters",
        required=False,
    )
