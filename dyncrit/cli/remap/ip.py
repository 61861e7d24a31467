"""``dyncrit remap ip``: moves a checkpoint to other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "ip",
    epilog="Examples: dyncrit remap ip checkpoint/ 10.0.0.7 10.0.0.8; "
    "dyncrit remap ip --dry-run checkpoint.tar.zst 10.0.0.0/24 10.1.0.0/24",
)
@CHECKPOINT
@click.argument("old")
@click.argument("new")
@edit_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, old: str, new: str, dry_run: bool, as_json: bool) -> int:
    """Change the address OLD to NEW, or those of a network to one of the same size.

    Both ends of sockets change, an IPv4 address also in IPv6 sockets; of network namespaces the addresses of
    devices, routes, rules of routing and firewalls, tracked connections and tunnels; and the container's
    address in Podman's network.status. Where the engine's settings (config.dump, spec.dump) name the address,
    that is told, and left as it is.

    The host that restores needs NEW, and programs may know OLD from their memory. 0.0.0.0 and :: are changed
    only where they are OLD.
    """
    from dyncrit.edit.network.addresses import remap_address
    from dyncrit.edit.network.change import AddressChange

    try:
        AddressChange.parse(old, new)
    except DyncritError as error:
        raise click.UsageError(str(error), ctx) from None
    return change(
        ctx,
        checkpoint,
        lambda edit: remap_address(edit, old, new),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"nothing has an address of {old}",
    )
