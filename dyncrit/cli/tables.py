"""Tables: as wide as the terminal, with bold heads there; plain and as wide as they are elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from dyncrit.cli.streams import encoded, one_line, open_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import JustifyMethod

_MOST_STYLED = 1000
_LEAST_LAST = 12


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Iterable[str] = (),
    headless: bool = False,
) -> None:
    """Print rows under their heads; the columns named in ``numbers`` are set to the right.

    On a terminal that is too narrow, the last column is folded, or cut where there are over 1,000 rows.
    ``headless`` leaves the heads out.
    """
    cells = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    right = set(numbers)
    if sys.stdout is not None and sys.stdout.isatty() and len(cells) <= _MOST_STYLED:
        _print_styled(heads, cells, right, headless)
    else:
        _print_plain(heads, cells, right, headless)


def _print_plain(heads: Sequence[str], rows: list[list[str]], right: set[str], headless: bool) -> None:
    shown = rows if headless else [list(heads), *rows]
    widths = [max(map(cell_width, column), default=0) for column in zip(*shown, strict=True)]
    with open_output(None, binary=False) as output:
        for row in shown:
            padded = (
                _pad(cell, width, to_the_right=head in right)
                for cell, width, head in zip(row, widths, heads, strict=True)
            )
            output.write(encoded(f"{fitted('  '.join(padded).rstrip())}\n"))


def _pad(cell: str, width: int, *, to_the_right: bool) -> str:
    padding = " " * (width - cell_width(cell))
    return padding + cell if to_the_right else cell + padding


def _print_styled(heads: Sequence[str], rows: list[list[str]], right: set[str], headless: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=not headless
    )
    console = Console(highlight=False)
    widths = [max(map(cell_width, column)) for column in zip(*([list(heads), *rows]), strict=True)]
    fits = sum(width + 2 for width in widths[:-1]) + min(widths[-1], _LEAST_LAST) <= console.width
    for index, (head, width) in enumerate(zip(heads, widths, strict=True)):
        side: JustifyMethod = "right" if head in right else "left"
        is_whole = fits and index < len(heads) - 1
        table.add_column(
            head, justify=side, no_wrap=is_whole, min_width=width if is_whole else None, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def fitted(line: str) -> str:
    """A line that fits the terminal's width, where there is one."""
    if sys.stdout is None or not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def cell_width(text: str) -> int:
    """How many columns text takes on a terminal.

    >>> cell_width("abc"), cell_width("\u6587\u5b57")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


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
