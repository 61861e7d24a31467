"""``dyncrit extract``: what the images carry, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import checkpoint_options, chosen_limits, opened, report
from dyncrit.cli.parameters import NEW_FOLDER
from dyncrit.cli.streams import print_json, say
from dyncrit.cli.tables import human_size, print_table

if TYPE_CHECKING:
    from dyncrit.explore.extract import Extraction, Item


@click.command("extract", epilog="Example: dyncrit extract checkpoint.tar.gz -o extracted/")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@NEW_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print the listing as JSON, as extract.json has it.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, output: Path, as_json: bool) -> int:
    """Write what a checkpoint's images carry to files.

    Deleted files that were open (ghost files), memory files and shared memory, what waited in pipes, fifos,
    sockets, terminals and message queues, BPF maps, the trees of tmpfs mounts, rules of the firewall.
    DIR/extract.json lists them with names, owners, modes and times. Links, devices and fifos are only listed.
    """
    from dyncrit.explore.extract import extract

    with opened(ctx, checkpoint) as found:
        extraction = extract(found, output, chosen_limits(ctx))
        if as_json:
            print_json(extraction.to_dict())
        else:
            _show(extraction, output)
        return report(found.all_problems)


def _show(extraction: Extraction, output: Path) -> None:
    if not extraction.items:
        say(f"the images carry no files; {output} has an empty listing")
        return
    heads = ("KIND", "ID", "NAME", "TYPE", "OWNER", "MODE", "SIZE", "FILE", "NOTES")
    print_table(heads, (_row(item) for item in extraction.items), numbers=("SIZE",))


def _row(item: Item) -> tuple[object, ...]:
    owner = "" if item.uid is None else f"{item.uid}:{item.gid}"
    mode = "" if item.mode is None else f"{item.mode:04o}"
    size = "" if item.size is None else human_size(item.size)
    name = f"{item.name} -> {item.target}" if item.target else item.name
    return item.kind, item.id, name, item.type, owner, mode, size, item.file, "; ".join(item.notes)
