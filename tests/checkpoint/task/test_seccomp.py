"""System call filters: of threads, and of whole processes up to CRIU 3.9."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.task.seccomp import Seccomp


@pytest.fixture
def modes(build):
    """The modes of a process's two threads, of what stands in its core images."""

    def make(task=(), *threads):
        dump = build().core(1, task=task, thread=threads[0] if threads else ())
        dump.core(2, thread=threads[1] if len(threads) > 1 else ())
        dump.write("pstree.img", "PSTREE", {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1, 2]})
        process = dump.open().processes[1]
        assert process.seccomp == process.threads[0].seccomp
        return [thread.seccomp for thread in process.threads]

    return make


def test_without_any_field_it_is_disabled(modes):
    assert modes() == [Seccomp("disabled")] * 2


def test_threads_have_modes_of_their_own_since_criu_3_10(modes):
    found = modes((), {"seccomp_mode": "filter", "seccomp_filter": 3}, {"seccomp_mode": "strict"})
    assert found == [Seccomp("filter", 3), Seccomp("strict")]


def test_the_first_filter_has_number_0(modes):
    assert modes((), {"seccomp_mode": "filter", "seccomp_filter": 0})[0] == Seccomp("filter", 0)


def test_a_process_has_one_mode_for_all_threads_up_to_criu_3_9(modes):
    assert modes({"old_seccomp_mode": "filter", "old_seccomp_filter": 2}) == [Seccomp("filter", 2)] * 2
    assert modes({"old_seccomp_mode": "strict"}) == [Seccomp("strict")] * 2


def test_a_thread_without_a_filter_has_no_number(modes):
    assert modes((), {"seccomp_mode": "disabled", "seccomp_filter": 3})[0] == Seccomp("disabled")


def test_the_old_filters_of_a_real_dump_are_read(corpus):
    with open_checkpoint(corpus / "criu-2.12/programs/seccomp") as checkpoint:
        found = [[thread.seccomp for thread in process.threads] for process in checkpoint.processes]
    assert found == [[Seccomp("filter", 1)] * 2, [Seccomp("filter", 3)]]
