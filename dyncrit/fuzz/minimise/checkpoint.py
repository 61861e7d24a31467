"""Makes a checkpoint smaller: images dropped, then each that is left made smaller by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.minimise.budget import Budget
from dyncrit.fuzz.minimise.image import minimise
from dyncrit.fuzz.minimise.reduction import reduce_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dyncrit.schema import Schema


def minimise_checkpoint(
    files: Mapping[str, bytes],
    schema: Schema,
    is_same: Callable[[Mapping[str, bytes]], bool],
    *,
    budget: Budget | None = None,
) -> dict[str, bytes]:
    """The least checkpoint that was found, for which ``is_same`` is true as it is for ``files``."""
    given = budget or Budget()
    names = reduce_list(
        sorted(files), lambda some: given.take() and is_same({name: files[name] for name in some})
    )
    kept = {name: files[name] for name in names}
    for name in sorted(kept, key=lambda name: len(kept[name]), reverse=True):
        kept[name] = minimise(
            kept[name],
            name,
            schema,
            lambda data, name=name: is_same({**kept, name: data}),  # type: ignore[misc]
            budget=given,
        )
    return kept
