"""Rules on entries and their payloads: chunks of files, messages of queues, the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import is_set, optional
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context

CHUNKS = Rule(
    "ghost-chunks",
    "error",
    "the chunks of a deleted file are within its size, none on top of another",
    "The file comes back with another size or other bytes.",
)
QUEUES = Rule(
    "message-queues",
    "error",
    "the messages of a System V queue are no more than it may hold",
    "A restore stops at the message that has no room.",
)
INVENTORY = Rule(
    "inventory-plausible",
    "error",
    "the inventory says of control groups and descriptors what a restore accepts",
    "A restore refuses the images.",
)
_INVENTORY = "inventory.img"


def _chunks(context: Context) -> Iterator[Finding]:
    for name in sorted(context.names):
        if not name.startswith("ghost-file-"):
            continue
        entries = context.images.entries(name)
        head = next(entries, None)
        if head is None or head.message.DESCRIPTOR.name != "ghost_file_entry" or not head.message.chunks:
            continue
        chunks = [(entry.message.off, entry.message.len) for entry in entries]
        yield from _judge_chunks(name, chunks, optional(head.message, "size"))


def _judge_chunks(name: str, chunks: list[tuple[int, int]], size: int | None) -> Iterator[Finding]:
    end = 0
    for offset, length in sorted(chunks):
        if offset < end:
            yield Finding.of(CHUNKS, f"the chunk at {offset} is on top of one that ends at {end}", name)
        end = max(end, offset + length)
    if size is not None and end > size:
        yield Finding.of(CHUNKS, f"the chunks reach to {end}, the file has {size} bytes", name)


def _queues(context: Context) -> Iterator[Finding]:
    for number in context.images.numbers("ipcns-msg"):
        name = f"ipcns-msg-{number}.img"
        for index, entry in enumerate(context.images.entries(name)):
            messages = entry.payload if isinstance(entry.payload, list) else []
            held = sum(getattr(message, "message").msize for message in messages)  # noqa: B009 (entries)
            if held > entry.message.qbytes:
                text = f"its messages have {held} bytes, it may hold {entry.message.qbytes}"
                yield Finding.of(QUEUES, text, name, place=f"entry {index}: qbytes")


def _inventory(context: Context) -> Iterator[Finding]:
    inventory = context.inventory
    if inventory is None:
        return
    if is_set(inventory, "root_cg_set") and not inventory.root_cg_set:
        text = "expected the number of a set of control groups, found 0"
        yield Finding.of(INVENTORY, text, _INVENTORY, place="root_cg_set")
    if inventory.img_version > 1 and not inventory.fdinfo_per_id and context.checkpoint.is_full:
        text = "expected true, as CRIU writes since 0.4"
        yield Finding.of(INVENTORY, text, _INVENTORY, place="fdinfo_per_id")


CHECKS: tuple[Check, ...] = (Check(CHUNKS, _chunks), Check(QUEUES, _queues), Check(INVENTORY, _inventory))
