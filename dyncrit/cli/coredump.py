"""``dyncrit coredump``: a process as a core file for a debugger."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, opened, report
from dyncrit.cli.streams import print_json, say


@click.command(
    "coredump", epilog="Example: dyncrit coredump checkpoint.tar.zst -p 1 -o core; gdb -c core ./program"
)
@CHECKPOINT
@click.option("-p", "--pid", type=int, required=True, help="The process.")
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The core file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, pid: int, output: Path, as_json: bool) -> int:
    """Write a process as an ELF core file: its memory, and all threads' registers.

    Pages of files that weren't changed are not in a dump: debuggers read them from the files.
    """
    from dataclasses import asdict

    from dyncrit.atomic import open_atomic
    from dyncrit.cli.tables import human_size
    from dyncrit.explore.coredump import write_core

    with opened(ctx, checkpoint) as found:
        process = found.processes[pid]
        with open_atomic(output) as file:
            summary = write_core(process, file)
        if as_json:
            print_json(asdict(summary))
        else:
            threads = f"{len(summary.threads)} thread{'s' if len(summary.threads) > 1 else ''}"
            click.echo(
                f"{output}: {summary.machine}, {summary.bits} bits, {threads}, {summary.segments} segments, "
                f"{human_size(summary.data)} of memory; {human_size(summary.missing)} are not in the dump"
            )
        for problem in summary.problems:
            say(problem)
        return report(found.problems)
