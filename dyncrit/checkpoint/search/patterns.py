"""What to look for in memory: text, bytes in hex, regular expressions."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_MATCH = 64 << 10
"""A pattern may be this long, and a match of a regular expression that is as long is found wherever it is."""


class PatternError(DyncritError):
    """A pattern that can't be searched for; says what is wrong with it and where."""


class Pattern(ABC):
    """Something to look for.

    ``reach`` is how many bytes a match may have that is found wherever it stands, and ``behind`` how many
    bytes before it may count.
    """

    reach: int
    behind: int

    @abstractmethod
    def spans(self, buffer: memoryview, start: int, limit: int) -> Iterator[tuple[int, int]]:
        """Start and end of the matches that begin from ``start`` to ``limit`` (exclusive), none overlapping.

        They may go on to the end of the buffer.
        """

    def shorten(self, buffer: memoryview, start: int, end: int) -> int | None:
        """The end of a match that begins at ``start`` and is over by ``end``; None if there is none."""
        del buffer, start, end
        return None


def text_pattern(text: str, encoding: str = "utf-8") -> Pattern:
    """``text`` as it stands in memory in an encoding that Python knows (``"utf-16le"``, ``"latin-1"``).

    Raises PatternError for text that is empty, too long or not in the encoding, and for an unknown encoding.
    """
    try:
        needle = text.encode(encoding, "surrogateescape")
    except UnicodeError as error:
        raise PatternError(f"the text can't be written in {encoding}: {error}") from None
    except LookupError:
        raise PatternError(f"unknown encoding {encoding!r}; utf-8, utf-16le and latin-1 are some") from None
    return _literal(needle)


def hex_pattern(text: str) -> Pattern:
    """Bytes in hex, two digits each, spaces wherever wanted between them; ``??`` is any byte.

    >>> hex_pattern("de ad ?? ef").reach
    4

    Raises PatternError for anything else, and where no byte is given.
    """
    pairs = re.findall(r"\S\S?", text)
    for pair in pairs:
        if pair != "??" and not re.fullmatch("[0-9a-fA-F]{2}", pair):
            raise PatternError(f"{pair!r} is not two hex digits, nor ?? for any byte", "pattern in hex")
    if "??" not in pairs:
        return _literal(bytes.fromhex("".join(pairs)))
    if all(pair == "??" for pair in pairs):
        raise PatternError("needs a byte besides ??", "pattern in hex")
    if len(pairs) > LONGEST_MATCH:
        raise PatternError(f"is longer than {LONGEST_MATCH} bytes", "pattern in hex")
    from dyncrit.checkpoint.search.expression import Expression

    source = b"".join([b"(?s:.)" if pair == "??" else b"\\x" + pair.encode() for pair in pairs])
    return Expression(re.compile(source), reach=len(pairs))


def regex_pattern(expression: str, ignore_case: bool = False, *, engine: str | None = None) -> Pattern:
    r"""A regular expression over bytes, as Python's :mod:`re` has them; what isn't ASCII in it is UTF-8.

    A match may be 64 KiB long, and look as far around it; a longer one may be found in parts, or not at all.
    google-re2 is used for what it can do alike, if it is installed; ``engine`` asks for ``"re"`` or
    ``"re2"``. Without it an expression can take exponential time (``(a+)+b``), which is its author's affair.

    >>> regex_pattern("tok-[0-9]+").reach
    65536

    Raises PatternError for an expression that is wrong, and for one that can match no byte at all.
    """
    from dyncrit.checkpoint.search.expression import Expression

    source = expression.encode("utf-8", "surrogateescape")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled = re.compile(source, re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise PatternError(error.msg + _place(source, error.pos), "regular expression") from None
        except (Warning, RecursionError, OverflowError, ValueError) as error:
            raise PatternError(str(error), "regular expression") from None
    return Expression(compiled, reach=LONGEST_MATCH, engine=engine)


def _literal(needle: bytes) -> Pattern:
    from dyncrit.checkpoint.search.literal import Literal

    if not needle:
        raise PatternError("is empty", "pattern")
    if len(needle) > LONGEST_MATCH:
        raise PatternError(f"is longer than {LONGEST_MATCH} bytes", "pattern")
    return Literal(needle)


def _place(source: bytes, position: int | None) -> str:
    """Where a regular expression is wrong, in characters."""
    if position is None:
        return ""
    before, rest = (part.decode("utf-8", "replace") for part in (source[:position], source[position:]))
    return f" at character {len(before) + 1}, {rest[:20]!r}" if rest else " at its end"
