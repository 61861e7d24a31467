"""``dyncrit drop-file-checks``: let a restore take other versions of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "drop-file-checks",
    epilog="Examples: dyncrit drop-file-checks checkpoint/; "
    "dyncrit drop-file-checks --size --dry-run checkpoint.tar.zst",
)
@CHECKPOINT
@click.option("--size", is_flag=True, help="Drop the sizes; with none of these options, all are dropped.")
@click.option("--build-id", is_flag=True, help="Drop the build-ids of programs and libraries, and checksums.")
@click.option("--mode", is_flag=True, help="Drop the modes (type and permissions).")
@edit_options
@click.pass_context
def command(
    ctx: click.Context, checkpoint: Path, size: bool, build_id: bool, mode: bool, dry_run: bool, as_json: bool
) -> int:
    """Let a restore take other versions of files.

    A restore compares the size, the build-id and the mode of every file with those in the images, and
    refuses it if they differ. This drops what it compares with, for logs that grew, say. The modes of
    terminals are kept, since a restore sets them.

    What then becomes of a process that has another version of its program or of a library mapped, is up
    to you: its addresses are those of the old one, and it may crash or do anything. (criu restore has
    --skip-file-rwx-check for permissions, and --file-validation filesize for build-ids.)
    """
    from dyncrit.edit.file_checks import drop_file_checks

    every = not (size or build_id or mode)
    return change(
        ctx,
        checkpoint,
        lambda edit: drop_file_checks(
            edit, size=size or every, build_id=build_id or every, mode=mode or every
        ),
        dry_run=dry_run,
        as_json=as_json,
        nothing="there is nothing to drop: no file has such checks",
        required=False,
    )
