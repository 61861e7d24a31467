"""Where commands read and write: files by name, stdin and stdout where none is named."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import click

from dyncrit.atomic import open_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STDIN = "-"


@contextmanager
def open_input(path: Path | None, what: str) -> Iterator[tuple[BinaryIO, str]]:
    """The file to read, and what errors call it. On a terminal, says that ``what`` is waited for."""
    if path is None or str(path) == STDIN:
        if sys.stdin.isatty():
            click.echo(
                f"dyncrit: reading {what} from the terminal (Ctrl-D ends it, Ctrl-C gives up)", err=True
            )
        yield sys.stdin.buffer, "stdin"
        return
    if path.is_dir():
        raise click.UsageError(f"{path} is a directory: give it as an argument, with -o DIR for the output")
    with path.open("rb") as file:
        yield file, str(path)


@contextmanager
def open_output(path: Path | None, *, binary: bool) -> Iterator[BinaryIO]:
    """The file to write, whole or not at all; stdout where none is named."""
    if path is None or str(path) == STDIN:
        if binary and sys.stdout.isatty():
            raise click.UsageError("an image is binary and stdout is a terminal: name a file with -o")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open_atomic(path) as file:
        yield file


def one_input(paths: tuple[Path, ...], option: Path | None) -> list[Path]:
    """The inputs that arguments and ``-i`` name together."""
    return [*([option] if option else []), *paths]
