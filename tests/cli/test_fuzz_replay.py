from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run

READER = (
    "import sys\ndata = open(sys.argv[1], 'rb').read()\nif len(data) > 40: data.nothing\nprint(len(data))\n"
)


@pytest.fixture
def command(tmp_path: Path) -> str:
    (tmp_path / "reader.py").write_text(READER)
    return f"{sys.executable} -ISE {tmp_path}/reader.py {{image}}"


@pytest.fixture
def findings(tmp_path: Path, data: Path, run: Run, command: str) -> Path:
    """A folder with a finding."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("pstree.img", "core-1.img"):
        (corpus / name).write_bytes((data / "criu-4.2/programs/uns-ipc" / name).read_bytes())
    folder = tmp_path / "findings"
    arguments = (
        "--target",
        command,
        "--corpus",
        corpus,
        "--count",
        6,
        "--seed",
        3,
        "-o",
        folder,
        "--minimise-count",
        40,
    )
    code, _, err = run("fuzz", "run", *arguments)
    assert code == 1, err
    return folder


def test_a_finding_that_reproduces_fails(run: Run, findings: Path) -> None:
    code, out, _ = run("fuzz", "replay", findings)
    assert code == 1
    (line, last) = out.decode().splitlines()
    assert line.startswith(f"reproduces: {findings}/traceback-")
    assert line.endswith("traceback: AttributeError < reader.py:<module>")
    assert last == "1 reproduces"


def test_one_finding_can_be_named(run: Run, findings: Path) -> None:
    (folder,) = findings.iterdir()
    code, out, _ = run("fuzz", "replay", folder, "--json")
    (shown,) = json.loads(out)
    assert (code, shown["folder"], shown["state"], shown["class"]) == (
        1,
        str(folder),
        "reproduces",
        "traceback",
    )


def test_several_are_found_by_a_relative_path(
    run: Run, findings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = findings.iterdir()
    shutil.copytree(folder, findings / "copy")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("fuzz", "replay", "findings")
    assert (code, out.decode().splitlines()[-1]) == (1, "2 reproduces")
    assert b"reproduces: findings/copy: " in out


def test_one_that_is_gone_does_not_fail(run: Run, findings: Path, tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text("print(1)\n")
    code, out, _ = run("fuzz", "replay", findings)
    assert (code, out.decode().splitlines()[-1]) == (0, "1 gone")


def test_another_target_can_be_run(run: Run, findings: Path) -> None:
    assert run("fuzz", "replay", findings, "--target", "/bin/cat {image}")[0] == 0
    code, out, _ = run("fuzz", "replay", findings, "--target", "/bin/sh -c 'kill -SEGV $$' {image}")
    assert code == 1
    assert b"now signal: SIGSEGV" in out


def test_wrong_usage_is_told(run: Run, findings: Path, tmp_path: Path) -> None:
    code, _, err = run("fuzz", "replay", findings, "--target", "/bin/cat")
    assert (code, "no {image}" in err, err.count("\n")) == (2, True, 1)
    code, _, err = run("fuzz", "replay", tmp_path / "nothing")
    assert (code, "no such folder" in err) == (1, True)
    code, _, err = run("fuzz", "replay", tmp_path / "corpus")
    assert (code, "has no findings" in err) == (1, True)


def test_a_target_that_is_not_there_any_more_is_told(run: Run, findings: Path, tmp_path: Path) -> None:
    (folder,) = findings.iterdir()
    shown = json.loads((folder / "finding.json").read_text())
    shown["targets"] = ["no-such-program {image}"]
    (folder / "finding.json").write_text(json.dumps(shown))
    code, out, _ = run("fuzz", "replay", findings)
    assert code == 1
    assert b"not run" in out
    assert b"no such program in PATH" in out
