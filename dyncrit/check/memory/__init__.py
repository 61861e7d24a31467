"""Rules on memory: mappings, pagemaps and their pages, parents, shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.memory import depth, mappings, pagemaps, parents, segments

if TYPE_CHECKING:
    from dyncrit.check.context import Check

CHECKS: tuple[Check, ...] = (
    *mappings.CHECKS,
    *pagemaps.CHECKS,
    *parents.CHECKS,
    *segments.CHECKS,
    *depth.CHECKS,
)
