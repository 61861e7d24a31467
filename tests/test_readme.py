"""The commands and the code of the documentation give the output that stands there."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[1]
_PAGES = [_REPOSITORY / "README.md", *sorted((_REPOSITORY / "docs").glob("*.md"))]


@dataclass
class Example:
    command: str
    output: str


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def examples(block: str) -> list[Example]:
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return [Example(command, output) for command, output in zip(parts[1::2], parts[2::2], strict=True)]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that looks like the repository, with `dyncrit` in the PATH."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "dyncrit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dyncrit "$@"\n')
    command.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    (work / "tests").symlink_to(_REPOSITORY / "tests")
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(_REPOSITORY))
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_says(page: Path, workplace: Path) -> None:
    for example in (example for block in blocks(page, "console") for example in examples(block)):
        result = subprocess.run(
            example.command,
            shell=True,
            check=False,
            cwd=workplace,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.stdout == example.output, example.command


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_code_gives_what_the_page_says(page: Path, workplace: Path) -> None:
    for block in blocks(page, "python"):
        test = doctest.DocTestParser().get_doctest(block, {}, page.name, str(page), 0)
        assert doctest.DocTestRunner().run(test).failed == 0


def test_the_readme_has_examples() -> None:
    assert sum(len(examples(block)) for block in blocks(_PAGES[0], "console")) > 8
    assert blocks(_PAGES[0], "python")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = [line for block in blocks(_PAGES[0], "sh") for line in block.splitlines()]
    assert any(line.endswith("bin/nox") for line in commands)
    assert "grep -m 1 'bin/nox$' README.md" in (_REPOSITORY / ".ci" / "run").read_text()
