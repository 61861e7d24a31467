"""One pass over all entries of all images: what is missing in them, unknown or odd."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.message import DecodeError

from dyncrit.check.images.texts import TextFinder
from dyncrit.check.images.unknown import Unknown, unknown_fields
from dyncrit.check.sharing import once
from dyncrit.codec.framing import Frame, entry_place
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dyncrit.check.context import Context
    from dyncrit.codec.reader import ReadEntry

_REQUIRED_LATER = {("stats_entry", "dump.pages_lazy")}
"""Fields that became required later (CRIU 3.5), and that older images lack."""


class Odd(NamedTuple):
    """Something odd in an image: how often, and the place and name of the first."""

    times: int
    place: str
    name: str


@dataclass(slots=True)
class Spread:
    """Something in all images: in how many places, how many images, and the first of these."""

    image: str
    count: int = 0
    images: int = 0
    last: str = ""

    def add(self, image: str) -> None:
        """Count one more."""
        self.count += 1
        if image != self.last:
            self.images, self.last = self.images + 1, image


@dataclass(slots=True)
class Survey:
    """What was found, by image; ``unknown`` over all of them."""

    frames: dict[str, Frame] = field(default_factory=dict)
    missing: dict[str, Odd] = field(default_factory=dict)
    not_text: dict[str, Odd] = field(default_factory=dict)
    nulls: dict[str, Odd] = field(default_factory=dict)
    unknown: dict[Unknown, Spread] = field(default_factory=dict)


@once
def survey(context: Context) -> Survey:
    """Read all images whose names are known; of damaged ones, what stands before the damage."""
    found = Survey()
    surveyor = _Surveyor(context, found)
    table = context.images.schema.table
    for name in sorted(context.names):
        if table.by_file_name(name) is not None:
            surveyor.image(name)
    return found


class _Kind(NamedTuple):
    """What is wanted of the records of one message type."""

    parse: Callable[[bytes], Any]
    texts: TextFinder | None


class _Surveyor:
    def __init__(self, context: Context, found: Survey) -> None:
        self._images = context.images
        self._schema = context.images.schema
        self._found = found
        self._kinds: dict[str, _Kind] = {}

    def image(self, name: str) -> None:
        """Read an image; one that is damaged isn't marked as read, so that image-readable looks at it."""
        try:
            with self._images.tree.open(name) as file:
                source = Source(file, self._images.path(name))
                frame = self._images.read_frame(source, name)
                self._found.frames[name] = frame
                for item in ImageReader(source, frame).entries():
                    self._entry(name, item)
        except (DyncritError, DecodeError, OSError):
            return
        self._images.read.add(name)

    def _entry(self, name: str, item: ReadEntry) -> None:
        """Look at an entry. There may be millions: what is plain is told by few calls."""
        kind = self._kinds.get(item.layout.message) or self._kind(item.layout.message)
        message = kind.parse(item.record)
        if not message.IsInitialized():
            self._missing(name, item, message)
        if kind.texts is not None:
            self._texts(name, item, kind.texts.texts(message))
        size = len(message.SerializePartialToString())
        message.DiscardUnknownFields()
        if len(message.SerializePartialToString()) != size:
            for unknown in unknown_fields(item.record, message.DESCRIPTOR):
                self._found.unknown.setdefault(unknown, Spread(name)).add(name)

    def _kind(self, message: str) -> _Kind:
        message_class: Any = self._schema.message_class(message)
        texts = TextFinder(message_class.DESCRIPTOR)
        kind = self._kinds[message] = _Kind(message_class.FromString, texts if texts.finds_any else None)
        return kind

    def _missing(self, name: str, item: ReadEntry, message: Any) -> None:
        for path in message.FindInitializationErrors():
            if (message.DESCRIPTOR.name, path) not in _REQUIRED_LATER:
                _count(self._found.missing, name, item, path)

    def _texts(self, name: str, item: ReadEntry, texts: Iterable[tuple[str, str | bytes]]) -> None:
        for path, value in texts:
            if isinstance(value, bytes):
                _count(self._found.not_text, name, item, path)
            if (b"\0" in value) if isinstance(value, bytes) else ("\0" in value):
                _count(self._found.nulls, name, item, path)


def _count(found: dict[str, Odd], image: str, item: ReadEntry, path: str) -> None:
    known = found.get(image)
    place = entry_place(item.position, item.offset)
    found[image] = Odd(1, place, path) if known is None else known._replace(times=known.times + 1)
