"""Timers: in the core image, and in images of their own up to CRIU 1.2."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.task.timers import Timer, read_timers


def interval(value=(0, 0), every=(0, 0)):
    return {"vsec": value[0], "vusec": value[1], "isec": every[0], "iusec": every[1]}


def posix(**fields):
    base = {"it_id": 0, "clock_id": 1, "si_signo": 10, "it_sigev_notify": 0, "sival_ptr": 0, "overrun": 0}
    return {**base, "isec": 0, "insec": 0, "vsec": 0, "vnsec": 0, **fields}


@pytest.fixture
def timers(build):
    def make(**fields):
        return build().pstree((1, 0)).core(1, task={"timers": fields}).open().processes[1].timers

    return make


def test_interval_timers_that_are_armed_are_shown_in_nanoseconds(timers):
    found = timers(real=interval((2, 5), (1, 0)), virt=interval(), prof=interval((0, 1)))
    assert found == [
        Timer("ITIMER_REAL", 2_000_005_000, 1_000_000_000, "SIGALRM"),
        Timer("ITIMER_PROF", 1000, 0, "SIGPROF"),
    ]


def test_posix_timers_are_shown_armed_or_not(timers):
    armed = posix(it_id=7, clock_id=0, vsec=3, vnsec=4, isec=1, insec=2, overrun=9)
    found = timers(real=interval(), virt=interval(), prof=interval(), posix=[armed, posix()])
    assert found == [
        Timer("POSIX", 3_000_000_004, 1_000_000_002, "SIGUSR1", 7, "CLOCK_REALTIME", "signal", 9),
        Timer("POSIX", 0, 0, "SIGUSR1", 0, "CLOCK_MONOTONIC", "signal", 0),
    ]


@pytest.mark.parametrize(
    ("number", "name"), [(0, "signal"), (1, "none"), (2, "thread"), (4, "thread-id"), (77, "77")]
)
def test_how_a_timer_tells_is_named(timers, number, name):
    (found,) = timers(
        real=interval(), virt=interval(), prof=interval(), posix=[posix(it_sigev_notify=number)]
    )
    assert found.notify == name


def test_timers_stand_in_images_of_their_own_up_to_criu_1_2(build):
    dump = build().pstree((1, 0)).core(1)
    dump.write("itimers-1.img", "ITIMERS", interval(), interval((1, 0)), interval())
    dump.write("posix-timers-1.img", "POSIX_TIMERS", posix(it_id=5))
    found = dump.open().processes[1].timers
    assert [(timer.kind, timer.value, timer.id) for timer in found] == [
        ("ITIMER_VIRTUAL", 1_000_000_000, None),
        ("POSIX", 0, 5),
    ]


def test_the_core_image_goes_before_images_of_their_own(build):
    none = {"real": interval(), "virt": interval(), "prof": interval()}
    dump = build().pstree((1, 0)).core(1, task={"timers": none})
    dump.write("itimers-1.img", "ITIMERS", interval((1, 0)), interval(), interval())
    assert dump.open().processes[1].timers == []


def test_without_any_image_there_are_none(build):
    assert read_timers(build().images(), 1, None, "X86_64") == []


def test_timers_of_criu_1_1_are_read(corpus):
    with open_checkpoint(corpus / "criu-1.1/host/posix_timers") as checkpoint:
        found = checkpoint.processes[66].timers
    assert [(timer.kind, timer.id, timer.signal, timer.clock) for timer in found] == [
        ("POSIX", 10, "SIGUSR1", "CLOCK_REALTIME"),
        ("POSIX", 21, "SIGUSR2", "CLOCK_MONOTONIC"),
        ("POSIX", 32, "SIGPROF", "CLOCK_BOOTTIME"),
    ]
    assert all(2_147_483 * 10**9 <= timer.value < 2_147_484 * 10**9 for timer in found)


def test_timers_of_criu_2_12_and_4_2_are_read(corpus):
    with open_checkpoint(corpus / "criu-2.12/host/pthread_timers_h") as checkpoint:
        (timer,) = checkpoint.processes[66].timers
        assert (timer.notify, timer.interval) == ("thread-id", 10_000_000)
    with open_checkpoint(corpus / "criu-4.2/programs/pytree") as checkpoint:
        found = checkpoint.processes[63].timers
        assert [(timer.kind, timer.interval) for timer in found] == [
            ("ITIMER_REAL", 3 * 10**9),
            ("ITIMER_VIRTUAL", 0),
        ]
