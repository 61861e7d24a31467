"""``dyncrit memory read``: bytes at an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, opened, report
from dyncrit.cli.memory.choosing import PID, only_process
from dyncrit.cli.parameters import ADDRESS, LENGTH, output_option
from dyncrit.cli.streams import open_output

if TYPE_CHECKING:
    from pathlib import Path


@click.command("read", epilog="Example: dyncrit memory read checkpoint/ -p 1 7ffc0000a000 256")
@CHECKPOINT
@click.argument("address", type=ADDRESS)
@click.argument("length", type=LENGTH)
@PID
@click.option("--raw", is_flag=True, help="Write the bytes instead of lines in hex.")
@output_option("FILE", "Write the bytes there.")
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    address: int,
    length: int,
    pid: int | None,
    raw: bool,
    output: Path | None,
) -> int:
    """Show LENGTH bytes at ADDRESS, in lines as xxd prints them."""
    from dyncrit.explore.hexdump import buffers, hexdump

    with opened(ctx, checkpoint) as found:
        pieces = list(only_process(found, pid).memory.readable(address, address + length))
        with open_output(output, binary=raw or output is not None) as file:
            if raw or output is not None:
                file.writelines(buffers(pieces))
            else:
                file.writelines(f"{line}\n".encode() for line in hexdump(buffers(pieces), address))
        return report(found.all_problems)
