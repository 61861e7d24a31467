"""What several rules look up, found out once for each context."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.check.context import Context

Result = TypeVar("Result")


def once(function: Callable[[Context], Result]) -> Callable[[Context], Result]:
    """Makes of a function one that remembers its result for as long as the context lives.

    The result must not hold the context.
    """
    results: WeakKeyDictionary[Context, Result] = WeakKeyDictionary()

    @wraps(function)
    def shared(context: Context) -> Result:
        if context not in results:
            results[context] = function(context)
        return results[context]

    return shared
