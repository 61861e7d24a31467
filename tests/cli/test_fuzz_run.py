from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run

READER = """
import os, sys, time
data = open(sys.argv[1], 'rb').read()
if len(data) > 40: data.nothing
print(len(data))
"""


@pytest.fixture
def images(tmp_path: Path, data: Path) -> Path:
    """A corpus of two images: pstree.img is short, core-1.img is not."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("pstree.img", "core-1.img"):
        (corpus / name).write_bytes((data / "criu-4.2/programs/uns-ipc" / name).read_bytes())
    return corpus


@pytest.fixture
def reader(tmp_path: Path) -> str:
    (tmp_path / "reader.py").write_text(READER)
    return f"{sys.executable} -ISE {tmp_path}/reader.py {{image}}"


def test_findings_are_listed_kept_and_exit_with_1(
    run: Run, images: Path, reader: str, tmp_path: Path
) -> None:
    arguments = (
        "--target",
        reader,
        "--corpus",
        images,
        "-o",
        tmp_path / "f",
        "--count",
        8,
        "--seed",
        3,
        "--minimise-count",
        40,
    )
    code, out, err = run("fuzz", "run", *arguments)
    assert code == 1, err
    (folder,) = (tmp_path / "f").iterdir()
    lines = out.decode().splitlines()
    assert lines[0] == f"{folder.name}: AttributeError < reader.py:<module>"
    assert lines[1].startswith("8 inputs, 8 executions in ")
    assert folder.name in out.decode()
    assert "seed 3, 2 in the corpus" in err
    assert {path.name for path in folder.iterdir()} == {
        "finding.json",
        "input",
        "minimised",
        "output",
        "reproduce.sh",
    }


def test_findings_of_earlier_runs_are_told_apart(run: Run, images: Path, reader: str, tmp_path: Path) -> None:
    other = f"{sys.executable} -ISE -c 'import sys; sys.missing' {{image}}"
    common = ("--corpus", images, "-o", tmp_path / "f", "--count", 8, "--seed", 3, "--minimise-count", 0)
    assert run("fuzz", "run", "--target", reader, *common)[0] == 1
    code, out, _ = run("fuzz", "run", "--target", other, "--force", *common)
    assert (code, "1 finding of this run, 1 from before in " in out.decode()) == (1, True)


def test_a_run_without_findings_exits_with_0(run: Run, images: Path, tmp_path: Path) -> None:
    arguments = ("--target", "/bin/cat {image}", "--corpus", images, "-o", tmp_path / "f", "--count", 5)
    code, out, _ = run("fuzz", "run", *arguments)
    assert (code, "no findings (seed " in out.decode(), list((tmp_path / "f").iterdir())) == (0, True, [])


def test_the_summary_as_json_is_all_of_stdout(run: Run, images: Path, reader: str, tmp_path: Path) -> None:
    arguments = (
        "--target",
        reader,
        "--corpus",
        images,
        "-o",
        tmp_path / "f",
        "--count",
        8,
        "--seed",
        3,
        "--json",
    )
    code, out, _ = run("fuzz", "run", *arguments, "--minimise-count", 0, "--jobs", 2)
    shown = json.loads(out)
    assert (code, shown["seed"], shown["inputs"], shown["executions_minimising"]) == (1, 3, 8, 0)
    (finding,) = shown["findings"]
    assert finding["hits_of_run"] == finding["hits"] == shown["ends"]["traceback"]
    assert finding["minimised"] is None


def test_targets_are_compared(run: Run, images: Path, tmp_path: Path) -> None:
    arguments = ("--corpus", images, "-o", tmp_path / "f", "--count", 3, "--compare", "text")
    targets = ("--target", "/bin/cat {image}", "--target", "/usr/bin/head -c 9 {image}")
    code, out, _ = run("fuzz", "run", *targets, *arguments)
    assert (code, b"difference-" in out) == (1, True)
    targets = ("--target", "/bin/cat {image}", "--target", "/bin/cat -A {image}")
    assert run("fuzz", "run", *targets, *arguments, "--compare", "exit")[0] == 0


def test_exit_codes_and_variables_can_be_given(run: Run, images: Path, tmp_path: Path) -> None:
    target = """/bin/sh -c 'echo no >&2; exit "$CODE"' {image}"""
    arguments = ("--target", target, "--corpus", images, "--count", 2, "--force")
    code, out, _ = run(
        "fuzz", "run", *arguments, "-o", tmp_path / "a", "--env", "CODE=3", "--expect-exit", "0,1"
    )
    assert (code, b"exit-code-" in out) == (1, True)
    assert (
        run("fuzz", "run", *arguments, "-o", tmp_path / "b", "--env", "CODE=1", "--expect-exit", "0,1")[0]
        == 0
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--target", "no-such-program {image}"), "there is no such program in PATH"),
        (("--target", "/bin/cat"), "has no {image} and no {checkpoint}"),
        (("--target", "/bin/cat {image}", "--target", "/bin/ls {checkpoint}"), "expected the same in all"),
        (("--target", "/bin/cat {image}", "--target", "/bin/cat {image}"), "one is given twice"),
        (("--target", "/bin/false {image}"), "in the same way (refused, exit 1: no message)"),
        (("--target", "/bin/cat {image}", "--corpus", "/nowhere"), "there is no such folder"),
        (("--target", "/bin/cat {image}", "--corpus", "EMPTY"), "the corpus has no images"),
        (("--target", "/bin/ls {checkpoint}", "--corpus", "EMPTY"), "the corpus has no checkpoints"),
        (("--target", "/bin/cat {image}", "--memory", "much"), "is no length"),
        (("--target", "/bin/cat {image}", "--expect-exit", "x"), "has no exit codes"),
        (("--target", "/bin/cat {image}", "--env", "a b=1"), "names no variable"),
        (("--target", "/bin/cat {image}", "--jobs", "0"), "0"),
        ((), "--target"),
    ],
)
def test_wrong_usage_is_one_line_and_exits_with_2(
    run: Run, images: Path, tmp_path: Path, changed: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    options = [option.replace("EMPTY", str(tmp_path / "empty")) for option in changed]
    if "--corpus" not in options:
        options += ["--corpus", str(images)]
    code, out, err = run("fuzz", "run", *options, "-o", tmp_path / "f", "--count", 1)
    last = err.splitlines()[-1]
    assert (code, out) == (2, b"")
    assert said in last
    assert "Traceback" not in err
    assert not (tmp_path / "f").exists()


def test_a_failed_start_leaves_a_folder_that_was_there(run: Run, images: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    options = ("--target", "/bin/false {image}", "--corpus", images, "-o", tmp_path / "f")
    assert run("fuzz", "run", *options, "--count", 1)[0] == 2
    assert (tmp_path / "f").is_dir()


def test_a_folder_of_other_things_is_not_written_to(run: Run, images: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "fuzz", "run", "--target", "/bin/cat {image}", "--corpus", images, "-o", images, "--count", 1
    )
    assert (code, "has core-1.img and no findings" in err) == (1, True)
    assert len(list(images.iterdir())) == 2


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("fuzz", "run", "--help")
    assert (code, b"Example: dyncrit fuzz run --target" in out) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_all_and_prints_the_summary(
    images: Path, tmp_path: Path, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    (tmp_path / "reader.py").write_text(
        f"import os\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n{READER}"
    )
    target = f"{sys.executable} -ISE {tmp_path}/reader.py {{image}}"
    program = "from dyncrit.cli.main import run; run()"
    command = [sys.executable, "-c", program, "fuzz", "run", "--target", target, "--corpus", images]
    options = ["-o", tmp_path / "f", "--jobs", "2", "--minimise-count", "0"]
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*map(str, command), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith(b"traceback-")
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert b"executions in" in out
    assert b"interrupted after " in err
    assert b"Traceback (most" not in err
    (folder,) = (tmp_path / "f").iterdir()
    assert json.loads((folder / "finding.json").read_text())["hits"] >= 1
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not any(Path(f"/proc/{pid}/cwd").exists() for pid in pids.read_text().split())


def test_nothing_runs_on_when_the_fuzzer_is_killed(images: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    os.mkfifo(mark)
    (tmp_path / "slow.py").write_text(f"import time\nopen({str(mark)!r}, 'w').write('x')\ntime.sleep(600)\n")
    target = f"{sys.executable} -ISE {tmp_path}/slow.py {{image}}"
    program = "from dyncrit.cli.main import run; run()"
    command = [sys.executable, "-c", program, "fuzz", "run", "--target", target, "--corpus", images]
    options = ["-o", tmp_path / "f", "--timeout", "600"]
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    process = subprocess.Popen(
        [*map(str, command), *map(str, options)], stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    with mark.open() as reading:
        assert reading.read() == "x"  # the target runs
    process.kill()
    process.wait()
    rest = b""
    while True:  # it ends when nobody has the fuzzer's stderr any more: its child is gone, too
        assert select.select([process.stderr], [], [], 60)[0], "something runs on"
        piece = os.read(process.stderr.fileno(), 1 << 16)
        if not piece:
            break
        rest += piece
    process.stderr.close()
    assert b"Traceback" not in rest
    assert list((tmp_path / "temporary").iterdir()) == []
