"""``dyncrit remap id``: a container goes by another id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("id", epilog="Example: dyncrit remap id container.tar.zst 4d1c8f2a0b3e 77e0c9d5a612")
@CHECKPOINT
@click.argument("old")
@click.argument("new")
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, old: str, new: str, dry_run: bool, as_json: bool) -> int:
    """Put the container id NEW where OLD stands.

    OLD is an id or a name, and counts only as a whole: between other characters than letters and digits, as
    in libpod-OLD.scope. The first digits of an id are an id of their own: change them, too, if they are used.

    Changed are control groups, mounts, paths of files, unix sockets, keys of external namespaces, and the
    JSON files of the container engine beside the images. Left alone are the host name (set-hostname), logs,
    archives of file systems, and what processes hold in memory.
    """
    from dyncrit.edit.places.container_id import remap_container_id
    from dyncrit.edit.places.id_in_text import Token

    try:
        Token.of(old, new)
    except DyncritError as error:
        raise click.UsageError(str(error), ctx) from None
    return change(
        ctx,
        checkpoint,
        lambda edit: remap_container_id(edit, old, new),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"{old} stands nowhere",
    )
