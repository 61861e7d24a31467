"""What commands share that change a checkpoint: ``--dry-run``, ``--json``, and telling what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from dyncrit.cli.checkpoints import checkpoint_options, opened
from dyncrit.cli.streams import one_line, print_json, print_line, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.differences import FieldChange
    from dyncrit.edit.touched import Touched

Function = TypeVar("Function", bound="Callable[..., Any]")

_MAX_VALUE = 400
_BAD_DATA = 1


def edit_options(function: Function) -> Function:
    """``--dry-run`` and ``--json`` (``dry_run``, ``as_json``), and those of every command on a checkpoint."""
    return checkpoint_options(dry_run_options(function))


def dry_run_options(function: Function) -> Function:
    """``--dry-run`` and ``--json`` (``dry_run``, ``as_json``)."""
    options = (
        click.option(
            "-n", "--dry-run", is_flag=True, help="Print the difference, field by field, and write nothing."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def change(
    ctx: click.Context,
    path: Path,
    operation: Callable[[Edit], Iterable[Touched]],
    *,
    dry_run: bool,
    as_json: bool,
    nothing: str,
    required: bool = True,
) -> int:
    """Change a checkpoint by ``operation`` and tell what it touched; gives the exit code.

    ``nothing`` is what to say where it touched nothing, which is an error (1) if something was ``required``.
    """
    with opened(ctx, path) as checkpoint, checkpoint.edit(dry_run=dry_run) as edit:
        touched = list(operation(edit))
        changes = found_differences(edit) if dry_run else []
    tell(touched, changes, dry_run=dry_run, as_json=as_json)
    if touched:
        return 0
    say(f"{path}: {nothing}")
    return _BAD_DATA if required else 0


def found_differences(edit: Edit) -> list[FieldChange]:
    """What the edit changes, field by field."""
    from dyncrit.edit.differences import differences

    return list(differences(edit))


def tell(touched: Iterable[Touched], changes: Iterable[FieldChange], *, dry_run: bool, as_json: bool) -> None:
    """Print what was touched or, in a dry run, what would be different."""
    if as_json:
        shown: dict[str, Any] = {"dry_run": dry_run, "touched": [item._asdict() for item in touched]}
        if dry_run:
            shown["changes"] = [item.to_dict() for item in changes]
        print_json(shown)
    elif dry_run:
        print_changes(changes)
    else:
        for item in touched:
            print_line(one_line(f"{item.place}: {item.what}: {_arrow(item.before, item.after)}"))


def print_changes(changes: Iterable[FieldChange]) -> None:
    """A line a value that is another, as ``--dry-run`` prints them."""
    from dyncrit.edit.differences import ABSENT

    for item in changes:
        before = "" if item.before is ABSENT else _value(item.before)
        after = "" if item.after is ABSENT else _value(item.after)
        place = f"{item.file} {item.path}" if item.path else item.file
        print_line(one_line(f"{place}: {_arrow(before, after)}"))


def _arrow(before: str, after: str) -> str:
    if before == after and before:
        return before
    if not after:
        return f"{before} removed" if before else "changed"
    return f"{before} -> {after}" if before else f"{after} is new"


def _value(value: object) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."
