"""``dyncrit check``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Path:
    """A checkpoint without the fs image of process 9838."""
    folder = tmp_path / "broken"
    shutil.copytree(data / "demo" / "tree", folder)
    (folder / "fs-9838.img").unlink()
    return folder


def test_a_whole_checkpoint_has_no_findings(run: Run, data: Path) -> None:
    code, out, err = run("check", data / "demo" / "tree")
    assert (code, err) == (0, "")
    assert b"no findings" in out


def test_findings_are_printed_and_make_it_fail(run: Run, broken: Path) -> None:
    code, out, err = run("check", broken)
    assert (code, err) == (1, "")
    assert b"fs-9838.img: error: missing; process 9838 needs it [task-images]" in out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "never"], 0),
        (["--ignore", "task-images"], 0),
        (["--rules", "task-tree,task-images"], 1),
    ],
)
def test_what_fails_can_be_chosen(run: Run, broken: Path, options: list[str], code: int) -> None:
    assert run("check", broken, *options)[0] == code


def test_warnings_fail_when_they_should(run: Run, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stale"
    shutil.copytree(data / "demo" / "tree", folder)
    shutil.copy(folder / "ids-9840.img", folder / "ids-77.img")
    assert run("check", folder)[0] == 0
    assert run("check", folder, "--fail-on", "warning")[0] == 1


def test_json_names_rule_and_file(run: Run, broken: Path) -> None:
    code, out, _ = run("check", broken, "--format", "json")
    text = json.dumps(json.loads(out))
    assert code == 1
    assert "task-images" in text
    assert "fs-9838.img" in text


@pytest.mark.parametrize("format_", ["junit", "sarif", "github"])
def test_reports_are_written_to_files(run: Run, broken: Path, tmp_path: Path, format_: str) -> None:
    code, out, _ = run("check", broken, "--format", format_, "-o", tmp_path / "report")
    assert (code, out) == (1, b"")
    assert "task-images" in (tmp_path / "report").read_text()


def test_the_rules_are_listed_with_what_comes_of_them(run: Run) -> None:
    code, out, _ = run("check", "--list-rules", "--rules", "task-tree")
    lines = out.decode().splitlines()
    assert code == 0
    assert lines[0].startswith("task-tree (error): ")
    assert lines[1].startswith("    A restore stops")


@pytest.mark.parametrize(
    "arguments",
    [[], ["DIR", "--ignore", "nothing"], ["DIR", "--rules", "nothing"], ["DIR", "--deep", "--without-pages"]],
)
def test_wrong_arguments_are_said_in_a_line(run: Run, broken: Path, arguments: list[str]) -> None:
    code, out, err = run("check", *(broken if part == "DIR" else part for part in arguments))
    assert (code, out) == (2, b"")
    assert len(err.splitlines()) == 1


def test_a_folder_without_a_checkpoint_is_an_error(run: Run, tmp_path: Path) -> None:
    code, _, err = run("check", tmp_path)
    assert code == 1
    assert "no checkpoint" in err
