"""``dyncrit remap path``: files, mounts and sockets below one path are below another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("path", epilog="Example: dyncrit remap path checkpoint/ /srv/app /data/app")
@CHECKPOINT
@click.argument("old")
@click.argument("new")
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, old: str, new: str, dry_run: bool, as_json: bool) -> int:
    """Move what the processes know by the path OLD to NEW.

    OLD itself and all below it, by whole components: /srv/a stands for /srv/a/b, and not for /srv/ab. Paths
    are as the processes see them, within their mount namespaces.

    Changed are open files, and with them working directories, programs and mapped files; deleted files and
    the links that stand in for them; watched paths; mounts (mountpoint, what is bound, source, the key of an
    external one, directories of an overlay); unix sockets. If both are @NAME, abstract names of unix
    sockets change, and nothing else.

    The files must be at NEW for a restore. CRIU compares their sizes, build-ids and modes with those at the
    dump: drop-file-checks lets others pass. Left alone are what processes hold in memory (arguments and
    environment too), archives of tmpfs mounts that the checkpoint carries, and files of a container engine.
    """
    from dyncrit.edit.places.paths import remap_path
    from dyncrit.edit.places.prefix import parse_prefix

    try:
        parse_prefix(old, new)
    except DyncritError as error:
        raise click.UsageError(str(error), ctx) from None
    return change(
        ctx,
        checkpoint,
        lambda edit: remap_path(edit, old, new),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"nothing is at {old}, or below it",
    )
