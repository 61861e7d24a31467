from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from dyncrit import ImageError, loads
from dyncrit.fuzz.exercise import BrokenPromiseError
from dyncrit.fuzz.selftest import Limits, Watch

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"core-1.img": b"\1\2", "pstree.img": b""}

ROOMY = 1 << 40
"""More memory than the process of the tests has had at any time."""


def fail() -> None:
    raise KeyError("missing")


def fail_in_dyncrit() -> None:
    loads(5)  # type: ignore[arg-type]


def test_a_case_without_faults_is_counted() -> None:
    watch = Watch(Limits(memory=ROOMY))
    assert watch.run("one", FILES, lambda: None)
    assert watch.run("two", FILES, lambda: 5)
    assert (watch.cases, watch.faults, watch.counts) == (2, [], {})
    assert watch.peak > 1 << 20


def test_an_exception_is_a_fault_with_its_place_in_our_code() -> None:
    watch = Watch(Limits(memory=ROOMY))
    assert not watch.run("a case", FILES, fail_in_dyncrit)
    (fault,) = watch.faults
    assert (fault.kind, fault.label) == ("exception", "a case")
    assert fault.cause.startswith("TypeError at ")
    assert "/dyncrit/" not in fault.cause
    assert "Traceback" in fault.text


def test_an_exception_from_elsewhere_goes_by_its_kind() -> None:
    watch = Watch(Limits(memory=ROOMY))
    watch.run("a case", FILES, fail)
    assert watch.faults[0].cause == "KeyError"


def test_an_error_for_bad_input_is_a_fault_too_where_nobody_took_it() -> None:
    watch = Watch(Limits(memory=ROOMY))
    watch.run("a case", FILES, lambda: loads(b"text"))
    assert watch.faults[0].cause.startswith(f"{type(_error()).__name__} at ")


def _error() -> ImageError:
    with pytest.raises(ImageError) as caught:
        loads(b"text")
    return caught.value


def test_broken_promises_that_differ_in_numbers_alone_have_one_cause() -> None:
    watch = Watch(Limits(memory=ROOMY))
    for number in (1, 23):

        def case(number: int = number) -> None:
            raise BrokenPromiseError(f"another from byte {number} on")

        watch.run(f"case {number}", FILES, case)
    (fault,) = watch.faults
    assert (fault.kind, fault.label, fault.text) == ("broken-promise", "case 1", "another from byte 1 on")
    assert watch.counts == {"broken-promise: another from byte  on": 2}


def test_a_case_that_waits_is_ended() -> None:
    watch = Watch(Limits(seconds=0.02, memory=ROOMY))
    assert not watch.run("waiting", FILES, lambda: threading.Event().wait(60))
    (fault,) = watch.faults
    assert (fault.kind, fault.cause, fault.label) == ("hang", "it waits", "waiting")


def test_a_case_that_takes_every_exception_is_ended_all_the_same() -> None:
    def case() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                threading.Event().wait(60)
            except Exception:  # noqa: BLE001 (what is tried)
                continue

    watch = Watch(Limits(seconds=0.02, memory=ROOMY))
    watch.run("stubborn", FILES, case)
    assert watch.faults[0].cause == "it waits"


def test_a_case_that_takes_too_much_of_the_processor_is_a_hang() -> None:
    def case() -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    watch = Watch(Limits(seconds=0.03, memory=ROOMY))
    assert not watch.run("image 7 of seed 1", FILES, case)
    fault = watch.faults[0]
    assert (fault.kind, fault.cause) == ("hang", "image")
    assert watch.slowest[0] >= 0.05
    assert watch.slowest[1] == "image 7 of seed 1"


def test_too_much_memory_is_a_fault() -> None:
    watch = Watch(Limits(memory=1))
    assert not watch.run("image 7", FILES, lambda: None)
    (fault,) = watch.faults
    assert (fault.kind, fault.cause) == ("memory", "image")
    assert fault.text.endswith(" MiB were in use")


def test_a_case_in_small_memory_is_not_blamed_for_the_one_before() -> None:
    watch = Watch(Limits(memory=1))
    watch.run("first", FILES, lambda: b"x" * (64 << 20))
    high = watch.peak
    assert high >= 64 << 20
    watch.limits = Limits(memory=high - (32 << 20))
    assert watch.run("second", FILES, lambda: None)


def test_the_files_of_the_first_case_of_each_cause_are_kept(tmp_path: Path) -> None:
    watch = Watch(Limits(memory=ROOMY), keep=tmp_path / "faults")
    watch.run("first", FILES, fail)
    watch.run("again", {"other.img": b""}, fail)
    watch.run("fine", FILES, lambda: None)
    watch.run("promise", {"x.img": b"x"}, _break_promise)
    assert sorted(path.name for path in (tmp_path / "faults").iterdir()) == [
        "001-exception",
        "002-broken-promise",
    ]
    kept = tmp_path / "faults/001-exception"
    assert {path.name for path in kept.iterdir()} == {*FILES, "fault.txt"}
    assert (kept / "core-1.img").read_bytes() == b"\1\2"
    text = (kept / "fault.txt").read_text()
    assert text.startswith("exception: KeyError\nfirst\n\nTraceback")
    assert watch.counts["exception: KeyError"] == 2


def _break_promise() -> None:
    raise BrokenPromiseError("no")


def test_interrupting_goes_through_and_the_alarm_is_off() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    watch = Watch(Limits(seconds=0.001, memory=ROOMY))
    with pytest.raises(KeyboardInterrupt):
        watch.run("a case", FILES, interrupt)
    assert not threading.Event().wait(0.05)  # longer than the alarm was set to
    assert watch.faults == []
