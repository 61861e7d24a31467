"""``dyncrit set-hostname``: restore under another host name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched


@click.command(
    "set-hostname",
    epilog="Examples: dyncrit set-hostname checkpoint.tar.zst web-2; "
    "dyncrit set-hostname --domain example.org checkpoint/ web-2",
)
@CHECKPOINT
@click.argument("name")
@click.option("--domain", metavar="NAME", help="Set the (NIS) domain name, too.")
@click.option(
    "--namespace",
    type=int,
    metavar="ID",
    help="The UTS namespace; by default, the only one. See `x CHECKPOINT namespaces`.",
)
@click.option("-p", "--pid", type=int, help="The UTS namespace of this process.")
@edit_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    name: str,
    domain: str | None,
    namespace: int | None,
    pid: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Give the processes of a UTS namespace another host name.

    What the files of Podman, CRI-O and containerd say of it changes, too. Not in the images, and so for you
    to change, is what is in /etc/hostname and /etc/hosts; $HOSTNAME of processes stays as well (see
    set-env). Processes without a UTS namespace of their own have the name of the host that they are on.
    """
    if pid is not None and namespace is not None:
        raise click.UsageError("--pid and --namespace both choose a namespace; give one")

    def operation(edit: Edit) -> Iterable[Touched]:
        from dyncrit.edit.hostname import set_hostname, uts_namespace

        chosen = namespace if pid is None else uts_namespace(edit, pid)
        return set_hostname(edit, name, namespace=chosen, domain=domain)

    return change(
        ctx,
        checkpoint,
        operation,
        dry_run=dry_run,
        as_json=as_json,
        nothing="there is nothing to change: it is called so already",
        required=False,
    )
