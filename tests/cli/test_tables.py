"""Tables: as wide as the terminal, with bold heads there; plain and as wide as they are elsewhere."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from dyncrit.cli.tables import human_size, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [("55c60e025000-55c60e026000", 4, "/usr/lib/x86_64-linux-gnu/libc.so.6"), ("0-1", 65536, None)]
HEADS = ("range", "KiB", "name")


class Terminal(io.StringIO):
    """A terminal to write on."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Puts a terminal of so many columns in the place of stdout."""

    def put(columns: int) -> Terminal:
        screen = Terminal()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr(sys, "stdout", screen)
        return screen

    return put


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_columns_are_set_under_their_heads(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADS, ROWS, numbers=("KiB",))
    assert capsys.readouterr().out == (
        "range                        KiB  name\n"
        "55c60e025000-55c60e026000      4  /usr/lib/x86_64-linux-gnu/libc.so.6\n"
        "0-1                        65536\n"
    )


def test_numbers_are_set_to_the_left_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [(1, 100), (20, 3)])
    assert capsys.readouterr().out == "a   b\n1   100\n20  3\n"


def test_heads_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [(1, 2)], headless=True)
    assert capsys.readouterr().out == "1  2\n"


def test_heads_stand_alone_where_there_are_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [])
    assert capsys.readouterr().out.split() == ["a", "b"]


def test_rows_may_come_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("n",), ((number,) for number in range(3)))
    assert capsys.readouterr().out == "n\n0\n1\n2\n"


def test_lines_for_scripts_are_as_long_as_they_are_whatever_columns_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table(("name", "more"), [("x" * 5000, "y")])
    assert capsys.readouterr().out.splitlines()[1] == "x" * 5000 + "  y"


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_tables_are_at_most_as_wide_as_the_terminal(
    terminal: Callable[[int], Terminal], columns: int
) -> None:
    screen = terminal(columns)
    print_table(HEADS, ROWS, numbers=("KiB",))
    lines = plain(screen.getvalue())
    assert max(map(len, lines)) <= columns
    shown = "".join("".join(lines).split())
    assert sorted(shown) == sorted(
        "".join(str(cell) for row in (HEADS, *ROWS) for cell in row if cell is not None)
    )


def test_heads_are_bold_on_a_terminal_alone(
    terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(HEADS, ROWS)
    assert "\x1b" not in capsys.readouterr().out
    screen = terminal(200)
    print_table(HEADS, ROWS)
    head, *rows = screen.getvalue().splitlines()
    assert "\x1b[1m" in head
    assert not any("\x1b" in row for row in rows)


@pytest.mark.parametrize("on_terminal", [False, True])
def test_cells_hold_no_control_characters_and_no_markup(
    terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str], on_terminal: bool
) -> None:
    screen = terminal(200) if on_terminal else None
    print_table(("name",), [("a\x1b[31mb\nc\td\x9b\x7f",), ("[red]x[/red] :smile: [/nope]",)])
    lines = plain(screen.getvalue() if screen else capsys.readouterr().out)
    assert [line.rstrip() for line in lines[1:]] == [
        r"a\x1b[31mb\nc\td\x9b\x7f",
        "[red]x[/red] :smile: [/nope]",
    ]


def test_columns_of_wide_characters_stay_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "n"), [("日本", 1), ("abcd", 2)])
    assert capsys.readouterr().out == "name  n\n日本  1\nabcd  2\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (5 << 40, "5.0 TiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_sizes_are_told_in_units_of_1024(size: int, text: str) -> None:
    assert human_size(size) == text
