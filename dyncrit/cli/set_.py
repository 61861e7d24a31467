"""``dyncrit set``: fields of an image set, appended and deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from dyncrit.cli.images import IMAGE, change_image, image_edit_options

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.edit.general.assigning import Deletion
    from dyncrit.edit.general.path import Assignment


@click.command(
    "set",
    epilog="Examples: dyncrit set files.img 'entries[type==REG && reg.name==/etc/motd].reg.name=/srv/motd'; "
    "dyncrit set files.img 'entries[3].reg.flags=O_RDWR | O_CLOEXEC' --dry-run; "
    "dyncrit set dump.tar.zst/core-1.img --delete 'entries[0].tc.seccomp_mode'",
)
@IMAGE
@click.argument("assignments", nargs=-1, metavar="[EXPR=VALUE]...")
@click.option(
    "--delete",
    "deletions",
    multiple=True,
    metavar="EXPR",
    help="Delete fields, items of lists, or entries; done last.",
)
@image_edit_options
@click.pass_context
def command(
    ctx: click.Context,
    image: Path,
    assignments: tuple[str, ...],
    deletions: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> int:
    """Set fields of an image (a file, or ARCHIVE/NAME), and print what is different.

    EXPR says which entries, and what in them: entries[3].reg.name, entries[-1], entries[*]. Conditions
    compare fields with ==, !=, <, <=, >, >= and are joined with &&, as in entries[type==REG && id>3]. A name
    alone asks whether there is such a field: entries[?reg]. Lists within entries are looked into alike.

    VALUE is in the field's own terms: O_RDWR | O_CLOEXEC, 10.0.0.7, 8:1, 0x7f00, names of an enum, true or
    false; text as it is, or as a JSON string in ""; bytes in base64, or as text:abc; messages and lists in
    JSON. EXPR+=VALUE appends to a list, entries+=VALUE an entry.

    Messages on the way that aren't there are made, unless EXPR has conditions or *.
    """
    from dyncrit.edit.general.assigning import change_fields
    from dyncrit.edit.general.path import PathError

    try:
        changes = _changes(assignments, deletions)
        operation = partial(change_fields, changes=changes)
        return change_image(ctx, image, operation, dry_run=dry_run, as_json=as_json)
    except PathError as error:
        raise click.UsageError(str(error)) from None


def _changes(assignments: tuple[str, ...], deletions: tuple[str, ...]) -> list[Assignment | Deletion]:
    from dyncrit.edit.general.assigning import Deletion
    from dyncrit.edit.general.path import parse_assignment, parse_path

    if not assignments and not deletions:
        raise click.UsageError("nothing to do: expected EXPR=VALUE or --delete EXPR")
    return [*map(parse_assignment, assignments), *(Deletion(parse_path(text)) for text in deletions)]
