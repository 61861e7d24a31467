"""The memory of a process: its mappings, over its pagemap, the parents' and shared segments."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.vma import Vma, VmaKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.checkpoint.memory.pagemap import Pagemap
    from dyncrit.checkpoint.search import Hit, Pattern


class Region(NamedTuple):
    """A range (``end`` exclusive) of one mapping, all of one state.

    ``reason`` says why it is missing, and ``lost`` whether the dump should have it.
    """

    start: int
    end: int
    vma: Vma
    state: State
    reason: str = ""
    lost: bool = False

    @property
    def size(self) -> int:
        """How many bytes it covers."""
        return self.end - self.start


class AddressSpace(Layer):
    """A process's memory, by address.

    ``vmas`` are its mappings in order; ``page_size`` is in bytes. Anonymous private memory and shared memory
    that no pagemap entry covers is zeros, as it is in the process; what was a file's page, unchanged, is not
    in the dump.
    """

    def __init__(
        self,
        vmas: Sequence[Vma],
        pages: Pagemap | None,
        segment: Callable[[Vma], Layer],
        page_size: int,
        unknown: str = "",
    ) -> None:
        """``segment`` gives the layer of the shared memory that a mapping is of, by offset in it.

        ``unknown`` says why it can't be told of pages that ``pages`` doesn't cover whether they are zeros.
        """
        self.vmas = tuple(vmas)
        self.page_size = page_size
        self._pages = pages
        self._segment = segment
        self._unknown = unknown
        self._starts = [vma.start for vma in self.vmas]

    def vma_at(self, address: int) -> Vma | None:
        """The mapping that an address lies in, or None."""
        index = bisect_right(self._starts, address) - 1
        return self.vmas[index] if index >= 0 and address < self.vmas[index].end else None

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where a range stands; what isn't mapped is missing."""
        position = start
        index = max(bisect_right(self._starts, start) - 1, 0)
        while position < end and index < len(self.vmas):
            vma = self.vmas[index]
            first, last = max(vma.start, position), min(vma.end, end)
            index += 1
            if first >= end:
                break
            if last <= first:
                continue
            if first > position:
                yield Piece(position, first, State.MISSING, reason="not mapped")
            yield from self.mapped(vma, first, last)
            position = last
        if position < end:
            yield Piece(position, end, State.MISSING, reason="not mapped")

    def mapped(self, vma: Vma, start: int, end: int) -> Iterator[Piece]:
        """Where a range of one mapping stands."""
        own = self._pages.pieces(start, end) if self._pages else (Piece(start, end, State.HOLE),)
        for piece in own:
            if piece.state is State.HOLE:
                yield from self._untouched(vma, piece)
            else:
                yield piece

    def regions(self) -> Iterator[Region]:
        """All that is mapped, in order: what the dump holds, what is zeros, what is missing and why."""
        for vma in self.vmas:
            region: Region | None = None
            for piece in self.mapped(vma, vma.start, vma.end):
                if region and (region.state, region.reason) == (piece.state, piece.reason):
                    region = region._replace(end=piece.end)
                    continue
                if region:
                    yield region
                region = Region(piece.start, piece.end, vma, piece.state, piece.reason, piece.lost)
            if region:
                yield region

    def resident_of(self, vma: Vma) -> int:
        """How many bytes of a mapping the dump holds, parents and shared segments included."""
        own = self._pages
        if vma.kind not in _IN_SEGMENTS:
            return own.resident(vma.start, vma.end) if own is not None else 0
        if own is not None and own.touches(vma.start, vma.end):
            return self.resident(vma.start, vma.end)
        return self._segment(vma).resident(vma.offset, vma.offset + vma.size)

    def lost(self, ranges: Iterable[tuple[int, int]] | None = None) -> list[Piece]:
        """What should be in the dump and can't be read, in all of it or in ``ranges``."""
        where = [(vma.start, vma.end) for vma in self.vmas] if ranges is None else ranges
        return [piece for start, end in where for piece in self.pieces(start, end) if piece.lost]

    def search(
        self,
        pattern: Pattern | str | bytes,
        ranges: Iterable[tuple[int, int]] | None = None,
        *,
        context: int = 16,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Hit]:
        """What matches in all of it, or in ``ranges``: see :func:`dyncrit.checkpoint.search.search`.

        Text is looked for as UTF-8; :func:`~dyncrit.checkpoint.search.regex_pattern` and others make other
        patterns.
        """
        from dyncrit.checkpoint.search import Pattern, hex_pattern, search, text_pattern

        if not isinstance(pattern, Pattern):
            pattern = text_pattern(pattern) if isinstance(pattern, str) else hex_pattern(pattern.hex())
        where = [(vma.start, vma.end) for vma in self.vmas] if ranges is None else ranges
        return search(self, where, pattern, context=context, progress=progress)

    def _untouched(self, vma: Vma, hole: Piece) -> Iterator[Piece]:
        """What a mapping holds where the process's own pagemap has no entry."""
        if vma.kind in _IN_SEGMENTS:
            shift = vma.start - vma.offset
            for piece in self._segment(vma).pieces(hole.start - shift, hole.end - shift):
                yield piece._replace(start=piece.start + shift, end=piece.end + shift)
        elif self._unknown:
            yield hole._replace(state=State.MISSING, reason=self._unknown, lost=True)
        elif vma.kind in _ZERO:
            yield hole._replace(state=State.ZERO)
        else:
            yield hole._replace(state=State.MISSING, reason=_missing(vma))


_IN_SEGMENTS = frozenset({VmaKind.SHARED_MEMORY, VmaKind.MEMFD, VmaKind.SYSV})
_ZERO = frozenset({VmaKind.ANONYMOUS, VmaKind.HEAP, VmaKind.STACK})


def _missing(vma: Vma) -> str:
    if vma.is_file_backed:
        return f"a page of {vma.path or f'file {vma.shmid}'} that was not changed; dumps leave it to the file"
    return f"{vma.kind.value} pages are not dumped"
