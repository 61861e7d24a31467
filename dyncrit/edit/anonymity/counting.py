"""How counts of what was scrubbed are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter


def told(counts: Counter[str]) -> str:
    """Counts in words, by kind."""
    return ", ".join(number_of(count, kind) for kind, count in sorted(counts.items()) if count)


def number_of(count: int, kind: str) -> str:
    """A number of things.

    >>> number_of(1, "path"), number_of(2, "address"), number_of(2, "byte of data")
    ('1 path', '2 addresses', '2 bytes of data')
    """
    noun, preposition, rest = kind.partition(" of ")
    plural = noun if count == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {plural}{preposition}{rest}"
