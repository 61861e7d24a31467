"""``dyncrit x``: views of a checkpoint, CRIT's and more."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options, opened, report
from dyncrit.cli.streams import encoded, one_line, open_output, print_line
from dyncrit.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.explore.views.tables import Column
    from dyncrit.types import JsonObject

_ALIASES = {"fd": "fds", "mem": "mems"}
_LINES = ("ps", "fds", "mems", "rss")
_TABLES = ("threads", "mounts", "namespaces", "signals", "caps", "cgroups", "timers", "limits", "sockets")
_NAMES = (*_LINES, *_ALIASES, "sk", "env", *_TABLES)
_BATCH = 4096


@click.command("x", epilog="Example: dyncrit x checkpoint/ ps; dyncrit x checkpoint.tar.zst fds --json -p 1")
@click.argument("path", metavar="CHECKPOINT", type=click.Path(path_type=Path))
@click.argument("view", metavar="VIEW", type=click.Choice(_NAMES))
@click.option("-p", "--pid", type=int, metavar="PID", help="Show this process only.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: go-crit's keys for ps, fds, mems, rss and sk."
)
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, path: Path, view: str, pid: int | None, as_json: bool) -> int:
    """Show views of a checkpoint: CRIT's, and more.

    VIEW is one that CRIT has, with its text: ps (the process tree), fds (open files), mems (mappings), rss
    (memory in the dump); or sk (sockets of each process), threads, mounts, namespaces, signals, caps,
    cgroups, timers, limits, sockets, env. fd and mem are short for fds and mems.
    """
    name = _ALIASES.get(view, view)
    with opened(ctx, path) as checkpoint:
        processes = _processes(checkpoint, pid)
        show = _show_json if as_json else _show_text
        show(name, checkpoint, processes)
        return report(checkpoint.all_problems)


def _processes(checkpoint: Checkpoint, pid: int | None) -> Sequence[Process]:

    checkpoint.require_processes()
    return list(checkpoint.processes) if pid is None else [checkpoint.processes[pid]]


def _show_text(view: str, checkpoint: Checkpoint, processes: Sequence[Process]) -> None:
    if view in _LINES:
        from dyncrit.explore.views.crit_text import CRIT_VIEWS

        _print_lines(CRIT_VIEWS[view](checkpoint, processes))
    elif view == "env":
        from dyncrit.explore.views.rows import environment_lines

        _print_lines(environment_lines(checkpoint, processes))
    elif view == "sk":
        _print_sockets(checkpoint, processes)
    else:
        from dyncrit.explore.views.tables import VIEWS

        _print_rows(VIEWS[view].rows(checkpoint, processes), VIEWS[view].columns)


def _show_json(view: str, checkpoint: Checkpoint, processes: Sequence[Process]) -> None:
    from dyncrit.cli.documents import print_document
    from dyncrit.explore.views.gocrit import GOCRIT_VIEWS

    if view in GOCRIT_VIEWS:
        print_document(GOCRIT_VIEWS[view](checkpoint, processes))
    elif view == "env":
        from dyncrit.explore.views.rows import environment_rows

        print_document(environment_rows(checkpoint, processes))
    else:
        from dyncrit.explore.views.tables import VIEWS

        print_document(VIEWS[view].rows(checkpoint, processes))


def _print_lines(lines: Iterable[str]) -> None:
    """Lines with nothing in them that a terminal would obey, but the tab that they may begin with."""
    source = iter(lines)
    with open_output(None, binary=False) as output:
        while batch := list(islice(source, _BATCH)):
            output.write(encoded(_printable(batch)))


def _printable(batch: Sequence[str]) -> str:
    text = "\n".join(batch) + "\n"
    inner = f"\n{text}".replace("\n\t", "\n")
    if inner.count("\n") == len(batch) + 1 and inner.replace("\n", "").isprintable():
        return text  # nearly always: nothing is to be done line by line
    return "".join(
        f"\t{one_line(line[1:])}\n" if line.startswith("\t") else f"{one_line(line)}\n" for line in batch
    )


def _print_sockets(checkpoint: Checkpoint, processes: Sequence[Process]) -> None:
    from dyncrit.explore.views.rows import sockets_held
    from dyncrit.explore.views.tables import SOCKETS_HELD

    for process in processes:
        print_line(str(process.pid))
        rows = list(sockets_held(checkpoint, process))
        if rows:
            _print_rows(rows, SOCKETS_HELD)
    sys.stdout.flush()


def _print_rows(rows: Iterable[JsonObject], columns: Sequence[Column]) -> None:
    heads = [column.head for column in columns]
    numbers = [column.head for column in columns if column.is_number]
    print_table(heads, ([column.show(row) for column in columns] for row in rows), numbers=numbers)
