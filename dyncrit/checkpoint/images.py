"""The images of a checkpoint, by their file names; what can't be read is taken note of, not raised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.codec.framing import Frame, read_frame
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.entry import Entry
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.problems import Problems
    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.schema import Schema
    from dyncrit.types import ByteOrder, DynamicMessage


_MOST_DAMAGED = 20
"""How many damaged entries of an image are told one by one."""


class ImageSet:
    """The images in one folder, decoded when they are asked for.

    An image that isn't there has no entries. Of one that is damaged, the entries before the damage are given
    and the damage goes to ``problems``.
    """

    def __init__(self, tree: FileTree, schema: Schema, problems: Problems) -> None:
        self.tree = tree
        self.schema = schema
        self.problems = problems
        self._byte_order: ByteOrder | None = None

    def __contains__(self, name: object) -> bool:
        return name in self.tree

    def path(self, name: str) -> str:
        """How errors call an image."""
        return self.tree.path(name)

    def entries(self, name: str) -> Iterator[Entry]:
        """The entries of an image, one by one; payloads of over 1 MiB only as long as the iteration lasts."""
        if name not in self.tree:
            return
        try:
            with self.tree.open(name) as file:
                source = Source(file, self.path(name))
                frame = self.read_frame(source, name)
                damaged = 0
                for item in ImageReader(source, frame).entries():
                    entry = Entry.from_record(item.record, item.layout, item.payload, self.schema, "")
                    try:
                        _ = entry.message
                    except ImageError as error:
                        damaged += 1
                        if damaged <= _MOST_DAMAGED:
                            self.problems.error(name, f"entry {item.position} at byte {item.offset}: {error}")
                        continue
                    yield entry
                if damaged > _MOST_DAMAGED:
                    self.problems.error(name, f"{damaged - _MOST_DAMAGED} more entries are damaged")
        except (DyncritError, OSError) as error:
            text = error.problem if isinstance(error, DyncritError) else (error.strerror or str(error))
            place = ": ".join(error.place) + ": " if isinstance(error, DyncritError) and error.place else ""
            self.problems.error(name, place.removeprefix(f"{self.path(name)}: ") + text)

    def messages(self, name: str) -> list[DynamicMessage]:
        """The messages of an image's entries."""
        return [entry.message for entry in self.entries(name)]

    def first(self, name: str, *, required_by: str = "") -> DynamicMessage | None:
        """The message of an image's first entry, or None.

        ``required_by`` says who lacks something without it: then its absence is a problem, too.
        """
        for entry in self.entries(name):
            return entry.message
        if required_by and name not in self.tree:
            self.problems.error(name, f"missing; {required_by} is shown without it")
        return None

    def frame(self, name: str) -> Frame:
        """The frame of an image; raises ImageError, or FileNotFoundError."""
        with self.tree.open(name) as file:
            return self.read_frame(Source(file, self.path(name)), name)

    def read_frame(self, source: Source, name: str) -> Frame:
        """The frame of an open image; raises ImageError if it holds another type than its name says."""
        return read_image_frame(source, name, self.schema)

    def numbers(self, stem: str) -> list[int]:
        """The numbers N of the images ``STEM-N.img`` that are there, in order.

        Only names as CRIU writes them count: it would not open ``core-007.img``.

        >>> from dyncrit.checkpoint import open_checkpoint
        >>> open_checkpoint("tests/data/demo/tree").images.numbers("mm")
        [9834, 9838, 9840]
        """
        pattern = re.compile(rf"{re.escape(stem)}-(0|[1-9][0-9]{{0,19}})\.img")
        return sorted(int(match[1]) for name in self.tree.names() if (match := pattern.fullmatch(name)))

    @property
    def byte_order(self) -> ByteOrder:
        """The byte order of the host that was dumped, as the inventory's magic tells."""
        if self._byte_order is None:
            self._byte_order = "little"
            for name in ("inventory.img", "pstree.img"):
                try:
                    self._byte_order = self.frame(name).byte_order
                except (DyncritError, OSError):
                    continue
                break
        return self._byte_order


def read_image_frame(source: Source, name: str, schema: Schema) -> Frame:
    """The frame of an image; raises ImageError if it holds another type than its name says."""
    frame = read_frame(source, schema.table, name)
    expected = schema.table.by_file_name(name)
    if expected is not None and frame.image_type.name != expected.name:
        raise ImageError(f"expected an image of type {expected.name}, found {frame.image_type.name}")
    return frame
