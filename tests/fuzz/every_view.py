"""Looks at a checkpoint in every way that ``x`` and ``inspect`` have; run by path, from tests and benchmarks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dyncrit.explore.inspection import inspect
from dyncrit.explore.views import rows
from dyncrit.explore.views.crit_text import CRIT_VIEWS
from dyncrit.explore.views.gocrit import GOCRIT_VIEWS
from dyncrit.explore.views.tables import SOCKETS_HELD, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.explore.views.tables import View


def read_through(value: object) -> None:
    """Read an answer to its end: views are mostly made while they are read."""
    if isinstance(value, dict):
        for item in value.values():
            read_through(item)
    elif hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        for item in value:
            read_through(item)


def table(view: View, checkpoint: Checkpoint) -> None:
    for row in view.rows(checkpoint, list(checkpoint.processes)):
        read_through([str(column.show(row)) for column in view.columns])


def sockets_held(checkpoint: Checkpoint) -> None:
    for process in checkpoint.processes:
        for row in rows.sockets_held(checkpoint, process):
            read_through([str(column.show(row)) for column in SOCKETS_HELD])


def answer(view: Callable[..., object], checkpoint: Checkpoint) -> None:
    read_through(view(checkpoint, list(checkpoint.processes)))


EVERY_VIEW: tuple[Callable[[Checkpoint], object], ...] = (
    *(partial(table, view) for view in VIEWS.values()),
    *(partial(answer, view) for view in (*GOCRIT_VIEWS.values(), *CRIT_VIEWS.values())),
    partial(answer, rows.environment_lines),
    partial(answer, rows.environment_rows),
    sockets_held,
    lambda checkpoint: inspect(checkpoint).to_dict(),
)
