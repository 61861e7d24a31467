r"""Expressions of Python's re, said such that RE2 means the same by them.

The two differ in small things (``\s``, ``{,3}``, ``[[:alpha:]]``, the case of what isn't ASCII, loops over
nothing), so an expression isn't passed on but written anew from re's own syntax tree, every class of bytes
spelt out. The tree is re's private affair: where it isn't as expected, RE2 isn't used.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_REPEATS = 1000
_CATEGORIES = {
    f"CATEGORY_{prefix}{name}": re.compile(escape)
    for name, low, high in (("DIGIT", rb"\d", rb"\D"), ("SPACE", rb"\s", rb"\S"), ("WORD", rb"\w", rb"\W"))
    for prefix, escape in (("", low), ("NOT_", high))
}
_PLACES = {
    "AT_BEGINNING_STRING": b"\\A",
    "AT_END_STRING": b"\\z",
    "AT_BOUNDARY": b"\\b",
    "AT_NON_BOUNDARY": b"\\B",
}


class _UntranslatableError(Exception):
    """RE2 has nothing that means the same."""


def translate(compiled: re.Pattern[bytes]) -> bytes | None:
    """What means the same to RE2 (for Latin-1, which is one byte a character), or None."""
    try:
        if compiled.flags & re.LOCALE:
            return None
        return _sequence(_parse(compiled), compiled.flags)
    except (_UntranslatableError, ImportError, AttributeError, TypeError, ValueError, RecursionError):
        return None


def narrowest(compiled: re.Pattern[bytes]) -> int:
    """How few bytes a match may have, or a lower bound of it."""
    try:
        return int(_parse(compiled).getwidth()[0])
    except (ImportError, AttributeError, TypeError):
        return 0 if compiled.search(b"") else 1


def _parse(compiled: re.Pattern[bytes]) -> Any:
    flags = compiled.flags & (re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE)
    return importlib.import_module("re._parser").parse(compiled.pattern, flags)


def _sequence(tree: Any, flags: int) -> bytes:
    return b"".join([_node(str(operator), value, flags) for operator, value in tree])


def _node(operator: str, value: Any, flags: int) -> bytes:
    translator = _TRANSLATORS.get(operator)
    if translator is None:
        raise _UntranslatableError
    return translator(operator, value, flags)


def _byte(operator: str, value: Any, flags: int) -> bytes:
    return _one_of([("NEGATE", None)] * (operator == "NOT_LITERAL") + [("LITERAL", value)], flags)


def _any(_operator: str, _value: Any, flags: int) -> bytes:
    return _spell(byte for byte in range(256) if byte != 0x0A or flags & re.DOTALL)


def _in(_operator: str, value: Any, flags: int) -> bytes:
    return _one_of(value, flags)


def _branch(_operator: str, value: Any, flags: int) -> bytes:
    return b"(?:" + b"|".join([_sequence(branch, flags) for branch in value[1]]) + b")"


def _group(_operator: str, value: Any, flags: int) -> bytes:
    _, added, removed, tree = value
    return b"(?:" + _sequence(tree, (flags | added) & ~removed) + b")"


def _repeat(operator: str, value: Any, flags: int) -> bytes:
    low, high, tree = value
    endless = str(high) == "MAXREPEAT"
    # A loop over what may be nothing ends differently.
    if low > _MOST_REPEATS or (not endless and high > _MOST_REPEATS) or tree.getwidth()[0] == 0:
        raise _UntranslatableError
    count = b"{%d,}" % low if endless else b"{%d,%d}" % (low, high)
    return b"(?:" + _sequence(tree, flags) + b")" + count + b"?" * (operator == "MIN_REPEAT")


def _place(_operator: str, value: Any, flags: int) -> bytes:
    place = str(value)
    if place == "AT_BEGINNING":
        return b"(?m:^)" if flags & re.MULTILINE else b"\\A"
    if place == "AT_END" and flags & re.MULTILINE:
        return b"(?m:$)"
    if place not in _PLACES:  # "$" also stands before a newline at the end
        raise _UntranslatableError
    return _PLACES[place]


_TRANSLATORS: dict[str, Callable[[str, Any, int], bytes]] = {
    "LITERAL": _byte,
    "NOT_LITERAL": _byte,
    "ANY": _any,
    "IN": _in,
    "BRANCH": _branch,
    "SUBPATTERN": _group,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "AT": _place,
}


def _one_of(items: list[tuple[Any, Any]], flags: int) -> bytes:
    """The bytes that a class of re matches, spelt out."""
    ignore_case = bool(flags & re.IGNORECASE)
    members: set[int] = set()
    negate = False
    for operator, value in items:
        if str(operator) == "NEGATE":
            negate = True
        else:
            members |= {_lower(byte) if ignore_case else byte for byte in _members(str(operator), value)}
    return _spell(
        byte for byte in range(256) if ((_lower(byte) if ignore_case else byte) in members) != negate
    )


def _members(operator: str, value: Any) -> Iterable[int]:
    if operator == "LITERAL":
        return (value,)
    if operator == "RANGE":
        return range(value[0], value[1] + 1)
    if operator == "CATEGORY" and str(value) in _CATEGORIES:
        category = _CATEGORIES[str(value)]
        return [byte for byte in range(256) if category.match(bytes([byte]))]
    raise _UntranslatableError


def _lower(byte: int) -> int:
    return byte + 0x20 if 0x41 <= byte <= 0x5A else byte


def _spell(members: Iterable[int]) -> bytes:
    """A class of bytes as ranges of numbers; RE2 has none that is empty."""
    ranges: list[list[int]] = []
    for byte in members:
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    if not ranges:
        raise _UntranslatableError
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return b"\\x%02x" % ranges[0][0]
    return b"[" + b"".join([b"\\x%02x-\\x%02x" % (low, high) for low, high in ranges]) + b"]"
