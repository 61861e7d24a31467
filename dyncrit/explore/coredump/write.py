"""An ELF core file of a process, streamed: notes, then memory piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.checkpoint.memory.layer import State
from dyncrit.errors import DyncritError, ImageError
from dyncrit.explore.coredump.elf import PT_LOAD, PT_NOTE, ElfFormat, ProgramHeader
from dyncrit.explore.coredump.machines import machine_of
from dyncrit.explore.coredump.notes import CoreNotes
from dyncrit.explore.coredump.segments import segments
from dyncrit.explore.coredump.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.memory.layer import Piece
    from dyncrit.explore.coredump.machines import Machine
    from dyncrit.explore.coredump.segments import Segment
    from dyncrit.explore.coredump.source import CoreSource
    from dyncrit.types import ByteOrder

_WITHOUT_MEMORY = frozenset({"zombie", "dead"})
_CHUNK = 1 << 20
_NOTE_ALIGNMENT = 4
_PROTECTION_TO_FLAGS = ((1, 4), (2, 2), (4, 1))  # PROT_READ is PF_R, PROT_WRITE PF_W, PROT_EXEC PF_X


@dataclass(frozen=True, slots=True)
class CoreSummary:
    """What was written: ``bits`` are 32 or 64, all sizes are in bytes.

    Of the memory, ``data`` bytes come from the dump and ``zeros`` are zeros; ``missing`` are not in the dump
    (pages of files that weren't changed, above all), and ``lost`` ones among them should be. ``problems``
    tells what else the file lacks.
    """

    machine: str
    bits: int
    byte_order: ByteOrder
    threads: tuple[int, ...]
    signal: int
    segments: int
    size: int
    data: int
    zeros: int
    missing: int
    lost: int
    problems: tuple[str, ...]


def write_core(process: CoreSource, file: BinaryIO) -> CoreSummary:
    """Write an ELF core file of a process, of its own architecture, class and byte order.

    ``file`` must be empty from where it stands on. Where it can seek, zeros become holes. Memory is written
    in parts of at most 1 MiB, whatever its size.

    Registers stand in it as in the images: CRIU has put an interrupted system call back to be made again.

    Raises DyncritError for a process without memory or of an unknown architecture, PagesError or ImageError
    where pages can't be read any more, and OSError. A thread without a core image is left out, and said.
    """
    place = f"process {process.pid}"
    if process.state in _WITHOUT_MEMORY:
        raise DyncritError(f"it had ended ({process.state}): there is no memory and no register of it", place)
    try:
        return _Writer(process, Sink(file)).write()
    except DyncritError as error:
        if error.place[:1] == (place,):
            raise
        raise error.within(place) from None


class _Writer:
    """One core file. What precedes the memory is made of the segments as they come, so that none are kept."""

    def __init__(self, process: CoreSource, sink: Sink) -> None:
        self._process = process
        self._sink = sink
        self._machine = _machine_of(process)
        self._elf = ElfFormat(self._machine.number, self._machine.word, process.byte_order)
        self._memory = process.memory
        self._notes = CoreNotes(process, self._machine)

    def write(self) -> CoreSummary:
        count = sum(1 for _ in self._segments()) + 1
        for header in self._headers(count):
            self._sink.write(header)
        for note in self._notes:
            self._sink.write(self._elf.note(note))
        for segment in self._segments():
            if segment.file_size:
                self._sink.zeros(self._gap(self._sink.position, segment))
                self._write_memory(segment)
        self._sink.finish()
        return self._summary(count)

    def _segments(self) -> Iterator[Segment]:
        return segments(self._memory, self._elf.address_end)

    def _headers(self, count: int) -> Iterator[bytes]:
        """All that stands in front of the notes; ``count`` includes theirs."""
        elf = self._elf
        start = elf.headers_size(count)
        size = sum(len(elf.note(note)) for note in self._notes)
        yield elf.file_header(count)
        yield elf.program_header(ProgramHeader(PT_NOTE, start, 0, size, 0, 0, _NOTE_ALIGNMENT))
        position = start + size
        for segment in self._segments():
            if segment.file_size:
                position += self._gap(position, segment)
            yield elf.program_header(self._load(position, segment))
            position += segment.file_size
        yield elf.section_header(count)

    def _load(self, position: int, segment: Segment) -> ProgramHeader:
        flags = sum(flag for bit, flag in _PROTECTION_TO_FLAGS if segment.protection & bit)
        size = segment.end - segment.start
        alignment = self._memory.page_size
        return ProgramHeader(PT_LOAD, position, segment.start, segment.file_size, size, flags, alignment)

    def _gap(self, position: int, segment: Segment) -> int:
        """How far behind ``position`` a segment begins: it stands in the page as it does in memory."""
        return (segment.start - position) % self._memory.page_size

    def _write_memory(self, segment: Segment) -> None:
        for piece in self._memory.pieces(segment.start, segment.held):
            if piece.state is State.DATA:
                for part in _parts(piece):
                    self._sink.write(part.view())
            else:
                self._sink.zeros(piece.size)

    def _summary(self, count: int) -> CoreSummary:
        problems = dict(self._notes.problems)
        totals = dict.fromkeys(State, 0)
        lost = 0
        for vma in self._memory.vmas:
            if vma.end > self._elf.address_end:
                problems[f"mapping {vma.start:#x}-{vma.end:#x} is left out: it lies beyond 32 bits"] = None
                continue
            for piece in self._memory.pieces(vma.start, vma.end):
                totals[piece.state] += piece.size
                lost += piece.size if piece.lost else 0
        return CoreSummary(
            machine=self._machine.name,
            bits=8 * self._machine.word,
            byte_order=self._process.byte_order,
            threads=tuple(thread.tid for thread in self._notes.threads),
            signal=self._notes.signals.current,
            segments=count - 1,
            size=self._sink.position,
            data=totals[State.DATA],
            zeros=totals[State.ZERO],
            missing=totals[State.MISSING] + totals[State.HOLE],
            lost=lost,
            problems=tuple(problems),
        )


def _machine_of(process: CoreSource) -> Machine:
    for core in (process.core, *(thread.core for thread in process.threads)):
        if core is not None:
            return machine_of(core)
    raise ImageError("none of its threads has a core image: there are no registers to write")


def _parts(piece: Piece) -> Iterator[Piece]:
    """A piece of data in parts small enough for memory, whatever its pages file does to give them."""
    for start in range(piece.start, piece.end, _CHUNK):
        shift = start - piece.start
        yield piece._replace(start=start, end=min(start + _CHUNK, piece.end), offset=piece.offset + shift)
