"""Kinds of arguments: addresses, ranges of them, numbers of bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}


class _Address(click.ParamType[int]):
    """An address in hex, with or without 0x."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The address, or a usage error."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,16}", value):
            self.fail(f"{value!r} is no address; expected hex digits, as `memory maps` shows", param, ctx)
        return int(value, 16)


class _Range(click.ParamType[tuple[int, int]]):
    """Two addresses with a dash between them; the end is exclusive."""

    name = "start-end"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Start and end, or a usage error."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,16})-(?:0x)?([0-9a-fA-F]{1,16})", value)
        if not match or int(match[1], 16) >= int(match[2], 16):
            self.fail(f"{value!r} is no range; expected START-END in hex, as `memory maps` shows", param, ctx)
        return int(match[1], 16), int(match[2], 16)


class _Length(click.ParamType[int]):
    """A number of bytes: decimal, 0x and hex, or with K, M, G."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes, or a usage error."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})([kKmMgG]?)", value)
        if not match:
            self.fail(f"{value!r} is no length; expected a number of bytes, 0x10, 4K", param, ctx)
        return int(match[1], 0 if match[1].startswith("0x") else 10) << _SHIFTS[match[2].lower()]


ADDRESS = _Address()
RANGE = _Range()
LENGTH = _Length()


def output_option(
    metavar: str, text: str, *, required: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``-o`` (``output``); ``required`` by commands whose result never goes to stdout by itself."""
    path = click.Path(path_type=Path)
    return click.option("-o", "--out", "output", required=required, type=path, metavar=metavar, help=text)


def given_output(output: Path | None) -> Path:
    """What ``-o`` names, for commands that need it for some of what they do; raises UsageError without."""
    if output is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    return output


NEW_FOLDER = output_option("DIR", "Where the files go: a new folder, or an empty one.", required=True)
"""``-o DIR`` for commands that fill a folder."""
