"""What must hold before a change: the cross-references that it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.checking import all_rules, check
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from dyncrit.checkpoint.editing.edit import Edit

_MOST_SHOWN = 3


def require(edit: Edit, *rules: str) -> None:
    """Raise ImageError unless the checkpoint keeps these rules of ``check``, by their ids; notes don't count.

    A change that follows ids from image to image would miss things, or change the wrong ones, where ids point
    nowhere or stand for two things. Raises ValueError for a rule that there is not.
    """
    unknown = set(rules) - {rule.id for rule in all_rules()}
    if unknown:
        raise ValueError(f"no rule {min(unknown)}")
    report = check(edit.checkpoint, pages=False, rules=rules)
    broken = [finding for finding in report.findings if finding.severity == "error"]
    if broken:
        shown = "; ".join(str(finding) for finding in broken[:_MOST_SHOWN])
        more = f"; and {len(broken) - _MOST_SHOWN} more" if len(broken) > _MOST_SHOWN else ""
        raise ImageError(
            f"nothing was changed, since the change would follow references that are broken: {shown}{more} "
            "(dyncrit check tells all)",
            edit.checkpoint.name,
        )
