"""``dyncrit remap tty``: a pseudo terminal has another number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("tty", epilog="Example: dyncrit remap tty checkpoint/ /dev/pts/3 /dev/pts/5")
@CHECKPOINT
@click.argument("old")
@click.argument("new")
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, old: str, new: str, dry_run: bool, as_json: bool) -> int:
    """Give the pseudo terminal /dev/pts/OLD the number NEW.

    Both ends of it change: numbers and ids of the terminal, its device, the paths of files that are open on
    it, and mounts of it. NEW must be free where it is restored; one that the checkpoint has already is
    refused. A terminal that is given from outside goes by its new device then, which is printed:
    criu restore --inherit-fd 'fd[1]:tty[8805:2a]'.
    """
    from dyncrit.edit.places.terminals import remap_terminal, terminal_numbers

    try:
        numbers = terminal_numbers(old, new)
    except DyncritError as error:
        raise click.UsageError(str(error), ctx) from None
    return change(
        ctx,
        checkpoint,
        lambda edit: remap_terminal(edit, *numbers),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"there is no terminal /dev/pts/{numbers[0]}",
    )
