"""Kinds of arguments that ``dyncrit fuzz run`` takes: exit codes, variables of the environment."""

from __future__ import annotations

import os
import re
from typing import Any

import click


class ExitCodes(click.ParamType[frozenset[int]]):
    """Exit codes with commas between them."""

    name = "codes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int]:
        """The exit codes, or a usage error."""
        if isinstance(value, frozenset):
            return value
        codes = re.fullmatch(r"\d{1,3}(,\d{1,3})*", value)
        if codes is None:
            self.fail(f"{value!r} has no exit codes; expected numbers with commas, as 0,1", param, ctx)
        return frozenset(map(int, value.split(",")))


class Variable(click.ParamType[tuple[str, str]]):
    """A variable of the environment and its value."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name and value, or a usage error."""
        if isinstance(value, tuple):
            return value
        name, equals, content = value.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            self.fail(
                f"{value!r} names no variable; expected NAME=VALUE, or NAME of one that is set", param, ctx
            )
        return name, content if equals else os.environ.get(name, "")


EXIT_CODES = ExitCodes()
VARIABLE = Variable()
