"""``dyncrit fuzz``: images made, broken, and given to programs."""

from dyncrit.cli.fuzz.group import command

__all__ = ["command"]
