"""What became of a target on an input, in a word, and by which cause."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from dyncrit.fuzz.run.normal import first_line, normalised
from dyncrit.fuzz.run.reports import find_report

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dyncrit.fuzz.run.process import Execution

Kind = Literal[
    "ok",
    "refused",
    "signal",
    "sanitizer",
    "panic",
    "traceback",
    "timeout",
    "memory",
    "file-size",
    "exit-code",
    "difference",
    "accepts-refuses",
]
"""How an execution ended; the last two are about several targets on one input."""

KINDS: tuple[Kind, ...] = get_args(Kind)

ORDERLY: frozenset[Kind] = frozenset({"ok", "refused"})
"""What is no finding."""

_SIGNALS: dict[int, Kind] = {signal.SIGXCPU: "timeout", signal.SIGXFSZ: "file-size"}
_SHELL_SIGNALS = {128 + number for number in (3, 4, 5, 6, 7, 8, 11, 24, 25, 31)}
"""Exit codes by which a shell, as a target, tells that a signal ended what it ran."""

_SHORTAGES: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (
        re.compile(
            rb"\bMemoryError\b|std::bad_alloc|[Oo]ut of memory|[Cc]annot allocate memory"
            rb"|[Mm]emory exhausted|memory allocation of \d+ bytes failed|takes more memory than"
        ),
        "memory",
    ),
    (re.compile(rb"File too large|file too large"), "file-size"),
)
_UNSAID = {"timeout": "it took too long", "memory": "it took too much memory"}
"""The causes of those that were ended before they said something."""
_SAYING = 8192
"""How much of an error's start and end is searched for a shortage."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``cause`` is the same for what is likely the same fault; ``text`` is what the target said of it."""

    kind: Kind
    cause: str = ""
    text: str = ""

    @property
    def is_orderly(self) -> bool:
        """Whether it is nothing that should be told."""
        return self.kind in ORDERLY


def outcome_of(execution: Execution, expected: Collection[int] = ()) -> Outcome:
    """What an execution came to; ``expected`` are the exit codes that are in order, all if there are none."""
    line = first_line(execution.stderr, execution.stdout)
    said = normalised(first_line(execution.stderr))
    if execution.ended != "itself":
        return Outcome(execution.ended, said or _UNSAID[execution.ended], line)
    shortage = _shortage(execution)
    if report := find_report(execution.stderr):
        kind = shortage if shortage and report.kind in {"traceback", "panic"} else report.kind
        return Outcome(kind, report.cause, report.text)
    number = _signal(execution.status)
    if number:
        name = _name(number)
        return Outcome(_SIGNALS.get(number) or shortage or "signal", f"{name}: {said}".rstrip(": "), line)
    kind, code = "ok", execution.status
    if code:
        kind = shortage or "refused"
    if kind in ORDERLY and expected and code not in expected:
        kind = "exit-code"
    if kind == "ok":
        return Outcome("ok")
    return Outcome(kind, f"exit {code}: {normalised(line) or 'no message'}", line)


def fails_alike(outcomes: Sequence[Outcome]) -> bool:
    """Whether all of them are the same failure."""
    return len({(outcome.kind, outcome.cause) for outcome in outcomes}) == 1 and outcomes[0].kind != "ok"


def _shortage(execution: Execution) -> Kind | None:
    """The limit that a program which failed says it ran into."""
    if execution.status == 0:
        return None
    said = execution.stderr[:_SAYING] + execution.stderr[-_SAYING:]
    return next((kind for pattern, kind in _SHORTAGES if pattern.search(said)), None)


def _signal(status: int) -> int:
    """The signal that ended a program, or what a shell ran; 0 if none did."""
    if status < 0:
        return -status
    return status - 128 if status in _SHELL_SIGNALS else 0


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
