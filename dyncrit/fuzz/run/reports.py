"""Finds what run-times say of a fault: sanitizers, panics of Go and Rust, tracebacks of Python.

Which lines start a report, and how they look, is from the run-times' own output.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from dyncrit.fuzz.run.normal import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ReportKind = Literal["sanitizer", "panic", "traceback"]

_TOP = 3
"""How many frames make a cause."""
_LINES = 4000
_REPEATS = 3


class Report(NamedTuple):
    """A report: what kind, what is the same each time the fault shows, and its first line."""

    kind: ReportKind
    cause: str
    text: str


def find_report(stderr: bytes) -> Report | None:
    """The report in what a program wrote to stderr; None if there is none."""
    text = stderr.decode("utf-8", "replace")
    for shape in _SHAPES:
        match = shape.start.search(text)
        if match is None:
            continue
        begin = text.rfind("\n", 0, match.start()) + 1
        lines = text[begin:].splitlines()
        return shape.read(match, lines)
    return None


class _Shape(NamedTuple):
    start: re.Pattern[str]
    read: Callable[[re.Match[str], list[str]], Report]


_SANITIZER = re.compile(
    r"(?:ERROR|WARNING): (AddressSanitizer|HWAddressSanitizer|LeakSanitizer|MemorySanitizer|ThreadSanitizer"
    r"|UndefinedBehaviorSanitizer|libFuzzer|GWP-ASan)[: ]+([^\n]*)"
)
_UNDEFINED = re.compile(r"^[^\s:][^\n:]*:\d+(?::\d+)?: runtime error: ([^\n]*)", re.MULTILINE)
_RACE = re.compile(r"^WARNING: DATA RACE$", re.MULTILINE)
_GO = re.compile(r"^(panic|fatal error): ([^\n]*)(?=[\s\S]*?^goroutine \d+ \[)", re.MULTILINE)
_RUST = re.compile(r"^thread '[^'\n]*'(?: \(\d+\))? panicked at ([^\n]*)", re.MULTILINE)
_PYTHON = re.compile(r"^(?:[\s+|]*)(?:Exception Group )?Traceback \(most recent call last\):", re.MULTILINE)

_STACK_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+\s+(?:in\s+)?(.*)$")
_RACE_FRAME = re.compile(r"^  ([\w./*()·\[\]-]+)\(\)$")
_GO_FRAME = re.compile(r"^([\w./*()·\[\]{}-]+)\((?:[^()]*|\.\.\.)\)$")
_PYTHON_FRAME = re.compile(r'^[\s|+]*File "([^"]*)", line \d+, in (.+)$')
_PYTHON_END = re.compile(r"^[\s|]*([A-Za-z_][\w.]*)(?::.*)?$")
_RUN_TIME = re.compile(
    r"^(?:__interceptor_|__asan_|__msan_|__tsan_|__ubsan_|__sanitizer|_?_?libc_start|__GI_|runtime\.|panic$"
    r"|(?:_start|malloc|calloc|realloc|free|abort|raise|gsignal|mem\w+|str\w+|pthread_kill|operator new.*)$)"
)
_TAIL = re.compile(r"\s+(?:\S*/\S*|\S+:\d+(?::\d+)?|\(\S+\+0x[0-9a-f]+\)|\(BuildId: \w+\))+.*$")


def _read_sanitizer(match: re.Match[str], lines: list[str]) -> Report:
    """The kind of error is the first word or so; the first stack of the report tells where."""
    what = re.split(r" on (?:unknown )?address| on 0x| \(|:", match[2], maxsplit=1)[0]
    cause = _joined(f"{match[1]}: {normalised(what)}", _stack_frames(lines))
    return Report("sanitizer", cause, lines[0].strip())


def _read_undefined(match: re.Match[str], lines: list[str]) -> Report:
    file = lines[0].split(":")[0].rpartition("/")[2]
    return Report(
        "sanitizer",
        _joined(f"{file}: runtime error: {normalised(match[1])}", _stack_frames(lines)),
        lines[0].strip(),
    )


def _read_race(match: re.Match[str], lines: list[str]) -> Report:
    frames = (found[1] for line in lines if (found := _RACE_FRAME.match(line)))
    return Report("sanitizer", _joined("DATA RACE", frames), match[0])


def _read_go(match: re.Match[str], lines: list[str]) -> Report:
    """The first goroutine's functions, without the run-time's own; what was recovered stands before them."""
    frames = (found[1] for line in lines if (found := _GO_FRAME.match(line)))
    return Report("panic", _joined(f"{match[1]}: {normalised(match[2])}", frames), lines[0])


def _read_rust(match: re.Match[str], lines: list[str]) -> Report:
    """The file tells where, as there are frames only if the environment asks for them; then the message."""
    file = match[1].split(":")[0].rpartition("/")[2]
    message = lines[1] if len(lines) > 1 else ""
    return Report("panic", f"panicked at {file}: {normalised(message)}", lines[0])


def _read_python(match: re.Match[str], lines: list[str]) -> Report:
    """The last traceback, as those before it were handled: its type, and the innermost functions."""
    last = max(number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line)
    frames: list[str] = []
    ended = ""
    for line in lines[last + 1 :]:
        if found := _PYTHON_FRAME.match(line):
            frames.append(f"{_python_file(found[1])}:{found[2].strip()}")
        elif frames and not line.startswith("    ") and (end := _PYTHON_END.match(line)):
            ended = line.strip(" |+")
            name = end[1]
            break
    else:
        name = match[0].strip()
    if name == "RecursionError":  # where it hits the ground is by chance; what goes round is not
        again = Counter(frames)
        frames = sorted(frame for frame, count in again.items() if count >= _REPEATS) or frames
        return Report("traceback", _joined(name, frames), ended)
    return Report("traceback", _joined(name, frames[::-1]), ended or name)


_SHAPES = (
    _Shape(_SANITIZER, _read_sanitizer),
    _Shape(_UNDEFINED, _read_undefined),
    _Shape(_RACE, _read_race),
    _Shape(_PYTHON, _read_python),
    _Shape(_RUST, _read_rust),
    _Shape(_GO, _read_go),
)
"""In this order, as a sanitizer's report may follow a panic's, and not the other way round."""


def _stack_frames(lines: list[str]) -> Iterable[str]:
    """The functions of the first stack, or the places in modules where there are no names."""
    started = False
    for line in lines[:_LINES]:
        found = _STACK_FRAME.match(line)
        if found is None:
            if started and not line.strip():
                return
            continue
        started = True
        name = _TAIL.sub("", found[1]).strip()
        if not name or name.startswith(("(", "<null>")):
            module = re.search(r"\(([^()\s]*?)\+(0x[0-9a-f]+)\)", found[1])
            name = f"{module[1].rpartition('/')[2]}+{module[2]}" if module else ""
        if name:
            yield name


def _python_file(path: str) -> str:
    """The name of a module's file; with its folder's if it is called like many others."""
    parts = PurePosixPath(path).parts
    return "/".join(parts[-2:] if path.endswith("__.py") else parts[-1:])


def _joined(start: str, frames: Iterable[str]) -> str:
    top: list[str] = []
    for frame in frames:
        if len(top) == _TOP:
            break
        if not _RUN_TIME.match(frame) and (not top or top[-1] != frame):
            top.append(frame)
    return " < ".join((start, *top))
