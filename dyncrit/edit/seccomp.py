"""System call filters, taken out of all threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, number, optional
from dyncrit.checkpoint.names.numbers import SECCOMP_MODES
from dyncrit.edit.cores import core_images
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry
    from dyncrit.types import DynamicMessage


@whole
def drop_seccomp(edit: Edit) -> list[Touched]:
    """Take the seccomp mode and filters out of all threads, and the filters out of seccomp.img.

    What stays of seccomp.img is what CRIU writes where there are no filters. A filter may have needed
    no_new_privs; that stays set. Raises ImageError where an image is damaged.
    """
    depths = _depths(edit)
    touched = []
    for core in core_images(edit):
        used = [text for entry in edit.entries(core.name) for text in _shown(entry.message, depths)]
        if used:
            edit.rewrite(core.name, _without_modes)
            touched.append(Touched(core.place, f"{core.thread}seccomp", ", ".join(used)))
    if depths:
        edit.rewrite(_IMAGE, _without_filters)
        touched.append(Touched(_IMAGE, "filters", str(len(depths))))
    return touched


_IMAGE = "seccomp.img"
_FILTER = 2  # seccomp_mode of images/core.proto


class _Place(NamedTuple):
    """Where a mode and the number of the newest filter stand in a core image."""

    part: str
    mode: str
    filter: str


_PLACES = (
    _Place("thread_core", "seccomp_mode", "seccomp_filter"),
    _Place("tc", "old_seccomp_mode", "old_seccomp_filter"),  # up to CRIU 3.9, for the whole process
)


def _depths(edit: Edit) -> list[int]:
    """For each filter, how many there are with those that it builds on."""
    depths: list[int] = []
    for entry in edit.entries(_IMAGE):
        for index, item in enumerate(entry.message.seccomp_filters, len(depths)):
            before = optional(item, "prev")
            depths.append(1 + (depths[before] if before is not None and before < index else 0))
    return depths


def _in_use(core: DynamicMessage) -> Iterator[tuple[DynamicMessage, _Place]]:
    """The parts of a core image that have a mode other than "disabled", or a filter."""
    for place in _PLACES:
        holder = optional(core, place.part)
        if holder is not None and (number(holder, place.mode) or is_set(holder, place.filter)):
            yield holder, place


def _shown(core: DynamicMessage, depths: Sequence[int]) -> Iterator[str]:
    for holder, place in _in_use(core):
        mode, newest = number(holder, place.mode), number(holder, place.filter)
        if mode == _FILTER and newest < len(depths):
            yield "1 filter" if depths[newest] == 1 else f"{depths[newest]} filters"
        else:
            yield SECCOMP_MODES.get(mode, str(mode))


def _without_modes(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        for holder, place in _in_use(entry.message):
            holder.ClearField(place.mode)
            holder.ClearField(place.filter)
        yield entry


def _without_filters(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        entry.message.ClearField("seccomp_filters")
        yield entry
