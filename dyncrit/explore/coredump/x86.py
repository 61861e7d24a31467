"""The floating-point and vector registers of x86, as Linux lays them out in core files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dyncrit.explore.coredump.registers import fixed, narrowed

if TYPE_CHECKING:
    from dyncrit.types import ByteOrder, DynamicMessage

_FXSAVE_SIZE = 512
_XCR0_OFFSET = 464  # in the bytes of the legacy area that are left to software
_HEADER_OFFSET = 512
_X87, _SSE = 1, 2


class Component(NamedTuple):
    """A part of the XSAVE area in its standard format: ``bits`` of XCR0, and where it stands."""

    field: str
    bits: int
    offset: int
    code: str
    values: int


COMPONENTS: Final = (
    Component("ymmh_space", 1 << 2, 576, "I", 64),
    Component("bndreg_state", 1 << 3, 960, "Q", 8),
    Component("bndcsr_state", 1 << 4, 1024, "Q", 8),
    Component("opmask_reg", 1 << 5, 1088, "Q", 8),
    Component("zmm_upper", 1 << 6, 1152, "Q", 64),
    Component("hi16_zmm", 1 << 7, 1664, "Q", 128),
    Component("pkru", 1 << 9, 2688, "I", 2),
)
"""Offsets as Intel's processors have them, and as debuggers expect them in areas of these sizes."""


def fxsave(info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:  # noqa: ARG001 (always little)
    """The struct user_fpregs_struct of x86_64, struct user_fpxregs_struct of i386: 512 bytes."""
    if not info.HasField("fpregs"):
        return None
    registers = info.fpregs
    return b"".join(
        (
            struct.pack(
                "<4H2Q2I",
                *(narrowed(getattr(registers, name), "H") for name in ("cwd", "swd", "twd", "fop")),
                registers.rip,
                registers.rdp,
                registers.mxcsr,
                registers.mxcsr_mask,
            ),
            struct.pack("<32I", *fixed(registers, "st_space", 32)),
            struct.pack("<64I", *fixed(registers, "xmm_space", 64)),
            bytes(96),
        )
    )


def xstate(info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:
    """The XSAVE area in its standard format; XCR0 stands at byte 464, where Linux puts it for debuggers.

    The images don't have XCR0: it is made of the components that they carry.
    """
    legacy = fxsave(info, byte_order)
    if legacy is None or not info.fpregs.HasField("xsave"):
        return None
    saved = info.fpregs.xsave
    present = [component for component in COMPONENTS if len(getattr(saved, component.field, ()))]
    if not present:
        return None
    area = bytearray(_area_size(present))
    area[:_FXSAVE_SIZE] = legacy
    xcr0 = _X87 | _SSE | sum(component.bits for component in present)
    struct.pack_into("<Q", area, _XCR0_OFFSET, xcr0)
    # a component that the processor had in use but the image lacks can't be told to be there
    struct.pack_into("<Q", area, _HEADER_OFFSET, saved.xstate_bv & xcr0)
    for component in present:
        values = _component_values(saved, component)
        struct.pack_into(f"<{component.values}{component.code}", area, component.offset, *values)
    return bytes(area)


def i387(info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:
    """Struct user_i387_struct of i386: 108 bytes, as FSAVE writes them."""
    saved = fxsave(info, byte_order)
    if saved is None:
        return None
    registers, general = info.fpregs, info.gpregs
    high = 0xFFFF0000
    environment = struct.pack(
        "<7I",
        high | narrowed(registers.cwd, "H"),
        high | narrowed(registers.swd, "H"),
        high | _full_tags(saved),
        narrowed(registers.rip, "I"),
        narrowed(general.cs, "H") | narrowed(registers.fop, "H") << 16,
        narrowed(registers.rdp, "I"),
        high | narrowed(general.ds, "H"),
    )
    return environment + b"".join(saved[32 + 16 * index : 42 + 16 * index] for index in range(8))


def tls(info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:  # noqa: ARG001
    """The thread-local segments of a 32-bit task: struct user_desc (<asm/ldt.h>) each."""
    if not len(info.tls):
        return None
    return b"".join(_segment(descriptor) for descriptor in info.tls)


def shadow_stack(info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:  # noqa: ARG001
    """The shadow stack's pointer."""
    if not info.HasField("fpregs") or not info.fpregs.HasField("xsave"):
        return None
    saved = info.fpregs.xsave
    if "cet" not in saved.DESCRIPTOR.fields_by_name or not saved.HasField("cet"):
        return None
    return struct.pack("<Q", saved.cet.ssp)


def _area_size(present: list[Component]) -> int:
    """A size that goes with the components: debuggers tell the layout of the area by it."""
    last = max(present, key=lambda component: component.offset)
    return last.offset + last.values * struct.calcsize(f"<{last.code}")


def _component_values(saved: Any, component: Component) -> list[int]:
    found = list(getattr(saved, component.field))
    if component.field in _SHORT and 0 < len(found) < component.values:
        found += [0] * (component.values - len(found))
    else:
        fixed(saved, component.field, component.values, component.code)
    return found


_SHORT = frozenset({"bndcsr_state", "pkru"})
"""Components whose last bytes are reserved; images leave these out."""


def _full_tags(saved: bytes) -> int:
    """The tag word of FSAVE, two bits a register, from FXSAVE's, one bit each (Intel SDM 1, 8.1.7)."""
    _, status, tags = struct.unpack_from("<3H", saved)
    top = status >> 11 & 7
    full = 0
    for register in range(8):
        place = 32 + 16 * ((register - top) & 7)
        full |= (_tag(saved[place : place + 10]) if tags >> register & 1 else 3) << 2 * register
    return full


def _tag(value: bytes) -> int:
    significand, exponent = struct.unpack("<QH", value)
    exponent &= 0x7FFF
    if not exponent and not significand:
        return 1
    return 0 if 0 < exponent < 0x7FFF and significand >> 63 else 2


def _segment(descriptor: Any) -> bytes:
    bits = (
        descriptor.seg_32bit,
        descriptor.contents_l,
        descriptor.contents_h,
        descriptor.read_exec_only,
        descriptor.limit_in_pages,
        descriptor.seg_not_present,
        descriptor.usable,
    )
    flags = sum(bool(bit) << place for place, bit in enumerate(bits))
    return struct.pack("<4I", descriptor.entry_number, descriptor.base_addr, descriptor.limit, flags)
