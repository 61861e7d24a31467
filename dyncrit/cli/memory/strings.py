"""``dyncrit memory strings``: the text in memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, note_lost, opened, report
from dyncrit.cli.memory.choosing import PID, processes_with_memory, resident_bytes, selection_options
from dyncrit.cli.streams import one_line, print_json_line, print_line

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.cli.memory.choosing import Selection

_ENCODINGS = ("ascii", "utf-8", "utf-16le", "latin-1")


@click.command("strings", epilog="Example: dyncrit memory strings checkpoint/ -p 1 --kind heap -n 8")
@CHECKPOINT
@PID
@click.option(
    "-n", "--minimum", default=4, show_default=True, type=click.IntRange(1, 4096), help="Characters at least."
)
@click.option("--encoding", default="ascii", show_default=True, type=click.Choice(_ENCODINGS))
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    pid: int | None,
    minimum: int,
    encoding: str,
    selection: Selection,
    as_json: bool,
) -> int:
    """List the text in memory with its addresses, like the command of that name for files."""
    from dyncrit.cli.progress import advancing
    from dyncrit.explore.strings import strings as find

    with opened(ctx, checkpoint) as found:
        for process in processes_with_memory(found, pid):
            chosen = selection.of(process.memory)
            with advancing(f"reading {process.pid}", partial(resident_bytes, process.memory)) as progress:
                for address, text in find(
                    process.memory, chosen, minimum=minimum, encoding=encoding, progress=progress
                ):
                    if as_json:
                        print_json_line({"pid": process.pid, "address": f"{address:x}", "text": text})
                    else:
                        print_line(f"{address:012x} {one_line(text)}")
            note_lost(process, chosen)
        return report(found.all_problems)
