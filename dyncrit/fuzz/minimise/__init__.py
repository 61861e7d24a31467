"""Inputs made smaller while they still do what they did: entries dropped, then fields, then values shrunk."""

from dyncrit.fuzz.minimise.budget import Budget
from dyncrit.fuzz.minimise.checkpoint import minimise_checkpoint
from dyncrit.fuzz.minimise.image import minimise

__all__ = ["Budget", "minimise", "minimise_checkpoint"]
