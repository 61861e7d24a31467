"""Which schema a command works with: the options for it, and the schema they choose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.schema import Schema

_ENVIRONMENT = "DYNCRIT_PROTO_DIR"


class SchemaChoice:
    """What the options say of the schema; :meth:`schema` gives it, :meth:`reason` why it is that one."""

    def __init__(self) -> None:
        self.proto_dir: Path | None = None
        self.descriptor_set: Path | None = None
        self.criu: str | None = None
        self.table: Path | None = None
        self.no_cache = False
        self.verbose = False

    def schema(self) -> Schema:
        """The schema that was chosen. Raises SchemaError where it can't be had."""
        from dyncrit.schema import Schema

        named = [name for name in ("proto_dir", "descriptor_set", "criu") if getattr(self, name)]
        if len(named) > 1:
            first, second = (f"--{name.replace('_', '-')}" for name in named[:2])
            raise click.UsageError(f"{first} and {second} both say which schema to use; give one")
        folder = self.proto_dir or (None if named else _environment_folder())
        if folder:
            schema = Schema.from_protos(folder, use_cache=not self.no_cache)
        elif self.descriptor_set:
            schema = Schema.from_descriptor_set(self.descriptor_set)
        else:
            schema = Schema.release(self.criu) if self.criu else Schema.default()
        if self.table:
            from dyncrit.schema.overlay import read_overlay

            schema = schema.with_table(schema.table.overlaid(read_overlay(self.table)))
        self.say(f"schema: {schema.source.name} ({self.reason()})")
        return schema

    def reason(self) -> str:
        """Why the schema is the one it is."""
        for name in ("proto_dir", "descriptor_set", "criu"):
            if getattr(self, name):
                return f"chosen with --{name.replace('_', '-')}"
        return f"chosen with {_ENVIRONMENT}" if _environment_folder() else "bundled with dyncrit, its newest"

    def say(self, message: str) -> None:
        """Tell on stderr what is being done, with -v."""
        if self.verbose:
            say(message)


def schema_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options for the schema; they may stand before or behind the command's name."""
    options = (
        click.option(
            "--proto-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Compile the schema in DIR: CRIU's source tree, its images/, or any .proto files. "
            f"Default: ${_ENVIRONMENT}.",
            **_remembered("proto_dir"),
        ),
        click.option(
            "--descriptor-set",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Use a FileDescriptorSet, from protoc --descriptor_set_out or buf build.",
            **_remembered("descriptor_set"),
        ),
        click.option(
            "--criu",
            metavar="VERSION",
            help="Use the bundled schema of one CRIU release.",
            **_remembered("criu"),
        ),
        click.option(
            "--table",
            type=click.Path(path_type=Path),
            metavar="FILE.yaml",
            help="Lay rows of your own over the image table.",
            **_remembered("table"),
        ),
        click.option(
            "--no-cache",
            is_flag=True,
            help="Compile --proto-dir even if it was before.",
            **_remembered("no_cache"),
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Say on stderr what is done.", **_remembered("verbose")
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _remembered(name: str) -> dict[str, Any]:
    """Makes an option set an attribute of the context's SchemaChoice instead of an argument."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        choice = ctx.ensure_object(SchemaChoice)
        if value:
            setattr(choice, name, value)

    return {"expose_value": False, "callback": remember}


def _environment_folder() -> Path | None:
    value = os.environ.get(_ENVIRONMENT)
    return Path(value) if value else None
