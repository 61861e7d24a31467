"""Plausible numbers: what a field's options and its name say of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.names import DICTS, FLAGS
from dyncrit.schema.options import criu_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.descriptor import FieldDescriptor

    from dyncrit.fuzz.chance import Chance

_PAGE = 4096
_BASES = (0x400000, 0x55D000000000, 0x7F0000000000, 0x7FFC00000000)
"""Where programs, their heaps, libraries and stacks begin on x86-64."""

_USERS = (0, 1000, 33, 65534)
_MODES = (0o100644, 0o100755, 0o40755, 0o20620, 0o120777, 0o10600, 0o140755, 0o644)
_PORTS = (0, 22, 80, 443, 8080, 49152, 65535)
_DEVICES = (1 << 20 | 3, 5 << 20, 8 << 20 | 1, 136 << 20 | 2, 253 << 20)
_OLD_DEVICES = (0x103, 0x500, 0x801, 0x8802, 0xFD00)
_WIDTHS = (1, 3, 8, 16, 1, 3, 8, 31)
_MASKS = (0, 1 << 8, 0x10000, 0xFFFFFFFF, 0x1FFFFFFFFFF, (1 << 64) - 1)
_IPV4 = (0x0100007F, 0, 0x0200000A, 0xFFFFFFFF)


def address(chance: Chance) -> int:
    """The address of a page of a program of 64 bits."""
    return _BASES[chance.bits(2)] + _PAGE * chance.bits(12)


def number(chance: Chance) -> int:
    """A number that nothing is known of: mostly a small one."""
    return chance.bits(_WIDTHS[chance.bits(3)])


def _below(limit: int, least: int = 0) -> Callable[[Chance], int]:
    return lambda chance: least + chance.below(limit)


def _from(values: Sequence[int]) -> Callable[[Chance], int]:
    return lambda chance: chance.one_of(values)


class _Sense(NamedTuple):
    """Numbers for fields whose names match, of at least so many bits."""

    pattern: re.Pattern[str]
    make: Callable[[Chance], int]
    bits: int = 0


_SENSES = (
    _Sense(re.compile(r"^(fs|e|s)?[ug]id$|^c[ug]id$|groups|loginuid"), _from(_USERS)),
    _Sense(re.compile(r"^(n?s|p|t)?pid$|^pgid$|^sid$|pgrp|threads|thread_id"), _below(1 << 12, 1)),
    _Sense(re.compile(r"addr$|^start$|^end$|^mm_|brk|pointer|_base$|handle"), address, 64),
    _Sense(re.compile(r"^s?sp$|^[pnr]?ip$|^pc$"), address, 64),
    _Sense(re.compile(r"(^|_)mode$"), _from(_MODES)),
    _Sense(re.compile(r"port$"), _from(_PORTS)),
    _Sense(re.compile(r"[nu]sec$"), _below(1_000_000)),
    _Sense(re.compile(r"sec$|stamp$|time$|timeout"), _below(1 << 20)),
    _Sense(re.compile(r"sig(no|num)$|pdeath_sig|stop_signo|^signo"), _below(64, 1)),
    _Sense(re.compile(r"sigset|mask$|^cap_|^hwcap"), _from(_MASKS)),
    _Sense(re.compile(r"^(r?dev|s_dev)$"), _from(_OLD_DEVICES)),
    _Sense(re.compile(r"fd$"), _below(64)),
    _Sense(re.compile(r"(len|size|bytes|count|cnt|pages)$|^(nr|num)_"), _below(1 << 12)),
    _Sense(re.compile(r"id$|_id_|idx$|ino(de)?$|index$|^prev$"), _below(64, 1)),
)


def number_maker(field: FieldDescriptor, bits: int) -> Callable[[Chance], int]:
    """What makes plausible numbers for a field of so many bits: by its ``(criu)`` options, then its name.

    They may be of more bits than the field has.
    """
    options = criu_options(field)
    if options.dev:
        return _from(_OLD_DEVICES if options.odev else _DEVICES)
    if options.flags and (names := FLAGS.get(options.flags)):
        return _flags([bit for bit in names.values() if bit and bit >> bits == 0])
    if options.dict and (values := DICTS.get(options.dict, {}).get(field.name)):
        return _from(sorted(values))
    if options.ipadd:
        return _from(_IPV4)
    other = _from(_MASKS) if options.hex else number
    return _by_name(field.name, bits) or (address if options.hex and bits == 64 else other)


def _by_name(name: str, bits: int) -> Callable[[Chance], int] | None:
    return next((sense.make for sense in _SENSES if bits >= sense.bits and sense.pattern.search(name)), None)


def _flags(bits: Sequence[int]) -> Callable[[Chance], int]:
    """Up to three of the bits."""

    def make(chance: Chance) -> int:
        value = 0
        for _ in range(chance.below(4)):
            value |= chance.one_of(bits)
        return value

    return make
