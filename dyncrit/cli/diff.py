"""``dyncrit diff``: what changed between two checkpoints."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dyncrit.cli.checkpoints import checkpoint_options, opened, report
from dyncrit.cli.streams import one_line, print_json, print_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.problems import Problem
    from dyncrit.explore.diff import Changes, Comparison, MemoryChanges, PageRange
    from dyncrit.types import JsonObject

_MAX_RANGES = 20
_MAX_VALUE = 200
_HEXADECIMAL = frozenset({"start", "end", "flags", "offset", "address", "sigmask"})


@click.command("diff", epilog="Example: dyncrit diff checkpoint-1/ checkpoint-2/")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--no-pages", is_flag=True, help="Don't compare the contents of memory.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, before: Path, after: Path, no_pages: bool, as_json: bool) -> int:
    """Show what changed between two checkpoints.

    They are of one tree of processes. Processes, descriptors, sockets, mounts, mappings, and pages of
    memory: + appeared, - is gone, ~ changed. Processes are matched by pid. --parent is for the second
    checkpoint.

    The exit code is 0 whether there are differences or not, and 1 where something is too damaged to compare.
    """
    from dyncrit.explore.diff import compare

    with opened(ctx, before, with_parents=False) as first, opened(ctx, after) as second:
        comparison = compare(first, second, pages=not no_pages)
        if as_json:
            print_json(comparison.to_dict())
        else:
            for line in _lines(comparison):
                print_line(one_line(line))
        return report([*_problems(first), *_problems(second)])


def _problems(checkpoint: Checkpoint) -> Iterator[Problem]:
    """The problems of a checkpoint, that say of which one."""
    for problem in checkpoint.problems:
        place = f"{checkpoint.name}: {problem.place}" if problem.place else checkpoint.name
        yield problem._replace(place=place)


def _lines(comparison: Comparison) -> Iterator[str]:
    if comparison.memory_only:
        yield "one of the two is a pre-dump: only memory is compared"
    if not comparison:
        yield "no differences"
    for head, changes, shown in (
        ("processes", comparison.processes, _process),
        ("files", comparison.files, _descriptor),
        ("sockets", comparison.sockets, _socket),
        ("mounts", comparison.mounts, _mount),
    ):
        if changes:
            yield head
            yield from _changes(changes, shown)
    for memory in comparison.memory:
        yield f"memory of {memory.pid} {memory.comm}".rstrip()
        yield from _changes(memory.mappings, _mapping)
        yield from _pages(memory)


def _changes(changes: Changes, shown: Callable[[JsonObject], str]) -> Iterator[str]:
    yield from (f"  + {shown(item)}" for item in changes.appeared)
    yield from (f"  - {shown(item)}" for item in changes.gone)
    for item in changes.changed:
        yield f"  ~ {shown(item)}"
        for name, values in item["fields"].items():
            yield f"      {name}: {_change(name, values['before'], values['after'])}"


def _process(label: JsonObject) -> str:
    return f"{label['pid']} {label['comm']}"


def _descriptor(label: JsonObject) -> str:
    return f"{label['pid']} fd {label['fd']} {label['name']}"


def _socket(label: JsonObject) -> str:
    ino = "" if label["ino"] is None else f" [{label['ino']}]"
    return f"{label['family']}{ino} {label['name']}".rstrip()


def _mount(label: JsonObject) -> str:
    return f"{label['mountpoint']} ({label['file_system']}, {label['source']})"


def _mapping(label: JsonObject) -> str:
    if label["start"] is None:
        return "all mappings"
    return f"{label['start']:#x}-{label['end']:#x} {label['permissions']} {label['name']}".rstrip()


def _change(name: str, before: Any, after: Any) -> str:
    """A value before and after; of lists, what went and what came."""
    if isinstance(before, list) and isinstance(after, list):
        went = [f"-{_value(name, item)}" for item in before if item not in after]
        came = [f"+{_value(name, item)}" for item in after if item not in before]
        if went or came:
            return ", ".join([*went, *came])
    return f"{_value(name, before)} -> {_value(name, after)}"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool) and name.rpartition(".")[2] in _HEXADECIMAL:
        return f"{value:#x}"
    if isinstance(value, dict):
        return " ".join(
            f"{key} {_value(key, item)}" for key, item in value.items() if item not in ("", None, [])
        )
    text = f"{value:04o}" if name == "mode" else str(value)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."


def _pages(memory: MemoryChanges) -> Iterator[str]:
    for mapping in memory.pages or ():
        counts = []
        if mapping.changed:
            counts.append(f"{_count(mapping.changed)} changed")
        if mapping.unknown:
            counts.append(f"{_count(mapping.unknown)} can't be compared")
        yield f"  {_mapping(mapping.label)}: {', '.join(counts)}"
        yield from (f"      {_range(found)}" for found in islice(mapping.ranges, _MAX_RANGES))
        if len(mapping.ranges) > _MAX_RANGES:
            yield f"      and {len(mapping.ranges) - _MAX_RANGES} more ranges (--json has them)"
    if memory.pages:
        unknown = f", {memory.unknown} can't be compared" if memory.unknown else ""
        yield f"  {_count(memory.changed)} of {memory.page_size} bytes changed in all{unknown}"


def _count(pages: int) -> str:
    return f"{pages} page{'' if pages == 1 else 's'}"


def _range(found: PageRange) -> str:
    return f"{found.start:#x}-{found.end:#x}{_KINDS[found.change]}{found.reason}"


_KINDS = {"contents": "", "new": " only in the second", "dropped": " only in the first", "unknown": ": "}
