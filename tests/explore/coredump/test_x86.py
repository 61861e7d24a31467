from __future__ import annotations

import struct
from typing import Any

import pytest

from dyncrit.errors import ImageError
from dyncrit.explore.coredump import x86
from dyncrit.explore.coredump.machines import machine_of


@pytest.fixture
def info(make_core: Any) -> Any:
    return make_core("X86_64").thread_info


def fill(info: Any, **components: int) -> None:
    for name, count in components.items():
        field = getattr(info.fpregs.xsave, name)
        del field[:]
        field.extend(range(1, count + 1))


def test_fxsave_has_its_registers_at_the_processors_offsets(info: Any) -> None:
    area = x86.fxsave(info, "little")
    assert area is not None
    assert len(area) == 512
    registers = info.fpregs
    assert struct.unpack_from("<4H2Q2I", area) == (
        registers.cwd, registers.swd, registers.twd, registers.fop,
        registers.rip, registers.rdp, registers.mxcsr, registers.mxcsr_mask,
    )  # fmt: skip
    assert struct.unpack_from("<32I", area, 32) == tuple(registers.st_space)
    assert struct.unpack_from("<64I", area, 160) == tuple(registers.xmm_space)


AVX512 = {"opmask_reg": 8, "zmm_upper": 64, "hi16_zmm": 128}


@pytest.mark.parametrize(
    ("components", "size", "xcr0"),
    [
        ({}, 832, 0x7),
        (AVX512, 2688, 0xE7),
        ({**AVX512, "pkru": 2}, 2696, 0x2E7),
        ({**AVX512, "pkru": 1}, 2696, 0x2E7),
        ({"bndreg_state": 8, "bndcsr_state": 2}, 1088, 0x1F),
    ],
)
def test_xstate_has_the_size_and_xcr0_of_its_components(
    info: Any, components: Any, size: int, xcr0: int
) -> None:
    # the sizes that gdb knows layouts by (gdb/i387-tdep.c, since 14)
    fill(info, **components)
    area = x86.xstate(info, "little")
    assert area is not None
    assert (len(area), *struct.unpack_from("<Q", area, 464)) == (size, xcr0)


@pytest.mark.parametrize(
    ("name", "offset", "code"),
    [
        ("ymmh_space", 576, "64I"),
        ("opmask_reg", 1088, "8Q"),
        ("zmm_upper", 1152, "64Q"),
        ("hi16_zmm", 1664, "128Q"),
        ("pkru", 2688, "2I"),
    ],
)
def test_xstate_components_stand_at_their_standard_offsets(
    info: Any, name: str, offset: int, code: str
) -> None:
    fill(info, ymmh_space=64, **AVX512, pkru=2)
    area = x86.xstate(info, "little")
    assert area is not None
    assert struct.unpack_from(f"<{code}", area, offset) == tuple(getattr(info.fpregs.xsave, name))


def test_components_that_the_image_lacks_are_not_said_to_be_in_use(info: Any) -> None:
    # CRIU 2.12 keeps the processor's xstate_bv (0xa2: AVX-512 in use), but nothing of AVX-512
    info.fpregs.xsave.xstate_bv = 0xA2
    area = x86.xstate(info, "little")
    assert area is not None
    assert struct.unpack_from("<Q", area, 512) == (2,)


def test_images_without_xsave_have_no_xstate(info: Any) -> None:
    info.fpregs.ClearField("xsave")
    assert x86.xstate(info, "little") is None
    assert x86.shadow_stack(info, "little") is None


def test_a_shadow_stack_pointer_is_kept(info: Any) -> None:
    info.fpregs.xsave.cet.cet = 1
    info.fpregs.xsave.cet.ssp = 0x7F00_0000_1000
    assert x86.shadow_stack(info, "little") == struct.pack("<Q", 0x7F00_0000_1000)


@pytest.mark.parametrize("name", ["ymmh_space", "opmask_reg"])
def test_components_of_the_wrong_size_are_an_error(info: Any, name: str) -> None:
    fill(info, **{name: 5})
    with pytest.raises(ImageError, match=f"values in {name}, found 5"):
        x86.xstate(info, "little")


def st(*values: float) -> list[int]:
    """The words of an FXSAVE area's registers, from 80-bit numbers as (significand, exponent)."""
    return [word for value in values for word in struct.unpack("<4I", struct.pack("<QH6x", *value))]  # type: ignore[misc]


def test_fsave_tags_are_told_from_the_registers(info: Any) -> None:
    one, zero, denormal, infinite, unnormal = (
        (1 << 63, 0x3FFF),
        (0, 0),
        (5, 0),
        (1 << 63, 0x7FFF),
        (1, 0x3FFF),
    )
    registers = info.fpregs
    registers.swd = 6 << 11  # ST0 is register 6, ST1 is 7, ST2 is 0
    registers.twd = 0b1100_0111
    del registers.st_space[:]
    registers.st_space.extend(st(one, zero, denormal, infinite, unnormal, one, one, one))  # type: ignore[arg-type]
    area = x86.i387(info, "little")
    assert area is not None
    assert len(area) == 108
    tags = struct.unpack_from("<I", area, 8)[0]
    assert tags >> 16 == 0xFFFF
    expected = {6: 0, 7: 1, 0: 2, 1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
    assert {register: tags >> 2 * register & 3 for register in range(8)} == expected
    assert struct.unpack_from("<QH", area, 28) == one


def test_thread_local_segments_are_packed_as_user_desc(info: Any) -> None:
    info.tls.add(
        entry_number=12, base_addr=0xF7C00000, limit=0xFFFFF, seg_32bit=True, contents_h=False, contents_l=False,
        read_exec_only=False, limit_in_pages=True, seg_not_present=False, usable=True,
    )  # fmt: skip
    assert x86.tls(info, "little") == struct.pack("<4I", 12, 0xF7C00000, 0xFFFFF, 0b1010001)


def test_32bit_tasks_are_told_by_their_mode(make_core: Any) -> None:
    core = make_core("X86_64")
    assert machine_of(core).name == "x86_64"
    core.thread_info.gpregs.mode = 1
    assert machine_of(core).name == "x86_64"
    core.thread_info.gpregs.mode = 2
    assert machine_of(core).name == "i386"


def test_an_unknown_machine_type_is_an_error_that_lists_the_known(make_core: Any) -> None:
    core = make_core("X86_64")
    core.mtype = 0
    with pytest.raises(ImageError, match=r"machine type UNKNOWN; .*X86_64, ARM"):
        machine_of(core)
