"""Signals of processes and threads, in the three places where releases have put them."""

from __future__ import annotations

import struct

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.task.dispositions import PendingSignal, SignalAction, SignalState

SA_RESTART, SA_SIGINFO = 0x10000000, 4
USR1, USR2 = 10, 12


def action(handler=0, flags=0, mask=0, **fields):
    return {"sigaction": handler, "flags": flags, "restorer": 0, "mask": mask, **fields}


def siginfo(number, code=0, pid=0, uid=0, order="<"):
    return {"siginfo": struct.pack(f"{order}6i", number, 0, code, 0, pid, uid).ljust(128, b"\0")}


@pytest.fixture
def process(build):
    """Makes a process of a core image, before other images are written beside it by ``also``."""

    def make(also=lambda dump: None, **fields):
        dump = build().pstree((1, 0)).core(1, **fields)
        also(dump)
        return dump.open().processes[1]

    return make


def test_actions_are_numbered_past_sigkill_and_sigstop(process):
    actions = [action(handler=number) for number in range(1, 63)]
    found = process(task={"sigactions": actions}).signal_actions
    names = [one.signal for one in found]
    assert (names[0], names[7:9], names[16:18]) == ("SIGHUP", ["SIGFPE", "SIGUSR1"], ["SIGCONT", "SIGTSTP"])
    assert (names[-1], len(set(names))) == ("SIGRTMIN+30", 62)
    assert "SIGKILL" not in names
    assert "SIGSTOP" not in names


def test_ignored_and_handled_are_told_apart_and_the_default_is_left_out(process):
    mask = 1 << USR1 - 1
    found = process(
        task={"sigactions": [action(), action(1), action(0x401000, SA_RESTART | SA_SIGINFO, mask)]}
    )
    assert found.signal_actions == [
        SignalAction("SIGINT", "ignored"),
        SignalAction("SIGQUIT", "handler", 0x401000, ("SA_SIGINFO", "SA_RESTART"), ("SIGUSR1",)),
    ]


def test_actions_stand_in_an_image_of_their_own_up_to_criu_3_0(process):
    def also(dump):
        dump.write("sigacts-1.img", "SIGACT", action(), action(0x400000))

    assert process(also).signal_actions == [SignalAction("SIGINT", "handler", 0x400000)]


def test_the_core_image_goes_before_the_image_of_actions(process):
    def also(dump):
        dump.write("sigacts-1.img", "SIGACT", action(0x400000))

    found = process(also, task={"sigactions": [action(), action(1)]}).signal_actions
    assert found == [SignalAction("SIGINT", "ignored")]


def test_mips_has_other_numbers_and_masks_in_two_halves(process):
    actions = [action(0x400000, mask=1 << 15, mask_extended=1)] * 23
    found = process(mtype="MIPS", task={"sigactions": actions}).signal_actions
    assert [found[9].signal, found[15].signal] == ["SIGSEGV", "SIGUSR2"]
    assert "SIGSTOP" not in [one.signal for one in found]
    assert found[0].mask == ("SIGUSR1", "SIGRTMIN+31")


def test_a_signal_waits_for_the_process_or_for_a_thread(process):
    found = process(
        task={"signals_s": {"signals": [siginfo(USR1, 0, 500, 1000)]}},
        thread={"signals_p": {"signals": [siginfo(USR2, -6, 600, 0)]}, "blk_sigset": 1 << USR2 - 1},
    )
    assert found.signals == SignalState((PendingSignal("SIGUSR1", "SI_USER", 500, 1000),), ())
    assert found.threads[0].signals == SignalState(
        (PendingSignal("SIGUSR2", "SI_TKILL", 600, 0),), ("SIGUSR2",)
    )


def test_signals_wait_in_images_of_their_own_up_to_criu_1_2(process):
    def also(dump):
        dump.write("signal-s-1.img", "SIGNAL", siginfo(USR1, 0, 5, 6))
        dump.write("signal-p-1.img", "PSIGNAL", siginfo(USR2, -6, 7, 8), siginfo(34, -1, 7, 8))

    found = process(also)
    assert found.signals.pending == (PendingSignal("SIGUSR1", "SI_USER", 5, 6),)
    assert [(one.signal, one.code) for one in found.threads[0].signals.pending] == [
        ("SIGUSR2", "SI_TKILL"),
        ("SIGRTMIN", "SI_QUEUE"),
    ]


def test_a_signal_that_no_process_sent_has_no_sender(process):
    found = process(task={"signals_s": {"signals": [siginfo(11, 0x80, 77, 78)]}}).signals.pending
    assert [(one.signal, one.pid, one.uid) for one in found] == [("SIGSEGV", None, None)]


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\0\0\0\0\0\0\0\0\0", b"\xff" * 200])
def test_a_siginfo_of_another_size_is_read_as_far_as_it_goes(process, data):
    (found,) = process(task={"signals_s": {"signals": [{"siginfo": data}]}}).signals.pending
    assert isinstance(found.signal, str)


def test_a_siginfo_of_a_big_endian_host_is_read(build):
    dump = build().write("inventory.img", "INVENTORY", {"img_version": 2}, byte_order="big")
    tree = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}
    dump.write("pstree.img", "PSTREE", tree, byte_order="big")
    task = {"task_state": 1, "exit_code": 0, "personality": 0, "flags": 0, "blk_sigset": 0, "comm": "x"}
    queue = {"signals": [siginfo(USR1, 0, 500, 1000, ">")]}
    core = {"mtype": "S390", "tc": {**task, "signals_s": queue}}
    process = dump.write("core-1.img", "CORE", core, byte_order="big").open().processes[1]
    assert process.byte_order == "big"
    assert process.signals.pending == (PendingSignal("SIGUSR1", "SI_USER", 500, 1000),)


def test_blocked_signals_are_the_threads_own_where_it_has_them(process):
    assert process(task={"blk_sigset": 1}).threads[0].signals.blocked == ("SIGHUP",)


def test_the_demo_has_a_signal_blocked_and_pending(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        process = checkpoint.processes[9834]
        assert [thread.signals.blocked for thread in process.threads] == [("SIGUSR2",)] * 3
        assert process.threads[0].signals.pending == (PendingSignal("SIGUSR2", "SI_TKILL", 9834, 0),)
        assert process.signals.pending == process.threads[1].signals.pending == ()
        actions = {one.signal: one for one in process.signal_actions}
        assert (actions["SIGHUP"].action, actions["SIGUSR1"].action) == ("ignored", "handler")
        assert "SA_RESTART" in actions["SIGUSR1"].flags
        assert "SIGUSR2" not in actions


def test_queued_real_time_signals_stand_one_by_one(corpus):
    with open_checkpoint(corpus / "criu-4.2/programs/pytree") as checkpoint:
        process = checkpoint.processes[61]
        assert [(one.signal, one.code) for one in process.signals.pending] == [
            ("SIGUSR1", "SI_USER"),
            ("SIGRTMIN+3", "SI_QUEUE"),
            ("SIGRTMIN+3", "SI_QUEUE"),
        ]
        assert process.threads[0].signals.blocked == ("SIGUSR1", "SIGRTMIN+3")


@pytest.mark.parametrize(
    "folder", ["criu-1.1/host/posix_timers", "criu-2.12/host/timerfd", "criu-4.2/host/env00"]
)
def test_every_release_tells_what_is_done_on_sigterm(corpus, folder):
    with open_checkpoint(corpus / folder) as checkpoint:
        actions = {one.signal: one.action for one in next(iter(checkpoint.processes)).signal_actions}
    assert (actions["SIGINT"], actions["SIGTERM"]) == ("ignored", "handler")
