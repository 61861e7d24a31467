"""Operations that are staged as a whole, or not at all if they raise, even where that is caught."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.checkpoint.editing.edit import Edit

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def whole(
    operation: Callable[Concatenate[Edit, Parameters], Result],
) -> Callable[Concatenate[Edit, Parameters], Result]:
    """The operation, which leaves an edit as it was where it raises."""

    @wraps(operation)
    def within_savepoint(edit: Edit, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with edit.savepoint():
            return operation(edit, *args, **kwargs)

    return within_savepoint
