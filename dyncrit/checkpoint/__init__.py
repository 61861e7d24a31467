"""Checkpoints as a whole: where they live, and views of what their images say together."""

from dyncrit.checkpoint.checkpoint import Checkpoint
from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.checkpoint.opening import open_checkpoint
from dyncrit.checkpoint.processes import Process

__all__ = ["Checkpoint", "PagesError", "Process", "open_checkpoint"]
