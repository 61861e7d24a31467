"""What commands that report findings share: the options, the printing, the exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import click

from dyncrit.cli.parameters import output_option
from dyncrit.cli.streams import encoded, is_stdout, open_output, print_line
from dyncrit.findings.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dyncrit.findings.formats import Format
    from dyncrit.findings.model import Report, Severity

Function = TypeVar("Function", bound="Callable[..., Any]")

FailOn = Literal["error", "warning", "note", "never"]
"""The least severity that makes a command fail."""

_COLOURS: Mapping[Severity, str] = {"error": "red", "warning": "yellow", "note": "cyan"}


def findings_options(function: Function) -> Function:
    """``--format``, ``--fail-on`` and ``-o``: the arguments ``format_``, ``fail_on`` and ``output``."""
    options = (
        click.option(
            "--format",
            "format_",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            help="How findings are reported.",
        ),
        click.option(
            "--fail-on",
            type=click.Choice(get_args(FailOn)),
            default="error",
            show_default=True,
            help="The least severity that ends in exit code 1.",
        ),
        output_option("FILE", "Where to write the report. Default: stdout."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def finish(
    report: Report, format_: Format, fail_on: FailOn, output: Path | None = None, *, base: str = ""
) -> int:
    """Print a report; gives the exit code: 1 if a finding is at least as bad as ``fail_on``.

    ``base`` is put before the names of files where others look for them in a source tree.
    """
    from dyncrit.findings.formats import render

    least = None if fail_on == "never" else fail_on
    if format_ == "text" and is_stdout(output) and _is_coloured():
        _print_coloured(report)
    else:
        with open_output(output, binary=False) as file:
            file.write(encoded(render(report, format_, fail_on=least, base=base)))
    return int(least is not None and report.fails_on(least))


def _is_coloured() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _print_coloured(report: Report) -> None:
    from dyncrit.findings.text import to_lines

    for line in to_lines(report):
        severity = line.severity
        shown = click.style(f"{severity}: ", fg=_COLOURS[severity], bold=True) if severity else ""
        print_line(f"{line.where}{shown}{line.text}")
