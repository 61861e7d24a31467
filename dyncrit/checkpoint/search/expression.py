"""Regular expressions looked for with re, and with google-re2 where that finds the same."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dyncrit.checkpoint.search.dialect import narrowest, translate
from dyncrit.checkpoint.search.patterns import Pattern, PatternError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

_RE2_MEMORY = 64 << 20


class Expression(Pattern):
    """A regular expression; ``engine`` tells which of ``"re"`` and ``"re2"`` looks for it."""

    def __init__(self, compiled: re.Pattern[bytes], *, reach: int, engine: str | None = None) -> None:
        if narrowest(compiled) == 0:
            raise PatternError("can match no byte at all, so it would match everywhere", "regular expression")
        faster = None if engine == "re" else _compile_re2(compiled)
        if faster is None and engine == "re2":
            raise PatternError("google-re2 is not installed, or can't do this", "regular expression")
        self.engine = "re" if faster is None else "re2"
        self.reach = self.behind = reach
        self._compiled: Any = compiled if faster is None else faster

    def spans(self, buffer: memoryview, start: int, limit: int) -> Iterator[tuple[int, int]]:
        """Where matches stand, the first that begins and then the next after its end."""
        for match in self._compiled.finditer(buffer, start):
            first, end = match.span()
            if first >= limit:
                return
            if first < end:
                yield first, end

    def shorten(self, buffer: memoryview, start: int, end: int) -> int | None:
        """The end of a match within narrower bounds."""
        match = self._compiled.match(buffer, start, end)
        return None if match is None or match.end() == start else match.end()


def _compile_re2(compiled: re.Pattern[bytes]) -> Any:
    """The same expression compiled by google-re2, or None if that isn't there or can't do it."""
    source = translate(compiled)
    if source is None:
        return None
    try:
        re2: Any = importlib.import_module("re2")
    except ImportError:
        return None
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _RE2_MEMORY
    options.log_errors = False
    try:
        return re2.compile(source, options)
    except re2.error:
        return None
