"""``dyncrit memory``: the memory of processes: mappings, bytes, searches, dumps."""

from dyncrit.cli.memory.group import command

__all__ = ["command"]
