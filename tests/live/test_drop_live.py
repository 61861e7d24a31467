"""Programs that a restore refuses, or confines, until what it goes by is dropped from their images."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.apparmor import drop_apparmor
from dyncrit.edit.file_checks import drop_file_checks
from dyncrit.edit.seccomp import drop_seccomp

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched

APPARMOR = 2
DEADLINE = 60

READER = r"""
#include "live.h"
#include <fcntl.h>

static int data;

static void prepare(int count, char **arguments)
{
	data = TRY(open("data", O_RDONLY));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "data"))
		return live_text[TRY(pread(data, live_text, sizeof live_text - 1, 0))] = 0, live_text;
	return NULL;
}
"""

CONFINED = r"""
#include "live.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static sem_t asked, answered;
static long from_thread;

/* The call that is forbidden: what it gives, or minus the error. */
static long forbidden(void)
{
	long result = syscall(SYS_getpriority, 0, 0);
	return result < 0 ? -errno : result;
}

static void *wait_for_questions(void *unused)
{
	for (;;) {
		sem_wait(&asked);
		from_thread = forbidden();
		sem_post(&answered);
	}
	return unused;
}

static void prepare(int count, char **arguments)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	pthread_t thread;
	TRY(sem_init(&asked, 0, 0));
	TRY(sem_init(&answered, 0, 0));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	TRY(-pthread_create(&thread, NULL, wait_for_questions, NULL));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "forbidden"))
		return SAY("%ld", forbidden());
	if (!strcmp(question, "forbidden in a thread")) {
		sem_post(&asked);
		sem_wait(&answered);
		return SAY("%ld", from_thread);
	}
	if (!strcmp(question, "no new privileges"))
		return SAY("%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return NULL;
}
"""


def edited(images: Path, operation: Callable[[Edit], list[Touched]]) -> list[Touched]:
    with open_checkpoint(images) as checkpoint, checkpoint.edit() as edit:
        return operation(edit)


def until_all_are_gone(bench: Bench) -> None:
    """Wait until no pid of the world is taken but that of its first process: no event tells of that."""
    deadline = time.monotonic() + DEADLINE
    while {path.name for path in bench.world.proc.glob("[0-9]*")} != {"1"}:
        assert time.monotonic() < deadline, "there is a process that doesn't end"
        time.sleep(0.01)


def assert_refused(bench: Bench, images: Path, reason: str) -> None:
    log = bench.call_criu("restore", "--images-dir", images, "--restore-detached", check=False)
    assert "Restore finished successfully" not in log
    assert reason in log
    until_all_are_gone(bench)


def test_a_file_that_grew_is_taken_once_its_size_is_dropped(bench: Bench) -> None:
    data = bench.folder / "data"
    data.write_text("as it was")
    program = bench.start(READER)
    assert program.ask("data") == "as it was"
    images = program.dump()
    data.write_text("as it is now, longer")
    assert_refused(bench, images, "data has bad size 20 (expect 9)")
    edited(images, lambda edit: drop_file_checks(edit, build_id=False, mode=False))
    assert bench.restore(images).ask("data") == "as it is now, longer"


def test_a_file_of_another_mode_is_taken_once_its_mode_is_dropped(bench: Bench) -> None:
    data = bench.folder / "data"
    data.write_text("as it was")
    data.chmod(0o644)
    images = bench.start(READER).dump()
    data.chmod(0o600)
    edited(images, lambda edit: drop_file_checks(edit, mode=False))
    assert_refused(bench, images, "data has bad mode 0100600 (expect 0100644)")
    edited(images, drop_file_checks)
    assert bench.restore(images).ask("data") == "as it was"


def test_a_program_of_another_build_is_taken_once_its_build_id_is_dropped(bench: Bench) -> None:
    (bench.folder / "data").write_text("as it was")
    images = bench.start(READER).dump()
    files = [entry.message.reg for entry in load(images / "files.img").entries]
    (file,) = (file for file in files if file.name == str(bench.folder / "program.bin"))
    identity = struct.pack(f"{len(file.build_id)}I", *file.build_id)
    program = Path(file.name).read_bytes()
    assert program.count(identity) == 1
    Path(file.name).write_bytes(program.replace(identity, identity[::-1]))
    assert_refused(bench, images, "has bad build-ID")
    edited(images, lambda edit: drop_file_checks(edit, size=False, mode=False))
    assert bench.restore(images).ask("data") == "as it was"


def test_a_terminals_mode_is_restored_although_file_checks_are_dropped(bench: Bench) -> None:
    source = READER.replace('open("data", O_RDONLY)', 'open("/dev/ptmx", O_RDWR | O_NOCTTY)').replace(
        "static const char *answer(const char *question)\n{",
        """#include <sys/stat.h>
static int other;
static const char *answer(const char *question)
{
	struct stat status;
	if (!strcmp(question, "mode"))
		return TRY(fstat(other, &status)), SAY("%o", status.st_mode & 07777);""",
    )
    source = source.replace("static void prepare", "static int other;\nstatic void prepare", 1).replace(
        "O_NOCTTY));",
        """O_NOCTTY));
	TRY(grantpt(data));
	TRY(unlockpt(data));
	other = TRY(open(ptsname(data), O_RDWR | O_NOCTTY));
	TRY(fchmod(other, 0642));""",
    )
    program = bench.start(source)
    assert program.ask("mode") == "642"
    images = program.dump()
    assert edited(images, drop_file_checks)
    assert bench.restore(images).ask("mode") == "642"


def test_a_confined_program_may_do_what_it_likes_once_its_filters_are_dropped(bench: Bench) -> None:
    questions = ("forbidden", "forbidden in a thread")
    program = bench.start(CONFINED)
    assert [program.ask(question) for question in questions] == ["-13", "-13"]
    program = bench.restore(program.dump())
    assert [program.ask(question) for question in questions] == ["-13", "-13"]
    images = program.dump()
    touched = edited(images, drop_seccomp)
    assert touched[-1].place == "seccomp.img"
    restored = bench.restore(images)
    assert [int(restored.ask(question)) > 0 for question in questions] == [True, True]
    assert restored.ask("no new privileges") == "1"
    status = (restored.proc / "status").read_text()
    assert "Seccomp:\t0\n" in status


@pytest.mark.skipif(
    Path("/sys/kernel/security/apparmor").exists(),
    reason="this host has AppArmor, so profiles are not refused",
)
def test_a_program_of_a_host_with_apparmor_is_restored_once_its_profile_is_dropped(bench: Bench) -> None:
    (bench.folder / "data").write_text("as it was")
    program = bench.start(READER)
    images = program.dump()
    inventory = load(images / "inventory.img")
    inventory.entries[0].message.lsmtype = APPARMOR
    dump(inventory, images / "inventory.img")
    core = load(images / f"core-{program.pid}.img")
    core.entries[0].message.thread_core.creds.lsm_profile = "docker-default"
    dump(core, images / f"core-{program.pid}.img")
    assert_refused(bench, images, "mismatched lsm types and lsm profile specified")

    policies = Image.new("APPARMOR")
    policies.add(namespaces=[{"name": "web", "policies": [{"name": "p", "blob": b"policy"}]}])
    dump(policies, images / "apparmor.img")
    assert_refused(bench, images, "failed to create namespace")
    assert [item.place for item in edited(images, drop_apparmor)] == [
        f"process {program.pid}",
        "apparmor.img",
    ]
    assert bench.restore(images).ask("data") == "as it was"
