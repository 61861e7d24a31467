"""Rules on shared memory: anonymous, of memfds, and System V's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.memory.runs import pagemaps
from dyncrit.check.memory.spaces import STATUS, all_mappings, all_segments, sysv_entries
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context
    from dyncrit.types import DynamicMessage

_MEMFD = STATUS["VMA_AREA_MEMFD"]
_SYSV = STATUS["VMA_AREA_SYSVIPC"]

IMAGES = Rule(
    "segment-images",
    "error",
    "all shared memory has a pagemap",
    "A restore stops when it makes the shared memory.",
)
ORPHANS = Rule(
    "segment-orphan",
    "note",
    "every pagemap of shared memory is of a mapping, a memory file or a System V segment",
    "A restore passes it over. It is left from another dump, or what it belongs to is missing.",
)
SIZE = Rule(
    "segment-size",
    "error",
    "the pages of shared memory are within its size",
    "A restore stops reading there, without a word: that page and all behind it come back as zeros.",
)
ATTACHED = Rule(
    "segments-resolve",
    "error",
    "the System V segment of every mapping is in an ipcns-shm image",
    "A restore stops: there is no segment to attach.",
)
MEMFD_SIZE = Rule(
    "memory-file-size",
    "note",
    "memory files are as large as what is mapped of them",
    "The process gets SIGBUS where it touches what is behind the end, as it did before.",
)
_SOURCES = re.compile(r"(mm|vmas|ipcns-shm)-[0-9]+\.img|memfd\.img|files\.img|memfd-file\.img")


def _images(context: Context) -> Iterator[Finding]:
    for number, segment in all_segments(context).items():
        name = f"pagemap-shmem-{number}.img"
        if segment.needs_pagemap and name not in context.names:
            yield Finding.of(IMAGES, f"{name}, with the pages of {segment.name}, is missing", segment.image)


def _orphans(context: Context) -> Iterator[Finding]:
    if context.checkpoint.is_pre_dump or not _tells_all_segments(context):
        return
    for number in context.images.numbers("pagemap-shmem"):
        if number not in all_segments(context):
            message = f"nothing has shared memory of the number {number}"
            yield Finding.of(ORPHANS, message, f"pagemap-shmem-{number}.img")


def _sizes(context: Context) -> Iterator[Finding]:
    page_size = pagemaps(context).page_size
    for number, segment in all_segments(context).items():
        runs = pagemaps(context).runs(f"pagemap-shmem-{number}.img")
        size = -(-segment.size // page_size) * page_size
        if runs is not None and runs.ends and max(runs.ends) > size:
            message = f"it reaches to {max(runs.ends):#x}, and {segment.name} to {size:#x}"
            yield Finding.of(SIZE, message, runs.name)


def _attached(context: Context) -> Iterator[Finding]:
    if any(name.startswith("ipcns-shm-") for name in context.damaged):
        return
    known = {entry.desc.id for _, entry in sysv_entries(context)}
    for mappings in all_mappings(context):
        for entry in mappings.entries:
            if entry.status & _SYSV and entry.shmid not in known:
                message = f"mapping {entry.start:#x}-{entry.end:#x} is of System V segment {entry.shmid}"
                yield Finding.of(ATTACHED, f"{message}, which no ipcns-shm image has", mappings.name)


def _memfd_sizes(context: Context) -> Iterator[Finding]:
    page_size = pagemaps(context).page_size
    for mappings in all_mappings(context):
        for entry in mappings.entries:
            inode = _memfd_inode(context, entry) if entry.status & _MEMFD else None
            end = entry.pgoff + entry.end - entry.start
            if inode is not None and end > -(-inode.size // page_size) * page_size:
                message = f"mapping {entry.start:#x}-{entry.end:#x} reaches to {end:#x} of a memfd"
                yield Finding.of(MEMFD_SIZE, f"{message} of {inode.size:#x} bytes", mappings.name)


def _memfd_inode(context: Context, entry: DynamicMessage) -> DynamicMessage | None:
    file = context.files.get(("MEMFD", entry.shmid))
    return None if file is None else context.file_table.memfd_inodes.get(file.inode_id)


def _tells_all_segments(context: Context) -> bool:
    """Whether all images are there and whole that tell which shared memory there is."""
    if any(_SOURCES.fullmatch(name) for name in context.damaged):
        return False
    if any(f"mm-{task.pid}.img" not in context.names for task in context.living):
        return False
    wanted = {message.inode_id for (kind, _), message in context.files.items() if kind == "MEMFD"}
    return wanted <= context.file_table.memfd_inodes.keys()


CHECKS: tuple[Check, ...] = (
    Check(IMAGES, _images),
    Check(ORPHANS, _orphans),
    Check(SIZE, _sizes),
    Check(ATTACHED, _attached),
    Check(MEMFD_SIZE, _memfd_sizes),
)
