"""Rules on images by themselves: their entries, heads and names, and the files beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.images import contents, folder, payloads, raw

if TYPE_CHECKING:
    from dyncrit.check.context import Check

CHECKS: tuple[Check, ...] = (*folder.CHECKS, *contents.CHECKS, *payloads.CHECKS, *raw.CHECKS)
