"""What commands share that read or change images by their paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dyncrit.cli.checkpoints import chosen_limits, chosen_parents, limit_options
from dyncrit.cli.choice import SchemaChoice
from dyncrit.cli.editing import dry_run_options, found_differences, print_changes
from dyncrit.cli.streams import print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.general.source import Reading

Function = TypeVar("Function", bound="Callable[..., Any]")

IMAGE = click.argument("image", type=click.Path(path_type=Path))
"""The image that a command changes: a file, or ARCHIVE/NAME."""

SOURCE = click.argument("source", type=click.Path(path_type=Path), metavar="IMAGE|CHECKPOINT")
"""The image or the checkpoint that a command reads."""


def image_edit_options(function: Function) -> Function:
    """The options of every command that changes an image."""
    return dry_run_options(limit_options(function))


def change_image(
    ctx: click.Context, path: Path, operation: Callable[[Edit, str], object], *, dry_run: bool, as_json: bool
) -> int:
    """Change an image by ``operation``, which gets the edit and the image's name, and tell what changed."""
    from dyncrit.edit.opening import edit_image

    schema = ctx.ensure_object(SchemaChoice).schema()
    with edit_image(path, schema=schema, limits=chosen_limits(ctx), dry_run=dry_run) as (edit, name):
        operation(edit, name)
        changes = found_differences(edit)
    if as_json:
        print_json({"dry_run": dry_run, "changes": [item.to_dict() for item in changes]})
    elif changes:
        print_changes(changes)
    else:
        say(f"{path}: nothing is different, so nothing was written")
    return 0


def read_source(ctx: click.Context, path: Path) -> AbstractContextManager[Reading]:
    """The image or the checkpoint that a command reads."""
    from dyncrit.edit.general.source import open_source

    schema = ctx.ensure_object(SchemaChoice).schema()
    return open_source(path, schema=schema, parents=chosen_parents(ctx), limits=chosen_limits(ctx))
