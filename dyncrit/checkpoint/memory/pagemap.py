"""A pagemap as a layer: which ranges of an address space stand where in its pages file, or in the parent."""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.codec import framing
from dyncrit.codec.source import Source
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint.images import ImageSet

PAGE_SIZES: Final = (4096, 16384, 65536)
"""The page sizes of the kernels that CRIU runs on."""

_PE_PARENT, _PE_PRESENT = 1, 4  # criu/include/pagemap.h
_ADDRESS_END = 1 << 64

_DATA, _PARENT, _LAZY, _NOWHERE, _OVERLAP = range(5)
_CODES = (_NOWHERE, _PARENT, _LAZY, _PARENT, _DATA, _DATA, _DATA, _DATA)
"""What an entry's flags come to, whatever else they hold."""

_REASONS = {
    _LAZY: "lazy: the page stayed at the dumped host",
    _NOWHERE: "its pagemap entry has no flag that says where it is",
    _OVERLAP: "damaged: several pagemap entries cover it",
}


class Run(NamedTuple):
    """A pagemap entry: pages from address ``start`` on. ``flags`` are PE_PARENT, PE_LAZY, PE_PRESENT.

    Old entries are read as CRIU reads them: ``in_parent`` means PE_PARENT, no flags mean PE_PRESENT.
    """

    start: int
    pages: int
    flags: int


def read_runs(images: ImageSet, name: str) -> Iterator[Run]:
    """The entries of a pagemap image, in its order; raises ImageError where it is damaged."""
    return itertools.starmap(Run, _runs(images, name))


def pages_id(images: ImageSet, name: str) -> int | None:
    """The number of the pages image that belongs to a pagemap image, from its head."""
    head = images.first(name)
    is_head = head is not None and head.DESCRIPTOR.name == "pagemap_head"  # else the head is damaged
    return head.pages_id if is_head else None  # type: ignore[union-attr]  # there is one


class Pagemap(Layer):
    """The memory that one pagemap image describes, with what its parent holds looked up there.

    ``parent`` gives the layer of the same address space in the parent image, or None if there is none; then
    ``no_parent`` tells why. Look-ups take O(log n) of its entries. ``damage`` says why what no entry covers
    is unknown, where a part of the image can't be read.
    """

    def __init__(
        self,
        images: ImageSet,
        name: str,
        *,
        page_size: int | None = None,
        parent: Callable[[], Layer | None] = lambda: None,
        no_parent: str = "there is no parent image",
    ) -> None:
        """Without a ``page_size`` in bytes, the pages image tells it. Problems go to ``images``."""
        self.name = name
        self.damage = ""
        self._images = images
        self._parent = parent
        self._no_parent = no_parent
        self.present = self.in_parent = self.lazy = 0
        self._pages = self._open_pages()
        self.page_size = page_size or PAGE_SIZES[0]
        self._load()
        if page_size is None and not self.damage:
            inferred = self._infer_page_size() or self.page_size
            if inferred != self.page_size:
                self.page_size = inferred
                self._load()
        self._check_size()

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where a range stands; what no entry covers is a hole."""
        starts, ends = self._starts, self._ends
        index = max(bisect_right(starts, start) - 1, 0)
        position = start
        while position < end and index < len(starts):
            first, last = max(starts[index], position), min(ends[index], end)
            if first >= end:
                break
            if last > first:
                if first > position:
                    yield Piece(position, first, State.HOLE)
                yield from self._entry(index, first, last)
                position = last
            index += 1
        if position < end:
            yield Piece(position, end, State.HOLE)

    def resident(self, start: int, end: int) -> int:
        """How many bytes of a range are data; in O(log n) where nothing of it is in a parent."""
        if self.in_parent or self._pages is None or self._pages.size < self.present * self.page_size:
            return super().resident(start, end)
        return self._data_before(end) - self._data_before(start)

    def touches(self, start: int, end: int) -> bool:
        """Whether an entry covers any of a range."""
        index = bisect_right(self._starts, end - 1) - 1
        return index >= 0 and self._ends[index] > start

    def _data_before(self, address: int) -> int:
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return 0
        own = min(address, self._ends[index]) - self._starts[index] if self._codes[index] == _DATA else 0
        return self._data_sums[index] + own

    @cached_property
    def _data_sums(self) -> array[int]:
        """The bytes of data before each entry."""
        sizes = (
            end - start if code == _DATA else 0
            for start, end, code in zip(self._starts, self._ends, self._codes, strict=True)
        )
        return array("Q", itertools.accumulate(sizes, initial=0))

    def _entry(self, index: int, first: int, last: int) -> Iterator[Piece]:
        code = self._codes[index]
        if code == _DATA:
            yield from self._data(first, last, self._offsets[index] + first - self._starts[index])
        elif code == _PARENT:
            yield from self._in_parent(first, last)
        else:
            yield Piece(first, last, State.MISSING, reason=_REASONS[code], lost=code != _LAZY)

    def _data(self, first: int, last: int, offset: int) -> Iterator[Piece]:
        if self._pages is None:
            yield Piece(
                first, last, State.MISSING, reason=f"the pages image of {self.name} is missing", lost=True
            )
            return
        held = min(max(self._pages.size - offset, 0), last - first)
        if held:
            yield Piece(first, first + held, State.DATA, self._pages, offset)
        if first + held < last:
            reason = f"past the end of {self._pages.name}, which has {self._pages.size} bytes"
            yield Piece(first + held, last, State.MISSING, reason=reason, lost=True)

    def _in_parent(self, first: int, last: int) -> Iterator[Piece]:
        parent = self._parent()
        if parent is None:
            reason = f"in the parent image, but {self._no_parent}"
            yield Piece(first, last, State.MISSING, reason=reason, lost=True)
            return
        for piece in parent.pieces(first, last):
            if piece.state is State.HOLE:
                reason = f"in the parent image, but {parent.damage or 'that does not have it'}"
                yield piece._replace(state=State.MISSING, reason=reason, lost=True)
            else:
                yield piece

    def _open_pages(self) -> PagesFile | None:
        number = pages_id(self._images, self.name)
        if number is None:
            return None
        file = f"pages-{number}.img"
        if file in self._images:
            return PagesFile(self._images.tree, file)
        return None

    def _load(self) -> None:
        """Read the entries; those that go on where the one before ended become one with it."""
        self._starts, self._ends, self._offsets = array("Q"), array("Q"), array("Q")
        self._codes = bytearray()
        starts, ends, offsets, codes = self._starts, self._ends, self._offsets, self._codes
        counts = dict.fromkeys(range(5), 0)
        page_size, offset, previous_end, previous_code, ordered = self.page_size, 0, 0, -1, True
        try:
            for start, count, flags in _runs(self._images, self.name):
                code = _CODES[flags & 7]
                size = count * page_size
                end = start + size
                if end >= _ADDRESS_END or offset >= _ADDRESS_END:
                    raise ImageError(f"{count} pages at {start:#x} reach past the last address")  # noqa: TRY301
                counts[code] += count
                if start == previous_end and code == previous_code and starts:
                    ends[-1] = previous_end = end
                elif count:
                    ordered = ordered and start >= previous_end
                    starts.append(start)
                    ends.append(end)
                    offsets.append(offset)
                    codes.append(code)
                    previous_end, previous_code = end, code
                if code == _DATA:
                    offset += size
        except ImageError as error:
            self._damaged(f"{error}; entries from there on are passed over")
        except OSError as error:
            self._damaged(error.strerror or str(error))
        self.present, self.in_parent, self.lazy = counts[_DATA], counts[_PARENT], counts[_LAZY]
        if not ordered:
            self._sort()

    def _damaged(self, problem: str) -> None:
        self.damage = f"{self.name} is damaged, and may have had more entries"
        self._images.problems.error(self.name, problem)

    def _infer_page_size(self) -> int | None:
        """Told by the pages file, which holds nothing but the pages that are present."""
        if not self.present or self._pages is None:
            return None
        return next((size for size in PAGE_SIZES if size * self.present == self._pages.size), None)

    def _check_size(self) -> None:
        wanted = self.present * self.page_size
        if self.present and self._pages is None:
            self._images.problems.error(
                self.name, f"its pages image is missing; it should hold {self.present} pages"
            )
        if self._pages is not None and self._pages.size != wanted:
            problems = self._images.problems
            say = problems.error if self._pages.size < wanted else problems.warn
            pages = f"{self.present} pages of {self.page_size} take {wanted}"
            say(self.name, f"{self._pages.name} has {self._pages.size} bytes; {pages}")

    def _sort(self) -> None:
        """Put the entries in order; where several cover a range, none is believed."""
        order = sorted(range(len(self._starts)), key=self._starts.__getitem__)
        bounds = sorted({*self._starts, *self._ends})
        ranges = _disjoint(order, self._starts, self._ends, bounds)
        entries = [
            (first, last, self._codes[owners[0]] if len(owners) == 1 else _OVERLAP, owners[0])
            for first, last, owners in ranges
        ]
        overlaps = [(first, last) for first, last, code, _ in entries if code == _OVERLAP]
        offsets = array(
            "Q", [self._offsets[owner] + first - self._starts[owner] for first, _, _, owner in entries]
        )
        self._starts = array("Q", [first for first, _, _, _ in entries])
        self._ends = array("Q", [last for _, last, _, _ in entries])
        self._codes = bytearray(code for _, _, code, _ in entries)
        self._offsets = offsets
        if overlaps:
            first, last = overlaps[0]
            self._images.problems.error(
                self.name, f"entries overlap in {len(overlaps)} places, the first at {first:#x}-{last:#x}"
            )
        else:
            self._images.problems.warn(self.name, "its entries are not in the order of their addresses")


def _runs(images: ImageSet, name: str) -> Iterator[tuple[int, int, int]]:
    """The entries of a pagemap: address, pages, flags. They may be millions: nothing is made of each."""
    with images.tree.open(name) as file:
        source = Source(file, images.path(name))
        frame = images.read_frame(source, name)
        parse: Any = images.schema.message_class("pagemap_entry").FromString
        records = framing.records(source, frame)
        next(records, None)  # the head
        for offset, record in records:
            try:
                entry = parse(record)
            except DecodeError as error:
                raise ImageError(f"no pagemap_entry: {error}", f"byte {offset}") from error
            flags = entry.flags
            if not flags or entry.in_parent:  # as CRIU reads what it wrote up to v3.4
                flags = _PE_PARENT if entry.in_parent else 0 if entry.HasField("flags") else _PE_PRESENT
            yield entry.vaddr, entry.nr_pages or entry.compat_nr_pages, flags


def _disjoint(
    order: list[int], starts: array[int], ends: array[int], bounds: list[int]
) -> Iterator[tuple[int, int, list[int]]]:
    """The ranges between neighbouring bounds that any entry covers, with up to two entries that do."""
    import heapq

    active: list[tuple[int, int]] = []  # by end
    waiting = iter(order)
    following = next(waiting, None)
    for first, last in itertools.pairwise(bounds):
        while active and active[0][0] <= first:
            heapq.heappop(active)
        while following is not None and starts[following] <= first:
            if ends[following] > first:
                heapq.heappush(active, (ends[following], following))
            following = next(waiting, None)
        if active:
            yield first, last, [index for _, index in active[:2]]
