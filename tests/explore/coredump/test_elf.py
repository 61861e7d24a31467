from __future__ import annotations

import struct

import pytest

from dyncrit.errors import DyncritError
from dyncrit.explore.coredump.elf import PN_XNUM, PT_LOAD, ElfFormat, Note, ProgramHeader

ELF32_BIG = ElfFormat(8, 4, "big")
ELF64 = ElfFormat(62, 8, "little")


@pytest.mark.parametrize(("elf", "sizes"), [(ELF32_BIG, (52, 32, 40)), (ELF64, (64, 56, 64))])
def test_records_have_the_sizes_that_the_header_tells(elf: ElfFormat, sizes: tuple[int, int, int]) -> None:
    segment = ProgramHeader(PT_LOAD, 4096, 4096, 0, 4096, 4, 4096)
    records = elf.file_header(1), elf.program_header(segment), elf.section_header(PN_XNUM)
    assert tuple(map(len, records)) == sizes
    assert (elf.header_size, elf.program_header_size, elf.section_header_size) == sizes


def test_the_header_says_class_byte_order_and_machine() -> None:
    assert ELF32_BIG.file_header(3)[:20] == b"\x7fELF\x01\x02\x01" + bytes(9) + b"\0\x04\0\x08"
    assert ELF64.file_header(3)[:20] == b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\0\x3e\0"


def test_the_most_segments_that_the_header_counts_need_no_section() -> None:
    assert struct.unpack_from("<H", ELF64.file_header(PN_XNUM - 1), 56) == (PN_XNUM - 1,)
    assert ELF64.section_header(PN_XNUM - 1) == b""
    assert ELF64.headers_size(PN_XNUM - 1) == 64 + 56 * (PN_XNUM - 1)


@pytest.mark.parametrize("count", [PN_XNUM, PN_XNUM + 1, 200_000])
def test_more_segments_are_counted_in_section_header_0(count: int) -> None:
    header = ELF64.file_header(count)
    assert struct.unpack_from("<Q", header, 40) == (64 + 56 * count,)
    assert struct.unpack_from("<4H", header, 54) == (56, PN_XNUM, 64, 1)
    section = ELF64.section_header(count)
    assert struct.unpack_from("<I", section, 44) == (count,)
    assert struct.unpack_from("<Q", section, 32) == (1,)


def test_notes_are_filled_up_to_4_bytes() -> None:
    assert (
        ELF32_BIG.note(Note("CORE", 6, b"12345"))
        == struct.pack(">3I", 5, 5, 6) + b"CORE\0\0\0\0" + b"12345\0\0\0"
    )


def test_a_32bit_file_of_4_gib_is_refused() -> None:
    with pytest.raises(DyncritError, match="32 bits"):
        ELF32_BIG.program_header(ProgramHeader(PT_LOAD, 0xFFFFF000, 0, 0x1000, 0x1000, 4, 4096))
