from __future__ import annotations

import os
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.children import Children
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.process import Runner

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Limits(seconds=0.3)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-ISE", "-c", code)


def test_output_and_exit_code_are_kept(execute) -> None:
    done = execute(*python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.status, done.ended, done.stdout, done.stderr) == (3, "itself", b"out\n", b"err\n")


def test_a_signal_is_told_as_its_negative_number(execute, behaviour) -> None:
    assert execute(behaviour, "abort").status == -signal.SIGABRT
    assert execute(behaviour, "crash").status == -signal.SIGSEGV


def test_no_core_is_left(execute, behaviour, tmp_path: Path) -> None:
    execute(behaviour, "abort")
    assert list(tmp_path.iterdir()) == []


def test_the_limit_of_cores_stays_as_it_was_when_the_program_started(execute) -> None:
    code = "import resource as r, time; time.sleep(0.2); print(r.getrlimit(r.RLIMIT_CORE)[1])"
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert execute(*python(code), limits=Limits(seconds=20)).stdout == b"%d\n" % hard


def test_an_endless_loop_is_ended_in_time(execute, behaviour, is_alive) -> None:
    start = time.monotonic()
    done = execute(behaviour, "loop", limits=SHORT)
    assert done.ended == "timeout"
    assert time.monotonic() - start < 10
    assert not is_alive(int(done.stdout))


def test_one_that_waits_and_ignores_signals_is_ended(execute, behaviour) -> None:
    assert execute(behaviour, "wait", limits=SHORT).ended == "timeout"


def test_memory_beyond_the_limit_is_refused(execute, behaviour) -> None:
    limits = Limits(seconds=20, memory=64 << 20)
    done = execute(behaviour, "allocate", limits=limits)
    assert (done.status, done.stderr) == (3, b"behaviour: cannot allocate memory\n")


def test_memory_in_use_beyond_the_limit_ends_it(execute) -> None:
    limits = Limits(seconds=30, memory=100 << 20, memory_kind="resident")
    code = "import mmap, time; m = mmap.mmap(-1, 4 << 30); m[: 300 << 20] = bytes(300 << 20); time.sleep(30)"
    assert execute(*python(code), limits=limits).ended == "memory"
    harmless = "import mmap; m = mmap.mmap(-1, 4 << 30)"
    assert execute(*python(harmless), limits=limits).status == 0


def test_a_file_beyond_the_limit_ends_it(execute, behaviour, tmp_path: Path) -> None:
    done = execute(behaviour, "file", limits=Limits(seconds=20, file_size=1 << 20))
    assert done.status == -signal.SIGXFSZ
    assert (tmp_path / "large").stat().st_size == 1 << 20


@pytest.mark.parametrize("how", ["stay", "stay-apart"])
def test_a_child_that_stays_is_ended(execute, behaviour, is_alive, how: str) -> None:
    done = execute(behaviour, how)
    assert (done.status, done.ended) == (0, "itself")
    assert not is_alive(int(done.stdout))
    assert done.left_behind == 1 or how == "stay"  # that one is in the group, and may be dead by then


def test_endless_output_is_kept_in_part(execute, behaviour) -> None:
    done = execute(behaviour, "print", limits=SHORT)
    assert done.ended == "timeout"
    assert not done.stdout_is_whole
    assert len(done.stdout) < 5 << 20


def test_long_output_is_told_apart_by_its_hash(execute) -> None:
    code = "import sys; sys.stdout.write('x' * (5 << 20) + {!r})"
    first, again, other = (execute(*python(code.format(end))) for end in ("a", "a", "b"))
    assert first.stdout_digest == again.stdout_digest != other.stdout_digest


def test_stdin_is_empty_and_the_environment_is_what_is_given(execute, tmp_path: Path) -> None:
    done = execute(*python("import os, sys; print(repr(sys.stdin.read()), os.getcwd(), sorted(os.environ))"))
    assert done.stdout.decode().startswith(f"'' {tmp_path} ['HOME', ")
    assert b"XDG_CACHE_HOME" not in done.stdout


def test_signals_that_python_ignores_are_not_ignored(execute) -> None:
    ignored = int(execute("/bin/sh", "-c", "grep SigIgn /proc/self/status").stdout.split()[1], 16)
    assert ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 1 << signal.SIGINT - 1) == 0


def test_handles_of_ours_are_not_passed_on(execute) -> None:
    done = execute(*python("import os; print(os.listdir('/proc/self/fd'))"))
    assert done.stdout.decode().count("'") == 2 * 4  # 0, 1, 2, and the listing's own


def test_a_program_that_is_none_is_an_error(execute, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        execute(tmp_path / "nothing")


def test_a_stop_ends_what_runs(behaviour, tmp_path: Path, is_alive) -> None:
    mark = tmp_path / "pid"
    command = ["/bin/sh", "-c", f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec {behaviour} wait"]
    with Children() as children:

        def body(link) -> None:
            Runner(Limits(seconds=60), dict(os.environ), link.life).run(command)

        children.start(body)
        while not mark.exists():
            children.received(0.01)
        children.stop()
        while children:
            assert children.received(1) == []
        assert children.failure is None
    assert not is_alive(int(mark.read_text()))
