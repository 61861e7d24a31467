"""``dyncrit memory maps``: what is mapped where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, opened, report
from dyncrit.cli.memory.choosing import PID, processes_with_memory
from dyncrit.cli.streams import print_json, print_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.types import JsonObject


@click.command("maps", epilog="Example: dyncrit memory maps checkpoint/ -p 1")
@CHECKPOINT
@PID
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, pid: int | None, as_json: bool) -> int:
    """List mappings as /proc/PID/smaps does: range, protection, offset, what of it the dump holds, name."""
    with opened(ctx, checkpoint) as found:
        chosen = [
            (process.pid, _describe_maps(process.memory)) for process in processes_with_memory(found, pid)
        ]
        if as_json:
            print_json([{"pid": number, "maps": list(rows)} for number, rows in chosen])
        else:
            for number, rows in chosen:
                _print_maps(number, rows, headed=len(chosen) > 1)
        return report(found.all_problems)


def _describe_maps(space: AddressSpace) -> Iterator[JsonObject]:
    for vma in space.vmas:
        resident = space.resident_of(vma)
        yield {
            "start": f"{vma.start:x}",
            "end": f"{vma.end:x}",
            "permissions": vma.permissions,
            "offset": vma.offset,
            "size": vma.size,
            "resident": resident,
            "resident_pages": resident // space.page_size,
            "kind": vma.kind.value,
            "name": vma.name,
            "advice": list(vma.advice),
        }


def _print_maps(pid: int, rows: Iterable[JsonObject], *, headed: bool) -> None:
    from dyncrit.cli.tables import print_table

    if headed:
        print_line(f"process {pid}")
    heads = ("range", "perm", "offset", "KiB", "resident", "kind", "name")
    print_table(
        heads,
        (
            (
                f"{row['start']}-{row['end']}",
                row["permissions"],
                f"{row['offset']:x}",
                row["size"] >> 10,
                row["resident"] >> 10,
                row["kind"],
                row["name"],
            )
            for row in rows
        ),
        numbers=("offset", "KiB", "resident"),
    )
