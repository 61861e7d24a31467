"""Resource limits: in the core image, and in an image of their own up to CRIU 1.2."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.task.limits import ResourceLimit, read_limits

UNLIMITED = (1 << 64) - 1


def test_limits_are_named_by_their_place(build):
    limits = {"rlimits": [{"cur": number, "max": UNLIMITED} for number in range(16)]}
    found = build().pstree((1, 0)).core(1, task={"rlimits": limits}).open().processes[1].limits
    assert found[0] == ResourceLimit("RLIMIT_CPU", 0, None)
    assert [found[5].name, found[6].name, found[7].name, found[15].name] == [
        "RLIMIT_RSS",
        "RLIMIT_NPROC",
        "RLIMIT_NOFILE",
        "RLIMIT_RTTIME",
    ]


def test_mips_counts_them_in_another_order(build):
    limits = {"rlimits": [{"cur": 1, "max": 2}] * 10}
    found = build().pstree((1, 0)).core(1, mtype="MIPS", task={"rlimits": limits}).open().processes[1].limits
    assert [limit.name for limit in found[5:8]] == ["RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_RSS"]


def test_a_limit_without_a_name_is_kept(build):
    limits = {"rlimits": [{"cur": 1, "max": 2}] * 20}
    found = build().pstree((1, 0)).core(1, task={"rlimits": limits}).open().processes[1].limits
    assert len({limit.name for limit in found}) == 20


def test_limits_stand_in_an_image_of_their_own_up_to_criu_1_2(build):
    dump = build().pstree((1, 0)).core(1).write("rlimit-1.img", "RLIMIT", {"cur": 5, "max": UNLIMITED})
    assert dump.open().processes[1].limits == [ResourceLimit("RLIMIT_CPU", 5, None)]


def test_without_any_image_there_are_none(build):
    assert read_limits(build().images(), 1, None, "X86_64") == []


def test_the_demo_has_the_limit_that_it_set(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        limits = {limit.name: limit for limit in checkpoint.processes[9834].limits}
    assert limits["RLIMIT_NOFILE"] == ResourceLimit("RLIMIT_NOFILE", 64, 128)
    assert (limits["RLIMIT_CORE"].soft, limits["RLIMIT_CORE"].hard) == (0, None)


@pytest.mark.parametrize("folder", ["criu-1.1/host/maps02", "criu-2.12/host/timerfd", "criu-4.2/host/env00"])
def test_every_release_tells_the_size_of_the_stack(corpus, folder):
    with open_checkpoint(corpus / folder) as checkpoint:
        limits = {limit.name: limit for limit in next(iter(checkpoint.processes)).limits}
    assert len(limits) == 16
    assert limits["RLIMIT_STACK"] == ResourceLimit("RLIMIT_STACK", 8 << 20, None)
