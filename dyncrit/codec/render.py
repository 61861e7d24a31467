"""Pretty renderings of integers, and bytes as text: each with its exact inverse.

Rendering and reading back gives the same number for every value that a field can hold; where a map
or a notation can't express one, it is shown as a number.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.names import DICTS, FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dyncrit.schema.options import CriuOptions
    from dyncrit.types import ByteOrder

_KERNEL_MINOR_BITS = 20


class Rendering(NamedTuple):
    """How an integer is shown, and how a string in its place is read (raises ValueError)."""

    show: Callable[[int], int | str]
    parse: Callable[[str], int]


def rendering(options: CriuOptions, field_name: str, *, hexadecimal: bool = False) -> Rendering | None:
    """The rendering that a field's options ask for, or None for a plain number.

    Precedence as in CRIT: hex (also inherited from a message field), dev, flags, dict.
    """
    if options.hex or hexadecimal:
        return Rendering(hex, parse_integer)
    if options.dev:
        return _OLD_DEVICE if options.odev else _DEVICE
    if options.flags:
        names = FLAGS.get(options.flags)
        return _flags(names) if names else Rendering(hex, parse_integer)
    if options.dict:
        names_by_value = DICTS.get(options.dict, {}).get(field_name)
        return _dictionary(names_by_value) if names_by_value else None
    return None


def parse_integer(text: str) -> int:
    """An integer written in decimal, hexadecimal (0x), octal (0o) or binary (0b); raises ValueError.

    >>> parse_integer("-0x10")
    -16
    """
    if not re.fullmatch(
        r"\s*[+-]?(0[xX][0-9a-fA-F]{1,64}|0[oO][0-7]{1,64}|0[bB][01]{1,128}|[0-9]{1,40})\s*", text
    ):
        raise ValueError(f"not a number: {text!r:.60}")
    return int(text) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", text) else int(text, 0)


def show_base64(value: bytes) -> str:
    """Base64 in lines of 76 characters with a newline behind each, as CRIT writes it."""
    text = binascii.b2a_base64(value, newline=False).decode("ascii")
    if len(text) <= 76:
        return f"{text}\n" if text else ""
    return "\n".join([text[start : start + 76] for start in range(0, len(text), 76)]) + "\n"


def parse_base64(text: str) -> bytes:
    """The bytes behind base64, with line breaks anywhere or none; raises ValueError."""
    return binascii.a2b_base64("".join(text.split()).encode("ascii"), strict_mode=True)


def show_unix_name(value: bytes) -> str:
    r"""A socket name as quoted-printable, as CRIT shows ``unix_sk_entry.name``.

    Not every name comes back from it (``a\r\nb\nc``): the caller compares and keeps the bytes.
    """
    import quopri

    return quopri.encodestring(value).decode("ascii", "surrogateescape")


def parse_unix_name(text: str) -> bytes:
    """The inverse of :func:`show_unix_name`."""
    import quopri

    return quopri.decodestring(text.encode("utf-8", "surrogateescape"))


def unix_name_loses(value: bytes) -> bool:
    """Whether a socket name does not come back from its quoted-printable form."""
    return parse_unix_name(show_unix_name(value)) != value


def show_addresses(values: list[int], byte_order: ByteOrder) -> list[int] | list[str]:
    """One u32 as an IPv4 address, four as an IPv6 address, anything else as numbers.

    The memory bytes of each u32 are in network order, so what they are as a number depends on the
    host's ``byte_order``.
    """
    import ipaddress

    packed = b"".join([value.to_bytes(4, byte_order) for value in values])
    if len(values) == 1:
        return [str(ipaddress.IPv4Address(packed))]
    if len(values) == 4:
        address = ipaddress.IPv6Address(packed)
        if address.ipv4_mapped:  # which Python shows in another way from 3.13 on
            return [f"::ffff:{packed[12:14].hex().lstrip('0') or '0'}:{packed[14:].hex().lstrip('0') or '0'}"]
        return [address.compressed]
    return values


def parse_address(text: str, byte_order: ByteOrder) -> list[int]:
    """The u32s of an address; raises ValueError."""
    import ipaddress

    packed = ipaddress.ip_address(text).packed
    return [int.from_bytes(packed[at : at + 4], byte_order) for at in range(0, len(packed), 4)]


def _parse_pair(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(":")
    return parse_integer(major), parse_integer(minor)


def _show_device(value: int) -> int | str:
    if value < 0:
        return value
    return f"{value >> _KERNEL_MINOR_BITS}:{value & ((1 << _KERNEL_MINOR_BITS) - 1)}"


def _parse_device(text: str) -> int:
    if ":" not in text:
        return parse_integer(text)
    major, minor = _parse_pair(text)
    if not 0 <= minor < 1 << _KERNEL_MINOR_BITS or major < 0:
        raise ValueError(f"not a device: {text!r:.60} (major:minor, minor below {1 << _KERNEL_MINOR_BITS})")
    return major << _KERNEL_MINOR_BITS | minor


def _show_old_device(value: int) -> int | str:
    if value < 0:
        return value
    major = value >> 8 & 0xFFF | value >> 32 & 0xFFFFF000
    minor = value & 0xFF | value >> 12 & 0xFFFFFF00
    return f"{major}:{minor}"


def _parse_old_device(text: str) -> int:
    if ":" not in text:
        return parse_integer(text)
    major, minor = _parse_pair(text)
    if not (0 <= minor < 1 << 32 and 0 <= major < 1 << 32):
        raise ValueError(f"not a device: {text!r:.60} (major:minor, 32 bits each)")
    return (major & 0xFFF) << 8 | (major & 0xFFFFF000) << 32 | minor & 0xFF | (minor & 0xFFFFFF00) << 12


_DEVICE = Rendering(_show_device, _parse_device)
_OLD_DEVICE = Rendering(_show_old_device, _parse_old_device)


def _flags(names: Mapping[str, int]) -> Rendering:
    bits = [(name, bit) for name, bit in names.items() if bit]
    known = sum(names.values())
    shown: dict[int, str] = {}

    def show(value: int) -> int | str:
        if value < 0:
            return hex(value)
        if value in shown:
            return shown[value]
        words = [name for name, bit in bits if value & bit]
        if rest := value & ~known:
            words.append(hex(rest))
        text = " | ".join(words)
        if len(shown) < 1024:
            shown[value] = text
        return text

    def parse(text: str) -> int:
        value = 0
        for word in (word.strip() for word in text.split("|")) if text.strip() else ():
            value |= names[word] if word in names else _parse_flag(word, names)
        return value

    return Rendering(show, parse)


def _parse_flag(word: str, names: Mapping[str, int]) -> int:
    try:
        return parse_integer(word)
    except ValueError:
        raise ValueError(f"no flag {word!r:.60}; there are {', '.join(names)}, and numbers") from None


def _dictionary(names: Mapping[int, str]) -> Rendering:
    values = {name: value for value, name in names.items()}

    def show(value: int) -> int | str:
        return names.get(value, value)

    def parse(text: str) -> int:
        if text in values:
            return values[text]
        try:
            return parse_integer(text)
        except ValueError:
            raise ValueError(f"no value {text!r:.60}; there are {', '.join(values)}, and numbers") from None

    return Rendering(show, parse)
