"""Lines of programs without what differs from one input to the next, so that causes can be grouped."""

from __future__ import annotations

import re

_LONGEST = 160
_SEARCHED = 1 << 16
_REMOVED = (
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),
    (re.compile(r"(?<!\w)b?'[^'\n]*'(?!\w)"), "'*'"),
    (re.compile(r'(?<!\w)b?"[^"\n]*"(?!\w)'), "'*'"),
    (re.compile(r"`[^`'\n]*[`']"), "'*'"),
    (re.compile(r"(?<![\w.])\.{0,2}(?:/[^\s/:,;'\"()]+)+/?"), "PATH"),
    (re.compile(r"\b[\w.-]+\.img\b"), "FILE"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "N"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "N"),
    (re.compile(r"(?<![A-Za-z_])-?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?"), "N"),
    (re.compile(r"(?:\bN\b[ ,]+){2,}N\b"), "N"),
    (re.compile(r"[^ -~]+"), "?"),
    (re.compile(r"\s+"), " "),
)


def normalised(line: str) -> str:
    """A line without paths, file names of images, quoted text and numbers; of at most 160 characters.

    >>> normalised("/tmp/x/core-1.img: entry 3 at byte 0x1f: 'abc' is no name")
    "PATH: entry N at byte N: '*' is no name"
    """
    text = line[: 16 * _LONGEST]
    for pattern, replacement in _REMOVED:
        text = pattern.sub(replacement, text)
    return text.strip()[:_LONGEST]


def first_line(*outputs: bytes) -> str:
    """The first line with something in it, of the first output that has one; empty if none has."""
    for output in outputs:
        for line in output[:_SEARCHED].decode("utf-8", "replace").splitlines():
            if line.strip():
                return line.strip()
    return ""
