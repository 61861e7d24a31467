"""Credentials: in the core image, and in an image of their own up to CRIU 1.8."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.names.capabilities import CAPABILITIES


@pytest.fixture
def thread(build, credentials):
    def make(**fields):
        dump = build().pstree((1, 0)).core(1, thread={"creds": {**credentials, **fields}})
        return dump.open().processes[1].credentials

    return make


def test_all_ids_are_told(thread):
    fields = {"uid": 1, "gid": 2, "euid": 3, "egid": 4, "suid": 5, "sgid": 6, "fsuid": 7, "fsgid": 8}
    found = thread(**fields, groups=[10, 20])
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.groups == [10, 20]


def test_capabilities_are_told_by_name_in_all_sets(thread):
    sets = thread(
        cap_inh=[1, 0], cap_prm=[1 << 21, 0], cap_eff=[0, 1 << 8], cap_bnd=[3, 0], cap_amb=[1 << 10, 0]
    )
    found = sets.capabilities
    assert found.inheritable == ["CAP_CHOWN"]
    assert found.permitted == ["CAP_SYS_ADMIN"]
    assert found.effective == ["CAP_CHECKPOINT_RESTORE"]
    assert found.bounding == ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]
    assert found.ambient == ["CAP_NET_BIND_SERVICE"]


def test_what_goes_with_them_is_told(thread):
    found = thread(secbits=1, no_new_privs=1, lsm_profile="unconfined")
    assert (found.secure_bits, found.no_new_privs, found.lsm_profile) == (
        ["SECBIT_NOROOT"],
        True,
        "unconfined",
    )


def test_credentials_stand_in_an_image_of_their_own_up_to_criu_1_8(build, credentials):
    dump = build().pstree((1, 0)).core(1).write("creds-1.img", "CREDS", {**credentials, "uid": 1000})
    found = dump.open().processes[1].credentials
    assert found is not None
    assert found.uid == 1000


def test_threads_have_their_own(build, credentials):
    dump = (
        build().core(1, thread={"creds": credentials}).core(2, thread={"creds": {**credentials, "euid": 33}})
    )
    dump.write("pstree.img", "PSTREE", {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1, 2]})
    process = dump.open().processes[1]
    assert [thread.credentials.euid for thread in process.threads] == [0, 33]
    assert process.credentials is process.threads[0].credentials


def test_without_any_image_there_are_none(build):
    assert build().pstree((1, 0)).core(1).open().processes[1].credentials is None


@pytest.mark.parametrize("folder", ["criu-1.1/host/maps02", "criu-2.12/host/timerfd", "criu-4.2/host/env00"])
def test_every_release_tells_who_ran_it(corpus, folder):
    with open_checkpoint(corpus / folder) as checkpoint:
        found = next(iter(checkpoint.processes)).credentials
    assert (found.uid, found.fsgid) == (0, 0)
    assert set(found.capabilities.effective) <= set(CAPABILITIES)
    assert "CAP_SYS_ADMIN" in found.capabilities.effective
