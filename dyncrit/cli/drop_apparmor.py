"""``dyncrit drop-apparmor``: restore without AppArmor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("drop-apparmor", epilog="Example: dyncrit drop-apparmor checkpoint/")
@CHECKPOINT
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, dry_run: bool, as_json: bool) -> int:
    """Take AppArmor's profiles out of all processes, and its policies.

    They can then be restored on a host without AppArmor, or without these profiles, and are confined as
    the restore itself is: do this only to checkpoints that you trust. Labels of SELinux are left alone, and
    so is what a container engine's files say of profiles.
    """
    from dyncrit.edit.apparmor import drop_apparmor

    return change(
        ctx,
        checkpoint,
        drop_apparmor,
        dry_run=dry_run,
        as_json=as_json,
        nothing="there is nothing to drop: no process has a profile of AppArmor",
        required=False,
    )
