"""``dyncrit completion``: the script that makes a shell complete dyncrit's words."""

from __future__ import annotations

import click


@click.command("completion", epilog='Example: eval "$(dyncrit completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script for SHELL; put its evaluation into the shell's start-up file."""
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None  # noqa: S101 (click has the three)
    click.echo(completion(ctx.find_root().command, {}, "dyncrit", "_DYNCRIT_COMPLETE").source())
