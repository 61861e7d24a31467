"""Checks whether a checkpoint is whole: applies all rules to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check import files, images, memory, mounts, namespaces, references, sockets, stale, tasks
from dyncrit.check.context import Check, Context
from dyncrit.findings import Finding, Report, Rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.findings import Severity

READABLE = Rule(
    "image-readable",
    "error",
    "every image can be read to its end",
    "A restore stops at the damage; what is behind it in the image is lost.",
)
VIEWS = Rule(
    "view-whole",
    "error",
    "nothing else is amiss that the views of a checkpoint meet",
    "What the view shows, and maybe what a restore makes of it, is not whole.",
)

_AREAS = (tasks, files, references, sockets, mounts, namespaces, memory, images, stale)


def check(
    checkpoint: Checkpoint,
    *,
    pages: bool = True,
    deep: bool = False,
    rules: Collection[str] | None = None,
    limits: Limits | None = None,
) -> Report:
    """All that is wrong with a checkpoint, by each rule.

    Without ``pages``, what needs pages files is left out; only with ``deep``, what is in them is read.
    ``rules`` are the ids of the rules to apply, all by default; ``limits`` bounds what ``deep`` unpacks. What
    images can't be read is found by the rule ``image-readable`` and no other; problems that views took note
    of before or meanwhile come last, where no rule found anything in the same file. Time and memory are
    linear in the size of the images.

    >>> from dyncrit.checkpoint import open_checkpoint
    >>> with open_checkpoint("tests/data/demo/tree") as checkpoint:
    ...     check(checkpoint).findings
    ()
    """
    context = Context(checkpoint, pages=pages, deep=deep, limits=limits)
    applied = [
        item
        for item in checks()
        if (pages or not item.needs_pages)
        and (deep or not item.needs_depth)
        and (rules is None or item.rule.id in rules)
    ]
    findings: list[Finding] = []
    for item in applied:
        findings += item.function(context)
    if rules is None or VIEWS.id in rules:
        findings += _views(context, {finding.file for finding in findings})
    known = tuple(item.rule for item in applied)
    return Report("check", checkpoint.name, known if rules is not None else (*known, VIEWS), tuple(findings))


def checks() -> tuple[Check, ...]:
    """All checks, in the order in which they are applied: that of damaged images last."""
    return (*(item for area in _AREAS for item in area.CHECKS), Check(READABLE, _readable))


def all_rules() -> tuple[Rule, ...]:
    """All rules that there are, each once."""
    return tuple(dict.fromkeys((*(item.rule for item in checks()), VIEWS)))


def _readable(context: Context) -> Iterator[Finding]:
    """Read the images that no rule has, and find all that are damaged."""
    table = context.images.schema.table
    for name in sorted(context.names - context.images.read):
        if table.by_file_name(name) is not None:
            for _ in context.images.entries(name):
                pass
    for problem in context.images.problems:
        yield Finding.of(READABLE, problem.text, problem.place)


def _views(context: Context, reported: set[str]) -> Iterator[Finding]:
    for problem in context.checkpoint.problems:
        if problem.place not in reported:
            severity: Severity = "error" if problem.severity == "error" else "note"  # a warning loses nothing
            yield Finding(VIEWS, problem.text, problem.place, severity=severity)
