from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from dyncrit.cli.findings import FailOn, findings_options, finish
from dyncrit.findings import Finding, Report, Rule

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.findings import Severity


def report(*severities: Severity) -> Report:
    rules = tuple(Rule(f"rule-{severity}", severity, "title", "consequence") for severity in severities)
    return Report("check", "dump", rules, tuple(Finding.of(rule, "bad\x1b", "a\udcff.img") for rule in rules))


@pytest.mark.parametrize(
    ("severities", "fail_on", "code"),
    [
        ((), "note", 0),
        (("error",), "error", 1),
        (("warning", "note"), "error", 0),
        (("warning",), "warning", 1),
        (("note",), "warning", 0),
        (("note",), "note", 1),
        (("error",), "never", 0),
    ],
)
def test_the_exit_code_tells_whether_a_finding_is_bad_enough(
    severities: tuple[Severity, ...], fail_on: FailOn, code: int
) -> None:
    assert finish(report(*severities), "text", fail_on) == code


def test_a_pipe_gets_plain_text(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    finish(report("error"), "text", "error")
    assert capfdbinary.readouterr().out == (
        b"a\\udcff.img: error: bad\\x1b [rule-error]\n[rule-error] consequence\ndump: 1 error (1 rule applied)\n"
    )


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_severities_in_colour_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    written = io.BytesIO()
    terminal = Terminal(written, encoding="utf-8", errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    finish(report("error", "warning"), "text", "error")
    terminal.flush()
    shown = written.getvalue().decode()
    assert ("\x1b[31m" in shown, "\x1b[33m" in shown) == (coloured, coloured)
    assert "bad\\x1b [rule-error]" in shown


def test_a_file_gets_the_report_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    assert finish(report("error"), "json", "error", target) == 1
    assert json.loads(target.read_text())["counts"]["error"] == 1
    assert capfd.readouterr().out == ""


def test_junit_fails_for_what_the_command_fails_for(capfd: pytest.CaptureFixture[str]) -> None:
    finish(report("warning"), "junit", "warning")
    assert 'failures="1"' in capfd.readouterr().out
    finish(report("warning"), "junit", "never")
    assert 'failures="0"' in capfd.readouterr().out


def test_the_base_goes_before_files(capfd: pytest.CaptureFixture[str]) -> None:
    finish(report("error"), "github", "error", base="images")
    assert capfd.readouterr().out.startswith("::error file=images/a")


def test_a_command_gets_the_options_as_arguments(tmp_path: Path) -> None:
    @click.command()
    @findings_options
    def command(**arguments: object) -> None:
        click.echo(json.dumps(arguments, default=str))

    run = CliRunner().invoke
    assert json.loads(run(command, []).output) == {"format_": "text", "fail_on": "error", "output": None}
    given = run(command, ["--format", "sarif", "--fail-on", "never", "-o", "x"]).output
    assert json.loads(given) == {"format_": "sarif", "fail_on": "never", "output": "x"}
    assert run(command, ["--format", "xml"]).exit_code == 2
