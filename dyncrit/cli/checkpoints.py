"""What commands on whole checkpoints share: the argument, its options, and the report on what is amiss."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.problems import Problem
    from dyncrit.checkpoint.storage.compression import Limits

Function = TypeVar("Function", bound="Callable[..., Any]")

CHECKPOINT = click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
"""The checkpoint that a command works on."""

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_OPTIONS = f"{__name__}.options"


def checkpoint_options(function: Function) -> Function:
    """The options of every command that opens a checkpoint; :func:`opened` looks them up."""
    options = (
        click.option(
            "--parent",
            "parents",
            multiple=True,
            type=click.Path(path_type=Path, exists=True),
            metavar="FILE|DIR",
            help="The checkpoint that this one is an increment on, where its link doesn't lead there.",
            **_remembered("parents"),
        ),
    )
    for option in reversed(options):
        function = option(function)
    return limit_options(function)


def limit_options(function: Function) -> Function:
    """``--max-size`` and ``--max-ratio``, and the schema's; :func:`chosen_limits` looks them up."""
    options = (
        click.option(
            "--max-size",
            metavar="SIZE",
            help="How much to unpack at most (64G by default).",
            **_remembered("max_size"),
        ),
        click.option(
            "--max-ratio",
            type=click.IntRange(min=1),
            metavar="N",
            help="How many times its size an archive may unpack to (200 by default).",
            **_remembered("max_ratio"),
        ),
    )
    for option in reversed(options):
        function = option(function)
    return schema_options(function)  # type: ignore[return-value]  # an option leaves a function as it is


@contextmanager
def opened(ctx: click.Context, path: Path, *, with_parents: bool = True) -> Iterator[Checkpoint]:
    """The checkpoint that a command works on; it is closed when the block ends.

    ``with_parents`` says whether ``--parent`` is about this one.
    """
    from dyncrit.checkpoint import open_checkpoint

    parents = chosen_parents(ctx) if with_parents else ()
    schema = ctx.ensure_object(SchemaChoice).schema()
    with open_checkpoint(path, schema=schema, parents=parents, limits=chosen_limits(ctx)) as checkpoint:
        yield checkpoint


def chosen_parents(ctx: click.Context) -> Sequence[Path]:
    """What ``--parent`` says."""
    parents: Sequence[Path] = ctx.meta.get(_OPTIONS, {}).get("parents", ())
    return parents


def chosen_limits(ctx: click.Context) -> Limits | None:
    """What ``--max-size`` and ``--max-ratio`` say of how much to unpack; None without them."""
    options = ctx.meta.get(_OPTIONS, {})
    if not {"max_size", "max_ratio"} & options.keys():
        return None
    from dyncrit.checkpoint.storage.compression import Limits

    chosen = Limits()
    if "max_size" in options:
        chosen = Limits(max_total=_bytes(options["max_size"]), max_ratio=chosen.max_ratio)
    if "max_ratio" in options:
        chosen = Limits(max_total=chosen.max_total, max_ratio=options["max_ratio"])
    return chosen


def note_lost(process: Process, ranges: Iterable[tuple[int, int]] | None = None) -> None:
    """Take note, as a problem of the checkpoint, of memory in ``ranges`` that should be there and isn't."""
    lost = process.memory.lost(ranges)
    if lost:
        pages = sum(piece.size for piece in lost) // process.memory.page_size
        first = lost[0]
        text = f"{pages} pages can't be read, the first at {first.start:#x}: {first.reason}"
        process.problems.error(f"process {process.pid}", text)


def report(problems: Iterable[Problem]) -> int:
    """Say on stderr what is amiss; gives the exit code: 1 if a view is not whole for it."""
    code = 0
    for problem in problems:
        say(f"{'warning: ' if problem.severity == 'warning' else ''}{problem}")
        code = code or int(problem.severity == "error")
    return code


def _remembered(name: str) -> dict[str, Any]:
    def remember(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None and value != ():
            ctx.meta.setdefault(_OPTIONS, {})[name] = value

    return {"expose_value": False, "callback": remember}


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,18})([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise click.BadParameter(
            f"{text!r} is no size; expected a number of bytes, or 500M, 64G", param_hint="--max-size"
        )
    return int(match[1]) * _UNITS[match[2]]
