"""A real process, dumped by a real CRIU, read by gdb from the core file that is made of the images."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.coredump import write_core

if TYPE_CHECKING:
    from collections.abc import Iterator

GET_CRIU = Path(__file__).parents[3] / "shared" / "tools" / "get-criu"

PROGRAM = r"""
#include <unistd.h>

char greeting[] = "a greeting from the live process";
unsigned pattern[8] = {0x11111111, 0x22222222, 0x33333333, 0x44444444,
                       0x55555555, 0x66666666, 0x77777777, 0x88888888};

/* Fills registers, closes stdout so that the test knows, and waits. */
static __attribute__((noinline)) void innermost(int level)
{
    __asm__ volatile("movdqu (%0), %%xmm9\n"
                     "movabs $0x1122334455667788, %%r12\n"
                     "test %2, %2\n"
                     "jz 1f\n"
                     "vmovdqu (%0), %%ymm9\n"
                     "1: mov $1, %%edi\n"
                     "mov $3, %%eax\n"
                     "syscall\n"
                     "2: mov $34, %%eax\n"
                     "syscall\n"
                     "jmp 2b\n"
                     : : "r"(pattern), "r"(level), "r"(__builtin_cpu_supports("avx") ? 1L : 0L)
                     : "rax", "rcx", "rdx", "rdi", "r11", "r12", "memory");
}

static __attribute__((noinline)) void middle(int level) { innermost(level + 1); }
static __attribute__((noinline)) void outer(int level) { middle(level + 1); }

int main(void)
{
    outer(1);
    return 0;
}
"""


def lacking(what: str, switch: str) -> NoReturn:
    if os.environ.get(switch):
        pytest.fail(f"{switch} is set, and {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def criu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CRIU that works here: the one that DYNCRIT_CRIU names, or Debian sid's."""
    if os.geteuid() != 0:
        lacking("dumping takes root", "DYNCRIT_REQUIRE_CRIU")
    program = os.environ.get("DYNCRIT_CRIU") or fetch(tmp_path_factory)
    check = subprocess.run([program, "check"], capture_output=True, text=True, timeout=60, check=False)
    if check.returncode:
        lacking(f"criu check fails: {(check.stdout + check.stderr).strip()[-300:]}", "DYNCRIT_REQUIRE_CRIU")
    return program


def fetch(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not GET_CRIU.is_file():
        lacking(f"no CRIU: set DYNCRIT_CRIU, or have {GET_CRIU}", "DYNCRIT_REQUIRE_CRIU")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "criu.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [GET_CRIU, "sid", shared / "criu"], capture_output=True, text=True, timeout=300, check=False
        )
    if done.returncode:
        lacking(f"CRIU can't be had: {done.stderr.strip()[-300:]}", "DYNCRIT_REQUIRE_CRIU")
    return done.stdout.split()[-1]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    if platform.machine() != "x86_64":
        pytest.skip("the program is for x86_64")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    source, target = tmp_path / "live.c", tmp_path / "live"
    source.write_text(PROGRAM)
    subprocess.run(["gcc", "-g", "-O0", "-o", target, source], check=True, timeout=60)
    return target


@pytest.fixture
def waiting(program: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, in a session of its own, once its registers are filled."""
    process = subprocess.Popen(
        [program, "an argument"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.read() == b""
        yield process
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def gdb(program: Path, core: Path, *commands: str) -> str:
    if shutil.which("gdb") is None:
        lacking("there is no gdb", "DYNCRIT_REQUIRE_GDB")
    arguments = [part for command in commands for part in ("-ex", command)]
    done = subprocess.run(
        ["gdb", "--batch", "-nx", "-q", "-iex", "set debuginfod enabled off", *arguments, program, core],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout + done.stderr


def test_gdb_reads_a_dumped_process_as_it_was(
    criu: str, program: Path, waiting: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    images, core = tmp_path / "images", tmp_path / "core"
    images.mkdir()
    command = [criu, "dump", "-t", str(waiting.pid), "-D", images, "-v2", "-o", "dump.log"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    log = images / "dump.log"
    assert done.returncode == 0, done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    assert waiting.wait(timeout=60) == -signal.SIGKILL

    with open_checkpoint(images) as checkpoint, core.open("wb") as file:
        summary = write_core(checkpoint.processes[waiting.pid], file)
    assert summary.problems == ()

    out = gdb(program, core, "backtrace", "print level", "up", "up", "print level", "print greeting")
    frames = dict(re.findall(r"^#(\d+) .*?(\w+) \(.*\) at .*live\.c", out, re.MULTILINE))
    assert [frames[str(number)] for number in range(4)] == ["innermost", "middle", "outer", "main"]
    assert re.findall(r"^\$\d+ = (.*)$", out, re.MULTILINE) == [
        "3",
        "1",
        '"a greeting from the live process"',
    ]
    command_line = f"{program} an argument"[:79]  # as long as a core file can tell
    assert f"Core was generated by `{command_line}'" in out

    out = gdb(program, core, "print/x $r12", "print/x $xmm9.v4_int32", "print/x $ymm9.v8_int32", "x/i $pc")
    shown: list[Any] = re.findall(r"^\$\d+ = (.*)$", out, re.MULTILINE)
    words = [f"0x{digit * 8}" for digit in "12345678"]
    assert shown[:2] == ["0x1122334455667788", "{" + ", ".join(words[:4]) + "}"]
    if "avx" in Path("/proc/cpuinfo").read_text().split():
        assert shown[2] == "{" + ", ".join(words) + "}"
    assert re.search(r"=> 0x[0-9a-f]+ <innermost\+\d+>:\s+syscall", out)
