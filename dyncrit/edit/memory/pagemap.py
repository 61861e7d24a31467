"""Writes into the pages behind a pagemap image: in place, or as pages of their own where it holds none."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.codec import framing
from dyncrit.codec.source import Source
from dyncrit.edit.memory.pagemap_entries import (
    LAZY,
    PARENT,
    PRESENT,
    EntryFormat,
    Style,
    pages_image,
    records,
)
from dyncrit.errors import ImageError, located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.checkpoint.editing.edit import Edit

_PLACES = PARENT | LAZY | PRESENT


class Write(NamedTuple):
    """Bytes to be written at an address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.address + len(self.data)


class Written(NamedTuple):
    """Bytes that were written: where they stand now, and what was there; ``before`` is None if unknown.

    ``how`` says how it comes that they stand there; empty if they did before.
    """

    address: int
    image: str
    offset: int
    before: bytes | None
    after: bytes
    how: str = ""


class Target(NamedTuple):
    """A pagemap image to write to. ``page_size`` is in bytes.

    ``content`` gives the page at an address as it is now, and raises PagesError where it isn't known;
    ``origin`` says what it was if no entry of the pagemap covers it ("zeros before").
    """

    name: str
    page_size: int
    content: Callable[[int], bytes]
    origin: Callable[[int], str]


def write_pages(edit: Edit, target: Target, writes: Iterable[Write]) -> list[Written]:
    """Write bytes into the memory that a pagemap describes; those that are there already change nothing.

    A page in the pages image is changed in place. For any other an entry of the pagemap is split, or put in,
    and the page goes into the pages image where the order of entries wants it. Parents are not changed.
    Raises PagesError where only a part of a page is written whose content isn't known, ImageError where
    pagemap or pages image are not as they should be.
    """
    pages = _by_page(writes, target.page_size)
    if not pages:
        return []
    with located(edit.images.path(target.name)):
        return _Writer(edit, target).write(pages)


class _Part(NamedTuple):
    """Bytes to be written within a page, from ``offset`` in it on."""

    offset: int
    data: bytes


Pages = dict[int, list[_Part]]
"""What is to be written to pages, by their addresses, in order of these."""


class _Place(NamedTuple):
    """Where a page stands: in an entry of the pagemap, or before it (``flags`` is None); at which offset.

    ``offset`` is in the pages image; there it is, or there it is to be put in.
    """

    page: int
    entry: int
    flags: int | None
    offset: int

    @property
    def is_here(self) -> bool:
        """Whether the pages image holds it."""
        return self.flags is not None and bool(self.flags & PRESENT)


class _Change(NamedTuple):
    """What is written to a page, and the page as it was, if that is known, and as it will be."""

    place: _Place
    parts: list[_Part]
    before: bytes | None
    after: bytes


class _Span(NamedTuple):
    """A pagemap entry: ``end`` is exclusive, ``offset`` where its pages stand if they are present."""

    number: int
    start: int
    end: int
    flags: int
    offset: int


class _Writer:
    """Writes to the pages of one pagemap."""

    def __init__(self, edit: Edit, target: Target) -> None:
        self._edit = edit
        self._target = target
        self._size = target.page_size
        self._format = EntryFormat(target.page_size)
        self._pages = pages_image(edit, target.name)

    def write(self, pages: Pages) -> list[Written]:
        changes = [
            change
            for place in self._locate(list(pages))
            if (change := self._change(place, pages[place.page])).before != change.after
        ]
        if any(not change.place.is_here for change in changes):
            self._insert(changes)
            self._split([change.place for change in changes if not change.place.is_here])
        elif changes:
            with self._edit.images.modify(self._pages) as file:
                _patch(file, changes, 0)
        return list(_joined(self._written(changes)))

    def _change(self, place: _Place, parts: list[_Part]) -> _Change:
        if place.is_here:
            before = self._held(place.offset)
            return _Change(place, parts, before, _patched(before, parts))
        return _Change(place, parts, *self._elsewhere(place, parts))

    def _written(self, changes: Iterable[_Change]) -> Iterator[Written]:
        inserted = 0
        for change in changes:
            place, before = change.place, change.before
            for part in change.parts:
                old = None if before is None else before[part.offset :][: len(part.data)]
                offset = place.offset + inserted * self._size + part.offset
                address = place.page + part.offset
                yield Written(address, self._pages, offset, old, part.data, self._how(place))
            inserted += not place.is_here

    def _elsewhere(self, place: _Place, parts: Sequence[_Part]) -> tuple[bytes | None, bytes]:
        """A page that the pages image doesn't hold, as it is, if that is known, and as it will be."""
        try:
            before = self._target.content(place.page)
        except PagesError as error:
            covered = _patched(
                bytes(self._size), [_Part(part.offset, b"\1" * len(part.data)) for part in parts]
            )
            if 0 in covered:
                end = place.page + self._size
                advice = f"; only all of the page, {place.page:#x} to {end:#x}, can be written"
                raise PagesError(f"{error.problem}{advice}", place.page, end) from None
            return None, _patched(bytes(self._size), parts)
        return before, _patched(before, parts)

    def _how(self, place: _Place) -> str:
        if place.flags is None:
            return self._target.origin(place.page)
        if place.is_here:
            return ""
        return "copied up from the parent" if place.flags & PARENT else "left at the dumped host before"

    def _held(self, offset: int) -> bytes:
        images = self._edit.images
        if self._pages not in images:
            raise ImageError(f"its pages image, {self._pages}, is missing")
        page = bytes(images.view(self._pages)[offset : offset + self._size])
        if len(page) < self._size:
            size = images.size(self._pages)
            raise ImageError(f"has {size} bytes, and a page should stand at byte {offset}", self._pages)
        return page

    def _spans(self) -> Iterator[_Span]:
        """The entries of the pagemap, in order of address; raises ImageError where they aren't."""
        offset = reached = 0
        for index, (at, record) in enumerate(records(self._edit, self._target.name)):
            if not index:
                continue  # the head
            entry = self._format.parse(at, record)
            start, end = self._format.bounds(entry)
            if start < reached:
                raise ImageError(f"the entry at {start:#x} is out of order or on top of another")
            flags = self._format.flags(entry)
            yield _Span(index, start, end, flags, offset)
            reached = end
            if flags & PRESENT:
                offset += end - start
        yield _Span(-1, 1 << 64, 1 << 64, 0, offset)

    def _locate(self, pages: list[int]) -> list[_Place]:
        """Where pages stand, which are given in order."""
        found: list[_Place] = []
        for span in self._spans():
            while len(found) < len(pages) and pages[len(found)] < span.start:
                found.append(_Place(pages[len(found)], span.number, None, span.offset))
            while len(found) < len(pages) and pages[len(found)] < span.end:
                page = pages[len(found)]
                if (page - span.start) % self._size:
                    raise ImageError(f"the entry at {span.start:#x} is not of pages of {self._size} bytes")
                shift = page - span.start if span.flags & PRESENT else 0
                found.append(_Place(page, span.number, _sound(span), span.offset + shift))
            # what is behind the last page isn't passed over: it may be out of order
        return found

    def _insert(self, changes: Sequence[_Change]) -> None:
        """Put new pages into the pages image, each at an offset of it as it is, and change the others."""
        images = self._edit.images
        held = images.view(self._pages) if self._pages in images else memoryview(b"")
        with images.write(self._pages) as file:
            position = inserted = 0
            for change in changes:
                if change.place.is_here:
                    continue
                offset = change.place.offset
                if len(held) < offset:
                    problem = f"has {len(held)} bytes, and a page should go to byte {offset}"
                    raise ImageError(problem, self._pages)
                file.write(held[position:offset])
                file.write(change.after)
                position = offset
            file.write(held[position:])
            for here, group in groupby(changes, key=lambda change: change.place.is_here):
                if here:
                    _patch(file, group, inserted * self._size)
                else:
                    inserted += len(list(group))

    def _split(self, places: Sequence[_Place]) -> None:
        """Make the pagemap say that pages are present: entries are put in, or split around them."""
        name = self._target.name
        by_entry = {index: list(group) for index, group in groupby(places, key=lambda place: place.entry)}
        style = self._format.style(self._edit, name)
        with self._edit.images.open(name) as before, self._edit.images.write(name) as file:
            source = Source(before, self._edit.images.path(name))
            frame = read_image_frame(source, name, self._edit.schema)
            pack = framing.length_packer(frame).pack
            file.write(source.read(0, frame.size))
            for index, (at, record) in enumerate(framing.records(source, frame)):
                for piece in (
                    self._pieces(by_entry[index], at, record, style) if index in by_entry else (record,)
                ):
                    file.write(pack(len(piece)) + piece)
            for piece in self._new_entries(by_entry.get(-1, ()), style):
                file.write(pack(len(piece)) + piece)

    def _pieces(self, places: Sequence[_Place], at: int, record: bytes, style: Style) -> Iterator[bytes]:
        """An entry with new ones before it, or with some of its pages present."""
        if places[0].flags is None:
            within = [place for place in places if place.flags is not None]
            yield from self._new_entries([place for place in places if place.flags is None], style)
            if not within:
                yield record
                return
            places = within
        entry = self._format.parse(at, record)
        position, end = self._format.bounds(entry)
        for start, stop in _runs([place.page for place in places], self._size):
            if position < start:
                yield self._format.part(entry, position, start)
            yield self._format.part(entry, start, stop, present=True)
            position = stop
        if position < end:
            yield self._format.part(entry, position, end)

    def _new_entries(self, places: Iterable[_Place], style: Style) -> Iterator[bytes]:
        for start, end in _runs([place.page for place in places], self._size):
            yield self._format.new(style, start, end)


def _sound(span: _Span) -> int:
    """The flags of an entry; raises ImageError where they don't tell one place."""
    places = span.flags & _PLACES
    if not places or (places & PARENT and places & PRESENT):
        problem = "has no flag that says where its pages are" if not places else "is said to be in two places"
        raise ImageError(f"the entry at {span.start:#x} {problem}")
    return span.flags


def _by_page(writes: Iterable[Write], size: int) -> Pages:
    """Writes cut where pages end; those to the same bytes keep their order."""
    found: Pages = {}
    for address, data in writes:
        position = address
        while position < address + len(data):
            page = position - position % size
            stop = min(page + size, address + len(data))
            part = _Part(position - page, data[position - address : stop - address])
            found.setdefault(page, []).append(part)
            position = stop
    return dict(sorted(found.items()))


def _patch(file: BinaryIO, changes: Iterable[_Change], shift: int) -> None:
    """Change pages of a pages image in place, which have moved by ``shift`` bytes."""
    for change in changes:
        for offset, data in change.parts:
            file.seek(change.place.offset + shift + offset)
            file.write(data)


def _patched(page: bytes, parts: Iterable[_Part]) -> bytes:
    changed = bytearray(page)
    for offset, data in parts:
        changed[offset : offset + len(data)] = data
    return bytes(changed)


def _runs(pages: Iterable[int], size: int) -> Iterator[tuple[int, int]]:
    """Pages in order as ranges of those that follow on."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and runs[-1][1] == page:
            runs[-1] = (runs[-1][0], page + size)
        else:
            runs.append((page, page + size))
    yield from runs


def _joined(written: Iterable[Written]) -> Iterator[Written]:
    """What was written, with what follows on in memory and in the file as one."""
    parts: list[Written] = []
    for item in written:
        if parts and not _follows(item, parts[-1]):
            yield _as_one(parts)
            parts = []
        parts.append(item)
    if parts:
        yield _as_one(parts)


def _as_one(parts: Sequence[Written]) -> Written:
    before = None if parts[0].before is None else b"".join(part.before or b"" for part in parts)
    return parts[0]._replace(before=before, after=b"".join(part.after for part in parts))


def _follows(item: Written, last: Written) -> bool:
    return (
        item.address == last.address + len(last.after)
        and item.offset == last.offset + len(last.after)
        and item.how == last.how
        and (item.before is None) == (last.before is None)
    )
