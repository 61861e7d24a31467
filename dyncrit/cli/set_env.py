"""``dyncrit set-env``: another value for a variable of a process's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("set-env", epilog="Example: dyncrit set-env checkpoint.tar.zst -p 1 DATABASE=db2.example.org")
@CHECKPOINT
@click.argument("assignment", metavar="[NAME=VALUE]", required=False)
@click.option("-p", "--pid", type=int, help="The process; by default the only one.")
@click.option("--unset", metavar="NAME", help="Take a variable out instead.")
@edit_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    assignment: str | None,
    pid: int | None,
    unset: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Set a variable in the environment of a process: what its getenv() and /proc/PID/environ give.

    What the program made of its environment when it started can't be known and is left as it is: the
    variables of a shell, the os.environ of Python, copies that it took.
    """
    from dyncrit.cli.memory.choosing import only_process
    from dyncrit.edit.memory.environment import set_environment

    if (assignment is None) == (unset is None):
        raise click.UsageError("give NAME=VALUE, or --unset NAME")
    name, equals, value = (unset or assignment or "").partition("=")
    if unset is not None and equals:
        raise click.UsageError(f"--unset takes the name alone: {name!r:.80}")
    if unset is None and not equals:
        raise click.UsageError(f"{assignment!r:.80} has no value; expected NAME=VALUE")
    return change(
        ctx,
        checkpoint,
        lambda edit: set_environment(
            edit, only_process(edit.checkpoint, pid).pid, name, None if unset is not None else value
        ),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"{name} is {'not there' if unset is not None else 'that already'}; nothing was changed",
        required=False,
    )
