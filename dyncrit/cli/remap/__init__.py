"""``dyncrit remap``: moves a checkpoint to other addresses, ports, paths, ids and terminals."""

from dyncrit.cli.remap.group import command

__all__ = ["command"]
