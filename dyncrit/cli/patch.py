"""``dyncrit patch``: a JSON Patch applied to an image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from dyncrit.cli.images import IMAGE, change_image, image_edit_options
from dyncrit.cli.streams import open_input
from dyncrit.errors import DyncritError

_MAX_PATCH = 256 << 20


@click.command("patch", epilog="Example: dyncrit patch core-1.img changes.json")
@IMAGE
@click.argument("patch", type=click.Path(path_type=Path), metavar="PATCH.json|-")
@click.option("--plain", is_flag=True, help="The patch is for the plain document, not the pretty one.")
@image_edit_options
@click.pass_context
def command(ctx: click.Context, image: Path, patch: Path, plain: bool, dry_run: bool, as_json: bool) -> int:
    """Apply a JSON Patch (RFC 6902) to an image, a file or ARCHIVE/NAME, and print what is different.

    Paths are those of the document that `decode --pretty` prints. Nothing is written if an operation can't be
    done, or a test fails.
    """
    from dyncrit.edit.general.patching import parse_patch, patch_image

    with open_input(patch, "a patch") as (file, name):
        text = file.read(_MAX_PATCH + 1)
    if len(text) > _MAX_PATCH:
        raise DyncritError(f"a patch of more than {_MAX_PATCH >> 20} MiB", name)
    operation = partial(patch_image, operations=parse_patch(text, name), pretty=not plain)
    return change_image(ctx, image, operation, dry_run=dry_run, as_json=as_json)
