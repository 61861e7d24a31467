"""How registers of the images become those of a core file: layouts as data, and what follows them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.errors import ImageError
from dyncrit.explore.coredump.elf import prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from dyncrit.types import ByteOrder, DynamicMessage

    Builder: TypeAlias = Callable[[DynamicMessage, ByteOrder], bytes | None]
    """Makes a register set from a thread's info of its architecture; None where the image has none."""


class Words(NamedTuple):
    """One field of the thread's info: ``path`` from there, ``code`` the struct format of one value.

    ``values`` is the number of values of a repeated field, 0 for a field that is not repeated.
    Without a path, ``code`` is for zeros that fill up.
    """

    path: str
    code: str
    values: int = 0


def each(message: str, code: str, names: str) -> tuple[Words, ...]:
    """Fields of one message, all alike.

    >>> each("gpregs", "Q", "sp pc")[1]
    Words(path='gpregs.pc', code='Q', values=0)
    """
    return tuple(Words(f"{message}.{name}", code) for name in names.split())


def zeros(size: int) -> Words:
    """So many bytes that the images know nothing of."""
    return Words("", f"{size}x")


class RegisterLayout:
    """A register set: fields one after the other."""

    def __init__(self, *words: Words) -> None:
        self._words = words

    def pack(self, info: DynamicMessage, byte_order: ByteOrder) -> bytes | None:
        """The set, from a thread's info; None where the image doesn't have it.

        Raises ImageError where a field doesn't have as many values as the architecture has registers.
        """
        if not all(_has(info, words.path.partition(".")[0]) for words in self._words if words.path):
            return None
        numbers = [number for words in self._words for number in _numbers(info, words)]
        codes = "".join(f"{words.values or ''}{words.code}" for words in self._words)
        return struct.pack(prefix(byte_order) + codes, *numbers)


@dataclass(frozen=True, slots=True)
class RegisterNote:
    """A note that holds a register set: its owner, its NT_ number (<linux/elf.h>), and what makes it."""

    owner: str
    type: int
    build: Builder


def fixed(message: Any, name: str, count: int, code: str = "I") -> list[int]:
    """The values of a repeated field, as many as there must be; raises ImageError."""
    found = getattr(message, name, ())
    if len(found) != count:
        raise ImageError(f"expected {count} values in {name}, found {len(found)}")
    return [narrowed(value, code) for value in found]


def narrowed(value: int, code: str) -> int:
    """A number cut to what a struct format holds."""
    return value & (1 << 8 * struct.calcsize(f"={code}")) - 1


def _numbers(info: DynamicMessage, words: Words) -> Iterator[int]:
    if not words.path:
        return
    *parents, name = words.path.split(".")
    message: Any = info
    for parent in parents:
        message = getattr(message, parent)
    if words.values:
        yield from fixed(message, name, words.values, words.code)
    else:
        yield narrowed(getattr(message, name), words.code)


def _has(info: DynamicMessage, name: str) -> bool:
    return name in info.DESCRIPTOR.fields_by_name and info.HasField(name)
