"""The ``dyncrit`` command: finds the subcommand, and turns errors into lines and exit codes."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.lazy import LazyGroup
from dyncrit.cli.streams import say
from dyncrit.errors import DyncritError
from dyncrit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

COMMANDS = {
    "decode": "dyncrit.cli.decode",
    "encode": "dyncrit.cli.encode",
    "info": "dyncrit.cli.info",
    "show": "dyncrit.cli.show",
    "inspect": "dyncrit.cli.inspect",
    "x": "dyncrit.cli.x",
    "memory": "dyncrit.cli.memory",
    "extract": "dyncrit.cli.extract",
    "coredump": "dyncrit.cli.coredump",
    "get": "dyncrit.cli.get",
    "grep": "dyncrit.cli.grep",
    "diff": "dyncrit.cli.diff",
    "stats": "dyncrit.cli.stats",
    "set": "dyncrit.cli.set_",
    "patch": "dyncrit.cli.patch",
    "edit": "dyncrit.cli.edit",
    "remap": "dyncrit.cli.remap",
    "set-hostname": "dyncrit.cli.set_hostname",
    "set-env": "dyncrit.cli.set_env",
    "drop-file-checks": "dyncrit.cli.drop_file_checks",
    "drop-seccomp": "dyncrit.cli.drop_seccomp",
    "drop-apparmor": "dyncrit.cli.drop_apparmor",
    "drop-tcp": "dyncrit.cli.drop_tcp",
    "anonymize": "dyncrit.cli.anonymize",
    "check": "dyncrit.cli.check",
    "verify": "dyncrit.cli.verify",
    "validate": "dyncrit.cli.validate",
    "fuzz": "dyncrit.cli.fuzz",
    "schema": "dyncrit.cli.schema",
    "completion": "dyncrit.cli.completion",
}
"""Each command and the module that holds it, imported only when it is wanted."""

_OK, _BAD_DATA, _USAGE = 0, 1, 2
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as shells report SIGINT and SIGPIPE


class _Commands(LazyGroup):
    """All commands."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a pipe that nobody reads any more is told from click's own view of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosedError from error


class _PipeClosedError(Exception):
    """Nobody reads what is written to stdout; click would end the process for a BrokenPipeError."""


@click.group(
    cls=_Commands,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: dyncrit decode --pretty -i core-1.img",
)
@schema_options
@click.version_option(__version__, prog_name="dyncrit", message="%(prog)s %(version)s")
@click.pass_context
def dyncrit(ctx: click.Context) -> None:
    """Decode, explore and encode CRIU checkpoint images of any release."""
    ctx.ensure_object(SchemaChoice)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code: 0, 1 for bad data, 2 for wrong usage.

    Nothing raises out of it: whatever goes wrong is one line on stderr.
    """
    try:
        code = dyncrit.main(args=arguments, prog_name="dyncrit", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("DYNCRIT_DEBUG"):
            raise
        return _failure(error)
    return code if isinstance(code, int) else _OK


def run() -> NoReturn:
    """Run the command line as a process: ends it without taking the interpreter apart, which takes 10 ms."""
    signal.signal(signal.SIGTERM, _terminated)
    gc.set_threshold(100_000, 50, 50)  # entries are many, and none of them is part of a cycle
    _write_all_to_stdout()
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    for stream in streams:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    code = main()
    for stream in streams:
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _write_all_to_stdout() -> None:
    """With PYTHONUNBUFFERED, stdout is a file that may write less than it is given, as on a full disk."""
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.detach()), line_buffering=True)


def _failure(error: BaseException) -> int:
    """Say what went wrong, and give the exit code for it."""
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _INTERRUPTED
    if isinstance(error, _PipeClosedError | BrokenPipeError):
        _silence_stdout()
        return _BROKEN_PIPE
    return _complain(_describe(error))


def _describe(error: BaseException) -> str:
    if isinstance(error, DyncritError):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, MemoryError):
        return "out of memory"
    fault = f"{type(error).__name__}: {error}"
    return f"a fault of dyncrit's own, please report it: {fault} (DYNCRIT_DEBUG=1 shows where)"


def _complain(message: str) -> int:
    say(message)
    return _BAD_DATA


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return _USAGE
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    _complain(f"{error.format_message()}{hint}")
    return _USAGE


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about the closed pipe once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End on SIGTERM as on Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt
