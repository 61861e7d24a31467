"""``dyncrit schema``: the schema in use, the releases that are known, and what became of them."""

from dyncrit.cli.schema.group import command

__all__ = ["command"]
