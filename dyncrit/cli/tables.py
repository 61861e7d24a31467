"""Tables: as wide as the terminal, with bold heads there; plain and as wide as they are elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dyncrit.cli.streams import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDE = 1 << 16


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Iterable[str] = (),
    headless: bool = False,
) -> None:
    """Print rows under their heads; the columns named in ``numbers`` are set to the right.

    ``headless`` leaves the heads out.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout is not None and sys.stdout.isatty()
    table = Table(
        box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=not headless
    )
    right = set(numbers)
    for head in heads:
        table.add_column(
            head, justify="right" if head in right else "left", no_wrap=not terminal, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text("" if cell is None else one_line(str(cell))) for cell in row))
    console = Console(width=None if terminal else _WIDE, highlight=False, soft_wrap=False)
    with console.capture() as captured:
        console.print(table)
    text = captured.get()
    sys.stdout.write("\n".join(line.rstrip() for line in text.split("\n")) if not terminal else text)


def human_size(size: int) -> str:
    """A size in bytes for people.

    >>> human_size(4096), human_size(1536 << 20), human_size(17)
    ('4.0 KiB', '1.5 GiB', '17 B')
    """
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
