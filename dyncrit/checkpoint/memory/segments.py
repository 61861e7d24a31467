"""Shared memory: the segments behind anonymous shared, memfd and SysV mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.images import ImageSet


class Segment(Layer):
    """A shared memory segment, by offset in it: what its pagemap doesn't cover is zeros.

    ``unknown`` says why that can't be told.
    """

    def __init__(self, pages: Layer, unknown: str = "") -> None:
        self._pages = pages
        self._unknown = unknown

    def resident(self, start: int, end: int) -> int:
        """How many bytes of a range are data."""
        return self._pages.resident(start, end)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where a range of the segment stands."""
        untouched = State.MISSING if self._unknown else State.ZERO
        for piece in self._pages.pieces(start, end):
            if piece.state is State.HOLE:
                yield piece._replace(state=untouched, reason=self._unknown, lost=bool(self._unknown))
            else:
                yield piece


class MissingMemory(Layer):
    """Memory of which the checkpoint holds nothing; ``reason`` tells why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """One piece, missing."""
        yield Piece(start, end, State.MISSING, reason=self._reason, lost=True)


class StoredSegment(Layer):
    """A segment whose bytes stand in an image one after the other, as SysV segments do up to CRIU 2.12."""

    def __init__(self, pages: PagesFile, offset: int, size: int) -> None:
        self._pages = pages
        self._offset = offset
        self._size = size

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where a range of the segment stands; behind its end there is nothing but zeros."""
        held = min(max(self._size, start), end)
        if start < held:
            yield Piece(start, held, State.DATA, self._pages, self._offset + start)
        if held < end:
            yield Piece(held, end, State.ZERO)


def stored_sysv_segments(images: ImageSet) -> dict[int, StoredSegment]:
    """The SysV segments that are payloads of ipcns-shm images (CRIU up to 2.12.1), by their id."""
    found = {}
    for number in images.numbers("ipcns-shm"):
        name = f"ipcns-shm-{number}.img"
        try:
            with images.tree.open(name) as file:
                source = Source(file, images.path(name))
                frame = images.read_frame(source, name)
                message: Any = images.schema.message_class("ipc_shm_entry")
                for item in ImageReader(source, frame).entries():
                    if item.payload is not None:
                        entry = message.FromString(item.record)
                        start = item.offset + frame.image_type.length_size + len(item.record)
                        pages = PagesFile(images.tree, name)
                        found[entry.desc.id] = StoredSegment(pages, start, entry.size)
        except (DyncritError, DecodeError, OSError) as error:
            images.problems.error(name, str(error))
    return found
