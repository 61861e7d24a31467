"""Where commands read and write: files by name, stdin and stdout where none is named."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from dyncrit.atomic import open_atomic
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Function = TypeVar("Function", bound="Callable[..., Any]")

FOLDER_ADVICE = ": give it as an argument, with -o DIR for the output"

_STDIN = "-"
_STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


def say(message: str) -> None:
    """A line on stderr, and one only, whatever control characters stand in the names that it quotes."""
    click.echo(f"dyncrit: {one_line(message)}", err=True)


def print_line(text: str = "") -> None:
    """A line on stdout; colours in it are left out where that is no terminal."""
    if sys.stdout is None:
        raise DyncritError("is closed", "stdout")
    click.echo(text)


def one_line(text: str) -> str:
    """Text of a stranger's, safe to print: control characters are shown as escapes, and do nothing."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or "\ud800" <= char < "\ue000" else ascii(char)[1:-1] for char in text
    )


def encoded(text: str) -> bytes:
    """Text as it goes to stdout: UTF-8, and escapes for the bytes of names that aren't."""
    return text.encode("utf-8", "backslashreplace")


def print_json(value: object) -> None:
    """A value as indented JSON on stdout."""
    _print_json(value, indent=2)


def print_json_line(value: object) -> None:
    """A value as a line of JSON on stdout."""
    _print_json(value, indent=None)


def _print_json(value: object, indent: int | None) -> None:
    import orjson

    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0)
    except TypeError:  # a name that isn't UTF-8, or a number of over 64 bits
        import json

        text = json.dumps(value, indent=indent).encode("ascii")
    with open_output(None, binary=False) as file:
        file.write(text + b"\n")


@contextmanager
def open_input(path: Path | None, what: str, *, folder_advice: str = "") -> Iterator[tuple[BinaryIO, str]]:
    """The file to read, and what errors call it. On a terminal, says that ``what`` is waited for.

    ``folder_advice`` tells what to do with a directory.
    """
    if path is None or str(path) == _STDIN:
        if sys.stdin is None:
            raise DyncritError("is closed; name a file to read", "stdin")
        if sys.stdin.isatty():
            say(f"reading {what} from the terminal (Ctrl-D ends it, Ctrl-C gives up)")
        yield sys.stdin.buffer, "stdin"
        return
    if path.is_dir():
        raise click.UsageError(f"{path} is a directory{folder_advice}")
    with path.open("rb") as file:
        yield file, str(path)


def is_stdout(path: Path | None) -> bool:
    """Whether a path given for the output, or none, means stdout."""
    return path is None or str(path) in _STDOUT


@contextmanager
def open_output(path: Path | None, *, binary: bool) -> Iterator[BinaryIO]:
    """The file to write, whole or not at all; stdout where none is named."""
    if path is not None and not is_stdout(path):
        with open_atomic(path) as file:
            yield file
        return
    if sys.stdout is None:
        raise DyncritError("is closed; name a file to write with -o", "stdout")
    if binary and sys.stdout.isatty():
        raise click.UsageError("the result is binary and stdout is a terminal: name a file with -o")
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def file_options(reads: str, writes: str) -> Callable[[Function], Function]:
    """Arguments and ``-i`` for files to read (``files``, ``input_``), ``-o`` for the result (``output``)."""
    path = click.Path(path_type=Path)
    options = (
        click.argument("files", nargs=-1, type=path),
        click.option("-i", "--in", "input_", type=path, metavar="FILE", help=f"{reads} Default: stdin."),
        click.option(
            "-o", "--out", "output", type=path, metavar="FILE|DIR", help=f"{writes} Default: stdout."
        ),
    )

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def into_folder(files: tuple[Path, ...], input_: Path | None, output: Path | None) -> Path | None:
    """The folder that results go to, where there are several files or a directory to read; else None."""
    if len(files) + (input_ is not None) < 2 and not any(path.is_dir() for path in files):
        return None
    if output is None:
        raise click.UsageError("several files or a directory need -o DIR for the output")
    if output.is_file():
        raise click.UsageError(f"several files or a directory need -o DIR for the output; {output} is a file")
    return output


def all_inputs(files: tuple[Path, ...], input_: Path | None) -> list[Path]:
    """The files that ``-i`` and arguments name together."""
    return [*files] if input_ is None else [input_, *files]
