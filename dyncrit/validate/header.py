"""The magics that a ``magic.h`` defines, all of them, with their lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADS = frozenset({"IMG_COMMON", "IMG_SERVICE", "KDAT"})
"""Magics that belong to no type of image: two that stand before others, and that of CRIU's own cache."""

_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)_MAGIC(?:[ \t]|\\\r?\n)+\(?[ \t]*(\w+)", re.MULTILINE)
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]{1,8}|[1-9]\d{0,9}|0)[uU]?[lL]{0,2}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MAX_SIZE = 1 << 20


class Define(NamedTuple):
    """A magic, without ``_MAGIC``; ``through`` is the name it is defined by, empty where it is a number."""

    name: str
    value: int
    line: int
    through: str = ""


def read_defines(path: Path) -> tuple[Define, ...]:
    """The magics that the header at ``path`` defines; raises SchemaError if it can't be read."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE).decode("utf-8", "replace")
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(path)) from error
    return tuple(parse_defines(text))


def parse_defines(text: str) -> Iterator[Define]:
    r"""The magics that a header's text defines; those of raw images, whose value is 0, are left out.

    >>> list(parse_defines("#define CORE_MAGIC 0x55053847\n#define OLD_MAGIC CORE_MAGIC"))[1]
    Define(name='OLD', value=1426405447, line=2, through='CORE')
    """
    text = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n") or " ", text)
    values: dict[str, int] = {}
    line = position = 0
    for match in _DEFINE.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        name, content = match.groups()
        through = content.removesuffix("_MAGIC")
        value = int(content.rstrip("uUlL"), 0) if _NUMBER.fullmatch(content) else values.get(through)
        if value is None:
            continue
        values.setdefault(name, value)
        if value:
            yield Define(name, value, line + 1, "" if content[0].isdigit() else through)
