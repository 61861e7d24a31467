"""``dyncrit schema stubs``: types of a schema's messages for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.parameters import NEW_FOLDER
from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from pathlib import Path


@click.command("stubs", epilog="Example: dyncrit schema stubs -o criu_stubs")
@NEW_FOLDER
@schema_options
@click.pass_context
def command(ctx: click.Context, output: Path) -> None:
    """Write .pyi files for the schema's messages, so that editors and mypy know their fields.

    The folder's name is the package's, a module of it is a .proto file: thread_info_x86 of core-x86.proto is
    criu_stubs.core_x86.thread_info_x86. It is for type checkers only: import it under TYPE_CHECKING, and tell
    what an entry holds with cast("core_entry", entry.message).
    """
    from dyncrit.schema.stubs import write_stubs

    choice = ctx.ensure_object(SchemaChoice)
    source = choice.schema().source
    files = write_stubs(source, output, use_cache=not choice.no_cache)
    say(f"{len(files)} files of {source.name} in {output}")
