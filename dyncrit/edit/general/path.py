"""Paths to what is to be changed: ``entries[type==REG].reg.name``.

A path is names with dots between them, and in brackets an index (``[3]``, ``[-1]``), all (``[*]``), or a
condition: ``[type==REG]``, ``[?type=='REG' && reg.flags!=0x8000]``, ``[?reg]`` for what has such a field, and
``[@>=5]`` for items that are values themselves.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from typing import TypeAlias

ENTRIES = "entries"

_NAME = re.compile(r"@?[A-Za-z_][A-Za-z0-9_]*")
_INDEX = re.compile(r"\s*(-?[0-9]{1,18})\s*\]")
_ALL = re.compile(r"\s*\*\s*\]")
_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*")
_AND = re.compile(r"\s*&&\s*")
_RAW_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_JSON_LITERAL = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_BARE = re.compile(r"[^\]&]*(?:&(?!&)[^\]&]*)*")
_ITEM_ITSELF = re.compile(r"@(?![A-Za-z_])")
_SHOWN = 20

Operator = Literal["==", "!=", "<", "<=", ">", ">="]


class PathError(DyncritError):
    """A path, or an assignment, that is none; says where."""


class Name(NamedTuple):
    """A field by its name."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}" if _NAME.fullmatch(self.name) else f".{json.dumps(self.name)}"


class Index(NamedTuple):
    """An item by its index; one below zero counts from the end."""

    number: int

    def __str__(self) -> str:
        return f"[{self.number}]"


class All(NamedTuple):
    """All items."""

    def __str__(self) -> str:
        return "[*]"


class Comparison(NamedTuple):
    """A comparison of what stands at ``operand`` (the item itself if that is empty) with a value.

    Without an operator: whether anything stands there.
    """

    operand: tuple[Name | Index, ...]
    operator: Operator | None = None
    value: str = ""


class Where(NamedTuple):
    """The items for which all tests hold."""

    tests: tuple[Comparison, ...]
    text: str

    def __str__(self) -> str:
        return self.text


Step: TypeAlias = Name | Index | All | Where


class Path(NamedTuple):
    """The steps of a path."""

    steps: tuple[Step, ...]

    @property
    def is_exact(self) -> bool:
        """Whether it names one place: it has neither ``*`` nor conditions."""
        return all(isinstance(step, Name | Index) for step in self.steps)

    def __str__(self) -> str:
        return show_steps(self.steps)


class Assignment(NamedTuple):
    """A path with a value, as text: to be set there, or to be appended to the list there."""

    path: Path
    value: str
    append: bool = False


def show_steps(steps: tuple[Step, ...]) -> str:
    """Steps as a path has them.

    >>> show_steps((Name("entries"), Index(3), Name("reg"), Name("name")))
    'entries[3].reg.name'
    """
    return "".join(map(str, steps)).removeprefix(".")


def parse_path(text: str) -> Path:
    """The path that a text is; raises PathError, which says at which character it isn't."""
    parser = _Parser(text.strip())
    path = parser.path()
    parser.expect_end("expected . or [ or the end of the path")
    return path


def parse_assignment(text: str) -> Assignment:
    """A path, ``=`` or ``+=``, and a value: all that stands behind.

    >>> parse_assignment("entries[flags==0x2].name=/srv").value
    '/srv'

    Raises PathError.
    """
    parser = _Parser(text)
    path = parser.path()
    append = parser.accept("+=")
    if not append and not parser.accept("="):
        parser.fail("expected = and a value, or += to append one")
    return Assignment(path, text[parser.position :], append)


class _Parser:
    """Reads a text from its beginning; ``position`` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def path(self) -> Path:
        steps: list[Step] = [Name(self._name())]
        while True:
            if self.accept("["):
                steps.append(self._bracket())
            elif self.accept("."):
                steps.append(Name(self._name()))
            else:
                return Path(tuple(steps))

    def accept(self, wanted: str) -> bool:
        if not self.text.startswith(wanted, self.position):
            return False
        self.position += len(wanted)
        return True

    def expect_end(self, problem: str) -> None:
        if self.position < len(self.text):
            self.fail(problem)

    def fail(self, problem: str) -> NoReturn:
        found = self.text[self.position : self.position + _SHOWN]
        where = f"at character {self.position + 1}, {found!r}" if found else "at its end"
        raise PathError(f"{problem} {where}", f"path {self.text:.60}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match:
            self.position = match.end()
        return match

    def _name(self) -> str:
        self._take(_SPACE)
        if quoted := self._take(_JSON_STRING):
            return self._unquoted(quoted)
        name = self._take(_NAME)
        if name is None:
            self.fail("expected a field's name")
        return name.group()

    def _unquoted(self, quoted: re.Match[str]) -> str:
        try:
            return str(json.loads(quoted.group()))
        except ValueError:
            self.position = quoted.start()
            self.fail('expected a string in ""')

    def _bracket(self) -> Step:
        start = self.position - 1
        if index := self._take(_INDEX):
            return Index(int(index[1]))
        if self._take(_ALL):
            return All()
        self._take(_SPACE)
        self.accept("?")
        tests = [self._test()]
        while self._take(_AND):
            tests.append(self._test())
        self._take(_SPACE)
        if not self.accept("]"):
            self.fail("expected ] or && and another condition")
        return Where(tuple(tests), self.text[start : self.position])

    def _test(self) -> Comparison:
        operand = self._operand()
        if operator := self._take(_OPERATOR):
            return Comparison(operand, operator[1], self._literal())  # type: ignore[arg-type]  # as the pattern says
        if not operand:
            self.fail("expected a comparison behind @")
        return Comparison(operand)

    def _operand(self) -> tuple[Name | Index, ...]:
        self._take(_SPACE)
        steps: list[Name | Index] = []
        if not self._take(_ITEM_ITSELF):
            steps.append(Name(self._name()))
        while True:
            if self.accept("."):
                steps.append(Name(self._name()))
            elif self.accept("["):
                index = self._take(_INDEX)
                if index is None:
                    self.fail("expected an index: conditions within conditions are not to be had,")
                steps.append(Index(int(index[1])))
            else:
                return tuple(steps)

    def _literal(self) -> str:
        """A value as text, as it would stand behind = in an assignment."""
        if quoted := self._take(_JSON_STRING):
            return quoted.group()
        if raw := self._take(_RAW_STRING):
            return json.dumps(re.sub(r"\\(['\\])", r"\1", raw[1]))
        if literal := self._take(_JSON_LITERAL):
            return literal[1].replace("\\`", "`")
        start = self.position
        bare = self._take(_BARE)
        text = bare.group() if bare else ""
        if "||" in text:
            self.position = start + text.index("||")
            self.fail("expected && or ]: there is no || in conditions,")
        if not text.strip():
            self.fail("expected a value to compare with")
        return text.strip()
