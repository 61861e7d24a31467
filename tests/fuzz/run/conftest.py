"""What the tests of runs share: programs that behave badly on purpose, and calls of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.children import Children, Link
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.process import Execution, Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    Execute = Callable[..., Execution]

_SOURCE = Path(__file__).with_name("behaviour.c")


@pytest.fixture(scope="session")
def behaviour(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that does what its argument says: see behaviour.c."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    program = tmp_path_factory.mktemp("programs") / "behaviour"
    subprocess.run(["gcc", "-O0", "-o", program, _SOURCE], check=True, capture_output=True)
    return str(program)


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    """Runs a command once, as runs do, in a child process; gives what became of it."""

    def call(*command: object, limits: Limits | None = None) -> Execution:
        words = [str(word) for word in command]

        def body(link: Link) -> None:
            os.chdir(tmp_path)
            environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            runner = Runner(limits or Limits(seconds=20), environment, link.life)
            link.send(runner.run(words))

        return _in_child(body)[0]

    return call


@pytest.fixture
def in_child() -> Callable[[Callable[[Link], None]], list]:
    """Runs a function in a child process; gives what it sent."""
    return _in_child


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs (a zombie doesn't)."""
    return _is_alive


def _in_child(body: Callable[[Link], None]) -> list:
    messages = []
    with Children() as children:
        children.start(body)
        while children:
            messages += children.received(1)
        if children.failure:
            raise children.failure
    return messages


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
