"""A container's id within texts: only where it stands as a whole, between other characters."""

from __future__ import annotations

import re
from typing import NamedTuple

from dyncrit.errors import DyncritError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")
_ESCAPE = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Token(NamedTuple):
    """An id and the one that takes its place.

    >>> token = Token.of("a1b2", "web")
    >>> token.replaced("/docker/a1b2/hostname"), token.replaced("libpod-a1b2.scope"), token.replaced("xa1b2")
    ('/docker/web/hostname', 'libpod-web.scope', None)
    """

    old: str
    new: str
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, old: str, new: str) -> Token:
        """Both as a person gives them; raises DyncritError for what is no id, and if both are the same."""
        for name in (old, new):
            if not _ID.fullmatch(name):
                raise DyncritError(
                    f"expected a container's id or name (letters, digits, _ . -), found {name!r}"
                )
        if old == new:
            raise DyncritError(f"the old and the new id are the same: {old!r}")
        return cls(old, new, re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])"))

    def replaced(self, text: str) -> str | None:
        """A text with the new id for the old one; None if it isn't in it."""
        changed, count = self.pattern.subn(self.new, text)
        return changed if count else None

    def replaced_in_json(self, text: str) -> tuple[str, int]:
        r"""JSON text with the new id in its strings, all else as it was; and how often it was there.

        >>> Token.of("a1", "b2").replaced_in_json('{"a1": "x\\na1", "n":  1}')
        ('{"b2": "x\\nb2", "n":  1}', 2)
        """
        total = 0

        def in_string(match: re.Match[str]) -> str:
            nonlocal total
            parts = _ESCAPE.split(match[0])  # an escape is no part of the word behind it
            for index in range(0, len(parts), 2):
                parts[index], count = self.pattern.subn(self.new, parts[index])
                total += count
            return "".join(parts)

        changed = _STRING.sub(in_string, text)
        return changed, total
