"""The records of an ELF core file, packed for any class and byte order (<elf.h>; System V ABI)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from dyncrit.types import ByteOrder

PT_LOAD: Final = 1
PT_NOTE: Final = 4
PN_XNUM: Final = 0xFFFF
"""The number of program headers that says: it stands in section header 0 (ELF gABI, Linux 2.6.34)."""

_ET_CORE = 4
_EV_CURRENT = 1
_CLASSES = {4: 1, 8: 2}
_DATA_ENCODINGS: dict[ByteOrder, int] = {"little": 1, "big": 2}
_PREFIXES: dict[ByteOrder, str] = {"little": "<", "big": ">"}


def prefix(byte_order: ByteOrder) -> str:
    """How struct calls a byte order; without the padding of native structures."""
    return _PREFIXES[byte_order]


class ProgramHeader(NamedTuple):
    """Where a segment stands: ``offset`` and ``file_size`` in the file, the rest in memory; all in bytes."""

    type: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    flags: int
    alignment: int


class Note(NamedTuple):
    """A note: ``owner`` names who defines what ``type`` means."""

    owner: str
    type: int
    description: bytes


@dataclass(frozen=True, slots=True)
class ElfFormat:
    """ELF of one machine: ``word`` is the size of an address in bytes, 4 or 8."""

    machine: int
    word: int
    byte_order: ByteOrder

    @property
    def header_size(self) -> int:
        """The size of the file's header."""
        return 52 if self.word == 4 else 64

    @property
    def program_header_size(self) -> int:
        """The size of one program header."""
        return 32 if self.word == 4 else 56

    @property
    def section_header_size(self) -> int:
        """The size of one section header."""
        return 40 if self.word == 4 else 64

    @property
    def address_end(self) -> int:
        """The first number that is no address."""
        return 1 << 8 * self.word

    def headers_size(self, segments: int) -> int:
        """How many bytes stand in front of the segments: the headers of file, ``segments`` and section 0."""
        size = self.header_size + segments * self.program_header_size
        return size + self.section_header_size if segments >= PN_XNUM else size

    def file_header(self, segments: int) -> bytes:
        """The header of a core file of so many segments; the program headers stand right behind it."""
        extended = segments >= PN_XNUM
        ident = bytes([*b"\x7fELF", _CLASSES[self.word], _DATA_ENCODINGS[self.byte_order], _EV_CURRENT])
        words = "III" if self.word == 4 else "QQQ"
        return struct.pack(
            f"{prefix(self.byte_order)}16sHHI{words}I6H",
            ident,
            _ET_CORE,
            self.machine,
            _EV_CURRENT,
            0,
            self.header_size,
            self.header_size + segments * self.program_header_size if extended else 0,
            0,
            self.header_size,
            self.program_header_size,
            PN_XNUM if extended else segments,
            self.section_header_size if extended else 0,
            1 if extended else 0,
            0,
        )

    def section_header(self, segments: int) -> bytes:
        """Section header 0, which tells the number of segments where the file's header can't; else b""."""
        if segments < PN_XNUM:
            return b""
        word = "I" if self.word == 4 else "Q"
        # sh_size is the number of section headers, sh_info that of program headers
        layout = f"{prefix(self.byte_order)}2I4{word}2I2{word}"
        return struct.pack(layout, 0, 0, 0, 0, 0, 1, 0, segments, 0, 0)

    def program_header(self, header: ProgramHeader) -> bytes:
        """A program header; raises DyncritError where the file is too large for its class."""
        if header.offset + header.file_size >= self.address_end:
            raise DyncritError(f"a core file of {8 * self.word} bits can't be as large as this one would be")
        numbers = (header.offset, header.address, 0, header.file_size, header.memory_size)
        if self.word == 4:
            values = (header.type, *numbers, header.flags, header.alignment)
            return struct.pack(f"{prefix(self.byte_order)}8I", *values)
        values = (header.type, header.flags, *numbers, header.alignment)
        return struct.pack(f"{prefix(self.byte_order)}2I6Q", *values)

    def note(self, note: Note) -> bytes:
        """A note, with both of its parts filled up to 4 bytes, as Linux writes them in either class."""
        owner = note.owner.encode("ascii") + b"\0"
        if len(note.description) > 0xFFFFFFFF:
            raise DyncritError(f"a note of {len(note.description)} bytes; ELF allows under 4 GiB")
        head = struct.pack(f"{prefix(self.byte_order)}3I", len(owner), len(note.description), note.type)
        return head + _filled(owner) + _filled(note.description)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
