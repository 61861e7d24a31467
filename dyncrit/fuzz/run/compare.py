"""What two targets decoded, compared: JSON by value, else text; and where it first differs."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dyncrit.fuzz.run.process import Execution

Comparison = Literal["json", "text", "exit"]
"""By what outputs are compared; by ``exit``, only whether both accept an input."""

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

_SHOWN = 60
_BLANK = re.compile(r"\s*")
_MISSING = object()


class Difference(NamedTuple):
    """``path`` is where two outputs first differ, without the numbers of entries; ``what`` says how."""

    path: str
    what: str
    detail: str

    @property
    def cause(self) -> str:
        """What is the same for all differences of the sort."""
        return f"{self.path or 'output'}: {self.what}"


def difference(
    first: Execution, second: Execution, comparison: Comparison, ignored: Collection[str] = ()
) -> Difference | None:
    """How the outputs of two programs that accept an input differ; None if they don't.

    As JSON, the order of keys and white space mean nothing, a number is not a string, and true is not 1; what
    is no JSON is compared as text. Output that is too long to be kept is compared as a whole. ``ignored``
    are paths in JSON, without brackets and with ``*`` for anything (``entries.@unknown``), that are not
    compared, with all that is below them.
    """
    if comparison == "exit" or first.stdout_digest == second.stdout_digest:
        return None
    if not (first.stdout_is_whole and second.stdout_is_whole):
        return Difference("", "too long to tell where", "")
    if comparison == "json":
        left, right = documents(first.stdout), documents(second.stdout)
        if left is not None and right is not None:
            return _first_difference(left, right, ignored)
        if left is not None or right is not None:
            number = 1 if left is None else 2
            return Difference("", f"of target {number} of the two is no JSON", "")
    return _first_line(first.stdout, second.stdout)


def documents(output: bytes) -> list[Any] | None:
    """The JSON documents in an output, one after the other; None if it is something else, or empty."""
    try:
        return list(_documents(output.decode("utf-8", "surrogateescape")))
    except (ValueError, RecursionError):
        return None


def _documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_int=_number)
    position = _skip(text, 0)
    if position == len(text):
        raise ValueError
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document
        position = _skip(text, position)


def _number(text: str) -> int | str:
    """A number; one that is longer than Python converts stays text, with a mark."""
    try:
        return int(text)
    except ValueError:
        return f"number {text}"


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _first_difference(left: list[Any], right: list[Any], ignored: Collection[str]) -> Difference | None:
    """The first place, in the order of the first document's keys, where two differ."""
    pending: list[tuple[str, Any, Any]] = [("", left, right)] if len(left) != 1 or len(right) != 1 else []
    pending = pending or [("", left[0], right[0])]
    while pending:
        path, one, other = pending.pop()
        if ignored and _is_ignored(path, ignored):
            continue
        if one is _MISSING or other is _MISSING:
            return Difference(path, f"only in {'second' if one is _MISSING else 'first'}", "")
        if isinstance(one, dict) and isinstance(other, dict):
            keys = list(dict.fromkeys((*one, *other)))
            below = (
                (f"{path}.{key}".lstrip("."), one.get(key, _MISSING), other.get(key, _MISSING))
                for key in keys
            )
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return Difference(f"{path}[]", "another length", f"{len(one)} and {len(other)}")
            below = ((f"{path}[]", *pair) for pair in zip(one, other, strict=True))
        elif _kind(one) != _kind(other):
            return Difference(path, f"{_kind(one)} and {_kind(other)}", _both(one, other))
        elif one != other:
            return Difference(path, "another value", _both(one, other))
        else:
            continue
        pending += reversed(list(below))
    return None


def _is_ignored(path: str, ignored: Collection[str]) -> bool:
    plain = path.replace("[]", "").lstrip(".")
    return any(fnmatchcase(plain, pattern.replace("[", "[[]")) for pattern in ignored)


def _kind(value: object) -> str:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return kinds.get(type(value), "null")


def _both(one: object, other: object) -> str:
    return f"{_shown(one)} and {_shown(other)}"


def _shown(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, list | dict) else f"{_kind(value)} of {len(value)}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _first_line(first: bytes, second: bytes) -> Difference:
    """Text: where the first line that differs has a name in front, that is its place."""
    left, right = first.splitlines(), second.splitlines()
    number = next(
        (index for index, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), -1
    )
    if number < 0:
        longer = "first" if len(left) > len(right) else "second" if len(right) > len(left) else "neither"
        return Difference("", f"more lines: {longer}", f"{len(left)} and {len(right)} lines")
    one, other = (lines[number].decode("utf-8", "replace").strip() for lines in (left, right))
    name = re.match(r"[\"']?([A-Za-z_][\w.-]{0,60})[\"']?\s*[:=]", one)
    return Difference(name[1] if name else "", "another text", f"line {number + 1}: {_both(one, other)}")
