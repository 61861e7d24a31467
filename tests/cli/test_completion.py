from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dyncrit.cli import main
from dyncrit.cli.main import COMMANDS

SHELLS = ["bash", "zsh", "fish"]


def completed(shell: str, words: str, index: int, incomplete: str) -> list[str]:
    """What a shell's script would be told for a line that is being typed."""
    environment = {"_DYNCRIT_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    if shell == "fish":
        environment["COMP_CWORD"] = incomplete
    command = [sys.executable, "-c", "from dyncrit.cli import run; run()"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_for_a_shell(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert f"_DYNCRIT_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_completed(shell: str) -> None:
    words = " ".join(completed(shell, "dyncrit dec", 1, "dec"))
    assert "decode" in words
    assert "encode" not in words


@pytest.mark.parametrize("shell", SHELLS)
def test_options_are_completed(shell: str) -> None:
    words = " ".join(completed(shell, "dyncrit decode --pr", 2, "--pr"))
    assert "--pretty" in words
    assert "--proto-dir" in words
    assert "--format" not in words


def test_another_shell_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    _, err = capfd.readouterr()
    assert err.startswith("dyncrit: ")
    assert err.count("\n") == 1
    assert "bash" in err


@pytest.mark.parametrize("shell", ["bash"])
def test_a_shell_takes_the_script(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    main(["completion", shell])
    script = capfd.readouterr().out
    subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)


def test_every_command_is_completed() -> None:
    words = " ".join(completed("bash", "dyncrit ", 1, ""))
    assert all(name in words for name in COMMANDS)
