"""What an operation changed, in the terms of the operation."""

from __future__ import annotations

from typing import NamedTuple


class Touched(NamedTuple):
    """One thing that was changed: where, what it is, and how it was and is.

    ``place`` is an image and what is in it (``files.img entries[3]``), or ``process 12``; ``before`` and
    ``after`` are as a person writes them, empty where there was or is nothing.
    """

    place: str
    what: str
    before: str = ""
    after: str = ""
