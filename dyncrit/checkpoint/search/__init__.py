"""Search over memory: text, bytes, regular expressions, in any layer."""

from dyncrit.checkpoint.search.patterns import Pattern, PatternError, hex_pattern, regex_pattern, text_pattern
from dyncrit.checkpoint.search.searching import Hit, search, spans

__all__ = [
    "Hit",
    "Pattern",
    "PatternError",
    "hex_pattern",
    "regex_pattern",
    "search",
    "spans",
    "text_pattern",
]
