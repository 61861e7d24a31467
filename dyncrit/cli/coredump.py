"""``dyncrit coredump``: a process as a core file for a debugger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, note_lost, opened, report
from dyncrit.cli.parameters import output_option
from dyncrit.cli.streams import is_stdout, one_line, open_output, print_json, print_line, say

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "coredump", epilog="Example: dyncrit coredump checkpoint.tar.zst -p 1 -o core; gdb -c core ./program"
)
@CHECKPOINT
@click.option("-p", "--pid", type=int, required=True, help="The process.")
@output_option("FILE", "The core file.", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, pid: int, output: Path, as_json: bool) -> int:
    """Write a process as a core file for gdb.

    An ELF file with its memory and all threads' registers. Pages of files that weren't changed are not in a
    dump: debuggers read them from the files.
    """
    from dataclasses import asdict

    from dyncrit.cli.tables import human_size
    from dyncrit.explore.coredump import write_core

    with opened(ctx, checkpoint) as found:
        process = found.processes[pid]
        with open_output(output, binary=True) as file:
            summary = write_core(process, file)
        if as_json:
            print_json(asdict(summary))
        else:
            threads = f"{len(summary.threads)} thread{'s' if len(summary.threads) > 1 else ''}"
            parts = f"{summary.machine}, {summary.bits} bits, {threads}, {summary.segments} segments"
            left_out = summary.missing - summary.lost
            memory = f"{human_size(summary.data)} of memory; {human_size(left_out)} are not in dumps"
            tell = say if is_stdout(output) else print_line
            tell(f"{one_line(str(output))}: {parts}, {memory}")
        for problem in summary.problems:
            say(problem)
        note_lost(process)
        return report(found.all_problems)
