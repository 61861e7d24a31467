"""A process of a checkpoint as an ELF core file, which debuggers open."""

from dyncrit.explore.coredump.source import CoreSource
from dyncrit.explore.coredump.write import CoreSummary, write_core

__all__ = ["CoreSource", "CoreSummary", "write_core"]
