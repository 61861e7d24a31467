"""dyncrit: CRIU's checkpoint images of any release, without generated code.

>>> import dyncrit
>>> image = dyncrit.load("tests/data/criu-4.2/host/env00/core-66.img")
>>> image.entries[0].message.tc.comm
'env00'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dyncrit.version import __version__

if TYPE_CHECKING:
    from dyncrit.checkpoint import Checkpoint, PagesError, Process, open_checkpoint
    from dyncrit.entry import Entry
    from dyncrit.errors import DocumentError, DyncritError, ImageError, RawImageError, SchemaError
    from dyncrit.image import Image, dump, dumps, iter_entries, load, loads
    from dyncrit.schema import ImageTable, ImageType, Schema

__all__ = [
    "Checkpoint",
    "DocumentError",
    "DyncritError",
    "Entry",
    "Image",
    "ImageError",
    "ImageTable",
    "ImageType",
    "PagesError",
    "Process",
    "RawImageError",
    "Schema",
    "SchemaError",
    "__version__",
    "dump",
    "dumps",
    "iter_entries",
    "load",
    "loads",
    "open_checkpoint",
]

_ROOMS = ("dyncrit.errors", "dyncrit.schema", "dyncrit.image", "dyncrit.checkpoint")


def __getattr__(name: str) -> object:
    """Import the public names when they are first used, so that ``dyncrit --help`` needs no protobuf."""
    if name in __all__:
        for room in _ROOMS:
            if hasattr(module := import_module(room), name):
                return getattr(module, name)
    raise AttributeError(f"module 'dyncrit' has no attribute {name!r}")
