"""``dyncrit memory dump``: memory as a file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, note_lost, opened, report
from dyncrit.cli.memory.choosing import PID, mapping_name, only_process, selection_options
from dyncrit.cli.parameters import output_option
from dyncrit.cli.streams import is_stdout, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.cli.memory.choosing import Selection
    from dyncrit.explore.memory_dump import DumpedRange


@click.command("dump", epilog="Example: dyncrit memory dump checkpoint/ -p 1 --kind heap -o heap.bin")
@CHECKPOINT
@PID
@output_option("FILE", "The file to write.", required=True)
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print where what stands in FILE as JSON.")
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context, checkpoint: Path, pid: int | None, output: Path, selection: Selection, as_json: bool
) -> int:
    """Write memory to a file: mappings one after the other, sparse where they are zeros or not in the dump.

    All mappings of which the dump holds something, or those that are asked for; prints where each stands.
    """
    from dyncrit.atomic import open_atomic
    from dyncrit.cli.progress import advancing
    from dyncrit.errors import DyncritError
    from dyncrit.explore.memory_dump import dump_ranges

    if is_stdout(output):
        raise click.UsageError("memory is written with holes, which stdout can't have: name a file with -o")
    with opened(ctx, checkpoint) as found:
        process = only_process(found, pid)
        space = process.memory
        chosen = selection.of(space)
        if not chosen:
            raise click.UsageError("nothing of its memory fits what is asked for")
        if not selection:
            chosen = [(vma.start, vma.end) for vma in space.vmas if space.resident_of(vma)]
        if not chosen:
            note_lost(process)
            report(found.all_problems)
            raise DyncritError("nothing of its memory is in the dump", f"process {process.pid}")
        total = partial(_data_in, space, chosen)
        with open_atomic(output) as file, advancing("writing", total) as progress:
            written = dump_ranges(space, chosen, file, progress)
        if as_json:
            named = ({**item.to_dict(), "name": mapping_name(space.vma_at(item.start))} for item in written)
            print_json(list(named))
        else:
            _print_dumped(space, written)
        note_lost(process, chosen)
        return report(found.all_problems)


def _data_in(space: AddressSpace, ranges: Iterable[tuple[int, int]]) -> int:
    return sum(space.resident(start, end) for start, end in ranges)


def _print_dumped(space: AddressSpace, written: Iterable[DumpedRange]) -> None:
    from dyncrit.cli.tables import print_table

    rows = (
        (
            f"{item.offset:x}",
            f"{item.start:x}-{item.end:x}",
            item.held >> 10,
            item.missing >> 10,
            item.lost >> 10,
            mapping_name(space.vma_at(item.start)),
        )
        for item in written
    )
    heads = ("offset", "range", "KiB held", "KiB not dumped", "KiB lost", "name")
    print_table(heads, rows, numbers=heads[:1] + heads[2:5])
