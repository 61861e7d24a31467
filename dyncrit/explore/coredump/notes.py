"""The notes of a core file: registers of each thread, and what is to be known of the process.

Types and structures are of Linux's <linux/elf.h> and <linux/elfcore.h>; the order is the kernel's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import number
from dyncrit.errors import ImageError
from dyncrit.explore.coredump.elf import Note, prefix
from dyncrit.explore.coredump.machines import NT_PRFPREG
from dyncrit.explore.coredump.pending import Signals, signals_of
from dyncrit.explore.coredump.registers import narrowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.explore.coredump.machines import Machine
    from dyncrit.explore.coredump.source import CoreMapping, CoreSource
    from dyncrit.types import DynamicMessage

_NT_PRSTATUS = 1
_NT_PRPSINFO = 3
_NT_AUXV = 6
_NT_SIGINFO = 0x53494749
_NT_FILE = 0x46494C45

_NOBODY = 65534  # what user numbers that don't fit 16 bits become
_STATES = {"stopped": (3, b"T")}
_RUNNING = (0, b"R")


class ThreadCore(NamedTuple):
    """A thread whose registers are there."""

    tid: int
    core: DynamicMessage


class CoreNotes:
    """All notes, made one by one each time that they are iterated over.

    ``threads`` are those whose registers the images hold, the current one (the leader) first; ``problems``
    tells of the others, and of register sets that can't be given.
    """

    def __init__(self, process: CoreSource, machine: Machine) -> None:
        self.threads: tuple[ThreadCore, ...] = ()
        self.problems: dict[str, None] = {}
        self._process = process
        self._machine = machine
        self._prefix = prefix(process.byte_order)
        self._word = "I" if machine.word == 4 else "Q"
        self.threads = tuple(self._usable_threads())
        if not self.threads:
            raise ImageError("there are no registers to write: " + "; ".join([*self.problems][:3]))
        self.signals = self._signals(self.threads[0])

    def __iter__(self) -> Iterator[Note]:
        current, *others = self.threads
        registers = self._registers(current)
        yield self._status(current, registers)
        yield Note("CORE", _NT_PRPSINFO, self._info())
        yield Note("CORE", _NT_SIGINFO, self.signals.siginfo)
        yield from self._auxv()
        yield Note("CORE", _NT_FILE, self._files())
        yield from registers
        for thread in others:
            registers = self._registers(thread)
            yield self._status(thread, registers)
            yield from registers

    def _usable_threads(self) -> Iterator[ThreadCore]:
        process = self._process
        cores = {thread.tid: thread.core for thread in process.threads}
        cores = {process.pid: cores.get(process.pid, process.core), **cores}
        for tid, core in cores.items():
            if core is None:
                self._note(f"thread {tid} is left out: its core image is missing")
                continue
            try:
                if not core.HasField(self._machine.info):
                    raise ImageError(f"no registers of {self._machine.name}")  # noqa: TRY301
                self._general(core)
            except ImageError as error:
                self._note(f"thread {tid} is left out: {error}")
                continue
            yield ThreadCore(tid, core)

    def _general(self, core: DynamicMessage) -> bytes:
        packed = self._machine.general.pack(getattr(core, self._machine.info), self._process.byte_order)
        if packed is None:
            raise ImageError("it has no general registers")
        return packed

    def _signals(self, thread: ThreadCore) -> Signals:
        process = self._process
        return signals_of(thread.core, process.core, self._machine, process.byte_order)

    def _status(self, thread: ThreadCore, registers: list[Note]) -> Note:
        """Struct elf_prstatus. The times that the process used aren't in the images."""
        process, word, current = self._process, self._word, self.signals
        own = self._signals(thread)
        has_floats = any(note.type == NT_PRFPREG for note in registers)
        head = struct.pack(
            f"{self._prefix}3ih2x2{word}4I{8 * self._machine.word}x",
            current.current,
            current.code,
            current.error,
            current.current,
            narrowed(own.pending, word),
            narrowed(own.blocked, word),
            *(narrowed(value, "I") for value in (thread.tid, process.ppid, process.pgid, process.sid)),
        )
        tail = struct.pack(f"{self._prefix}i{self._machine.word - 4}x", has_floats)
        return Note("CORE", _NT_PRSTATUS, head + self._general(thread.core) + tail)

    def _registers(self, thread: ThreadCore) -> list[Note]:
        """The register sets that the images hold of a thread, besides the general registers."""
        info = getattr(thread.core, self._machine.info)
        notes = []
        for note in self._machine.notes:
            try:
                description = note.build(info, self._process.byte_order)
            except ImageError as error:
                self._note(f"thread {thread.tid}: registers of note {note.type:#x} are left out: {error}")
                continue
            if description is not None:
                notes.append(Note(note.owner, note.type, description))
        return notes

    def _info(self) -> bytes:
        """Struct elf_prpsinfo."""
        process, core = self._process, self.threads[0].core
        state, letter = _STATES.get(process.state, _RUNNING)
        credentials = process.credentials
        ids = (0, 0) if credentials is None else (credentials.uid, credentials.gid)
        code = "H" if self._machine.narrow_ids else "I"
        nice = number(core.thread_core, "sched_nice")
        return struct.pack(
            f"{self._prefix}BcBB{self._machine.word - 4}x{self._word}2{code}4I16s80s",
            state,
            letter,
            0,
            narrowed(nice, "B"),
            number(core.tc, "flags"),
            *(_user_id(value, code) for value in ids),
            *(narrowed(value, "I") for value in (process.pid, process.ppid, process.pgid, process.sid)),
            _text(process.comm)[:15],
            _text(" ".join(process.command_line))[:79],
        )

    def _auxv(self) -> Iterator[Note]:
        """The auxiliary vector: pairs of a key and a value, each an address wide, up to AT_NULL.

        For a 32-bit task on a 64-bit kernel each number of the image holds a whole pair.
        """
        if self._process.mm is None:
            self._note("no auxiliary vector: its mm image is missing")
            return
        code = "I" if self._machine.auxv_word == 4 else "Q"
        saved = [narrowed(value, code) for value in self._process.mm.mm_saved_auxv]
        raw = struct.pack(f"{self._prefix}{len(saved)}{code}", *saved)
        pair = struct.Struct(f"{self._prefix}2{self._word}")
        vector = bytearray()
        for key, value in pair.iter_unpack(raw[: len(raw) - len(raw) % pair.size]):
            if not key:
                break
            vector += pair.pack(key, value)
        yield Note("CORE", _NT_AUXV, bytes(vector) + pair.pack(0, 0))

    def _files(self) -> bytes:
        """The mappings of files: ranges and offsets in pages, then the paths."""
        memory = self._process.memory
        mapped = [vma for vma in memory.vmas if self._is_named_file(vma)]
        page_size = memory.page_size
        numbers = [value for vma in mapped for value in (vma.start, vma.end, vma.offset // page_size)]
        head = struct.pack(
            f"{self._prefix}{2 + len(numbers)}{self._word}",
            len(mapped),
            page_size,
            *(narrowed(value, self._word) for value in numbers),
        )
        return head + b"".join([_text(vma.path) + b"\0" for vma in mapped])

    def _is_named_file(self, vma: CoreMapping) -> bool:
        return vma.is_file_backed and bool(vma.path) and vma.end <= 1 << 8 * self._machine.word

    def _note(self, text: str) -> None:
        self.problems[text] = None


def _text(value: str) -> bytes:
    """Text as the bytes that it was, without a NUL, which would end it."""
    return value.encode("utf-8", "surrogateescape").replace(b"\0", b" ")


def _user_id(value: int, code: str) -> int:
    return _NOBODY if code == "H" and value > 0xFFFF else narrowed(value, code)
