"""``dyncrit remap cgroup``: control groups below one path are below another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("cgroup", epilog="Example: dyncrit remap cgroup checkpoint/ /docker /machine.slice/docker")
@CHECKPOINT
@click.argument("old")
@click.argument("new")
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, old: str, new: str, dry_run: bool, as_json: bool) -> int:
    """Move the control group OLD, and all below it, to NEW.

    Paths are from the root of a hierarchy, as the host sees them (/docker/0123...), and change in all
    hierarchies, by whole components. Changed are the groups of processes, the part of their paths that a
    cgroup namespace hides, the directories with their settings, and what of a hierarchy is mounted.

    Open files below /sys/fs/cgroup have paths: remap path changes them.
    """
    from dyncrit.edit.places.cgroups import remap_cgroup
    from dyncrit.edit.places.prefix import PathPrefix

    try:
        PathPrefix.of(old, new)
    except DyncritError as error:
        raise click.UsageError(str(error), ctx) from None
    return change(
        ctx,
        checkpoint,
        lambda edit: remap_cgroup(edit, old, new),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"no control group is {old}, or below it",
    )
