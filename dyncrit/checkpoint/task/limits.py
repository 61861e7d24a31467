"""Resource limits of processes (setrlimit)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.names.numbers import UNLIMITED, rlimit_name

if TYPE_CHECKING:
    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """A limit (``RLIMIT_NOFILE``); None means unlimited."""

    name: str
    soft: int | None
    hard: int | None


def read_limits(
    images: ImageSet, pid: int, core: DynamicMessage | None, architecture: str
) -> list[ResourceLimit]:
    """The limits of a process: in its core image since CRIU 1.3, in rlimit-PID.img before."""
    entries = list(core.tc.rlimits.rlimits) if core is not None else []
    if not entries:
        entries = images.messages(f"rlimit-{pid}.img")
    return [
        ResourceLimit(rlimit_name(index, architecture), _limit(entry.cur), _limit(entry.max))
        for index, entry in enumerate(entries)
    ]


def _limit(value: int) -> int | None:
    return None if value == UNLIMITED else value
