from __future__ import annotations

import signal

import pytest

from dyncrit.fuzz.run.outcome import outcome_of
from dyncrit.fuzz.run.process import Execution


def ran(status: int = 0, stderr: bytes = b"", *, ended: str = "itself", stdout: bytes = b"") -> Execution:
    return Execution(status, ended, stdout, stderr, 0.1)  # type: ignore[arg-type]


TRACEBACK = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n%s\n'


@pytest.mark.parametrize(
    ("execution", "kind", "cause"),
    [
        (ran(), "ok", ""),
        (ran(stderr=b"a warning"), "ok", ""),
        (ran(1, b"/x/a.img: entry 3 is bad"), "refused", "exit 1: PATH: entry N is bad"),
        (ran(1, stdout=b"bad"), "refused", "exit 1: bad"),
        (ran(2), "refused", "exit 2: no message"),
        (ran(-signal.SIGSEGV), "signal", "SIGSEGV"),
        (
            ran(-signal.SIGABRT, b"a.c:3: Assertion `x' failed."),
            "signal",
            "SIGABRT: a.c:N: Assertion '*' failed.",
        ),
        (ran(139, b"Segmentation fault"), "signal", "SIGSEGV: Segmentation fault"),
        (ran(-64), "signal", "SIGRTMAX"),
        (ran(-signal.SIGXFSZ), "file-size", "SIGXFSZ"),
        (ran(-signal.SIGXCPU), "timeout", "SIGXCPU"),
        (ran(-9, ended="timeout"), "timeout", "it took too long"),
        (ran(-9, b"reading entry 7", ended="timeout"), "timeout", "reading entry N"),
        (ran(-9, ended="memory"), "memory", "it took too much memory"),
        (ran(1, b"a.py: cannot allocate memory"), "memory", "exit 1: a.py: cannot allocate memory"),
        (
            ran(-6, b"terminate called after 'std::bad_alloc'"),
            "memory",
            "SIGABRT: terminate called after '*'",
        ),
        (ran(1, TRACEBACK % b"MemoryError"), "memory", "MemoryError < a.py:f"),
        (ran(1, TRACEBACK % b"OSError: [Errno 27] File too large"), "file-size", "OSError < a.py:f"),
        (ran(1, TRACEBACK % b"ValueError: 3"), "traceback", "ValueError < a.py:f"),
        (ran(0, TRACEBACK % b"ValueError: 3"), "traceback", "ValueError < a.py:f"),
    ],
)
def test_an_execution_is_of_a_class_by_a_cause(execution: Execution, kind: str, cause: str) -> None:
    outcome = outcome_of(execution)
    assert (outcome.kind, outcome.cause) == (kind, cause)
    assert outcome.is_orderly == (kind in {"ok", "refused"})


def test_exit_codes_that_are_not_expected_are_told() -> None:
    assert outcome_of(ran(3, b"x"), {0, 1}).kind == "exit-code"
    assert outcome_of(ran(0), {1}).cause == "exit 0: no message"
    assert outcome_of(ran(1, b"x"), {0, 1}).kind == "refused"
