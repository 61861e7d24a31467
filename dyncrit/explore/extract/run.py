"""Extracts all that a checkpoint's images carry, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.atomic import new_folder
from dyncrit.explore.extract.ghosts import extract_ghosts
from dyncrit.explore.extract.output import Output
from dyncrit.explore.extract.queues import extract_queues
from dyncrit.explore.extract.raw import extract_raw
from dyncrit.explore.extract.segments import extract_segments
from dyncrit.explore.extract.tmpfs import extract_tmpfs

if TYPE_CHECKING:
    import os

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.explore.extract.item import Item
    from dyncrit.types import JsonObject

LISTING = "extract.json"
"""The name of the listing in the folder."""

_SOURCES = (extract_ghosts, extract_segments, extract_queues, extract_tmpfs, extract_raw)


class Extraction(NamedTuple):
    """What was extracted from the checkpoint ``name``, in the order of the listing."""

    name: str
    items: tuple[Item, ...]

    def to_dict(self) -> JsonObject:
        """The listing, as ``extract.json`` has it."""
        return {"checkpoint": self.name, "items": [item.to_dict() for item in self.items]}


def extract(
    checkpoint: Checkpoint, folder: str | os.PathLike[str], limits: Limits | None = None
) -> Extraction:
    """Write what the images of a checkpoint carry to files in ``folder``, and a listing, extract.json.

    ``folder`` must be new or empty; it appears whole or not at all. The names of the files are made of ids
    and of what is harmless in names of the images; only files and folders are made, for the user alone.
    ``limits.max_total`` bounds the size of each file, holes included, and the room that all of them take.

    What is missing or damaged stands in the notes of its item and in the checkpoint's problems. Raises
    DyncritError for a folder that isn't empty, and OSError.
    """
    with new_folder(folder, private=True) as new:
        output = Output(new, checkpoint.problems, limits)
        for source in _SOURCES:
            source(checkpoint, output)
        extraction = Extraction(checkpoint.name, tuple(output.items))
        (new / LISTING).touch(mode=0o600)
        (new / LISTING).write_bytes(_json(extraction.to_dict()))
    return extraction


def _json(value: JsonObject) -> bytes:
    import json

    return json.dumps(value, indent=2).encode("ascii") + b"\n"  # names that aren't UTF-8 have surrogates
