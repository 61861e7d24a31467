"""What changed between two checkpoints of one tree of processes."""

from dyncrit.explore.diff.memory import MemoryChanges
from dyncrit.explore.diff.pages import PageRange
from dyncrit.explore.diff.records import Changes
from dyncrit.explore.diff.run import Comparison, compare

__all__ = ["Changes", "Comparison", "MemoryChanges", "PageRange", "compare"]
