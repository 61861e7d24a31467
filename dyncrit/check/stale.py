"""The rule that no image is an orphan: each belongs to a task, a file or a socket that the others know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.check.context import Check
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.check.context import Context

STALE = Rule(
    "stale-images",
    "warning",
    "every image belongs to a task, a file or a socket of the checkpoint",
    "A restore passes it over. It is left from another dump into the same folder, or another image lost what "
    "refers to it.",
)


class _Family(NamedTuple):
    """Images of one naming: ``known`` gives the numbers that there may be, or None where that isn't known."""

    pattern: re.Pattern[str]
    base: int
    noun: str
    known: Callable[[Context], set[int] | None]


def _pids(context: Context) -> set[int] | None:
    return None if context.is_damaged("pstree.img") else set(context.pids)


def _threads(context: Context) -> set[int] | None:
    if context.is_damaged("pstree.img"):
        return None
    return {tid for task in context.tasks for tid in task.threads}


def _descriptor_tables(context: Context) -> set[int] | None:
    if len(context.fdinfo_names) < len(context.living) or context.is_damaged("pstree.img"):
        return None
    return {int(name.removeprefix("fdinfo-").removesuffix(".img")) for name in context.fdinfo_names.values()}


def _ghosts(context: Context) -> set[int] | None:
    return None if context.is_damaged("remap-fpath.img") else set(context.file_table.ghosts.values())


def _streams(context: Context) -> set[int] | None:
    if context.has_damaged_files:
        return None
    return {message.ino for message in context.files_of("INETSK").values()}


_FAMILIES = (
    _Family(re.compile(r"(?:core|signal-p)-([0-9]{1,10})\.img"), 10, "thread", _threads),
    _Family(
        re.compile(
            r"(?:mm|ids|fs|pagemap|creds|vmas|itimers|posix-timers|rlimit|sigacts|signal-s|filelocks)"
            r"-([0-9]{1,10})\.img"
        ),
        10,
        "process",
        _pids,
    ),
    _Family(re.compile(r"fdinfo-([0-9]{1,10})\.img"), 10, "table of descriptors", _descriptor_tables),
    _Family(re.compile(r"ghost-file-([0-9a-f]{1,8})\.img"), 16, "ghost file in remap-fpath.img", _ghosts),
    _Family(re.compile(r"tcp-stream-([0-9a-f]{1,8})\.img"), 16, "TCP socket with inode", _streams),
)


def _stale(context: Context) -> Iterator[Finding]:
    if not context.checkpoint.is_full:
        return
    for family in _FAMILIES:
        names = [
            (name, match[1]) for name in sorted(context.names) if (match := family.pattern.fullmatch(name))
        ]
        known = family.known(context) if names else None
        if known is None:
            continue
        for name, digits in names:
            if int(digits, family.base) not in known:
                yield Finding.of(STALE, f"there is no {family.noun} {digits}", name)


CHECKS: tuple[Check, ...] = (Check(STALE, _stale),)
