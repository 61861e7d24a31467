"""What commands share that change a checkpoint."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import click
import pytest

from dyncrit.cli.choice import SchemaChoice
from dyncrit.cli.editing import change, edit_options, print_changes, tell
from dyncrit.edit.differences import ABSENT, FieldChange
from dyncrit.edit.touched import Touched
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry

SILENT = {"dry_run": False, "as_json": False}
TOUCHED = Touched("process 1", "name", "tree", "renamed")


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


@pytest.fixture
def ctx() -> click.Context:
    return click.Context(click.Command("test"), obj=SchemaChoice())


def rename(edit: Edit) -> Iterator[Touched]:
    def renamed(entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            entry.message.tc.comm = "renamed"
            yield entry

    edit.rewrite("core-9834.img", renamed)
    yield TOUCHED


def test_what_was_touched_is_told_once_it_is_written(
    ctx: click.Context, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert change(ctx, folder, rename, **SILENT, nothing="nothing") == 0
    assert capsys.readouterr() == ("process 1: name: tree -> renamed\n", "")
    assert b"renamed" in (folder / "core-9834.img").read_bytes()


def test_a_dry_run_tells_the_fields_and_writes_nothing(
    ctx: click.Context, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "core-9834.img").read_bytes()
    assert change(ctx, folder, rename, dry_run=True, as_json=False, nothing="nothing") == 0
    assert capsys.readouterr() == ('core-9834.img entries[0].tc.comm: "tree" -> "renamed"\n', "")
    assert (folder / "core-9834.img").read_bytes() == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_json_has_what_was_touched_and_in_a_dry_run_the_changes(
    ctx: click.Context, folder: Path, capfd: pytest.CaptureFixture[str], dry_run: bool
) -> None:
    assert change(ctx, folder, rename, dry_run=dry_run, as_json=True, nothing="nothing") == 0
    document = json.loads(capfd.readouterr().out)
    assert document.pop("dry_run") is dry_run
    assert document.pop("touched") == [TOUCHED._asdict()]
    changes = document.pop("changes", None)
    expected = {"file": "core-9834.img", "path": "entries[0].tc.comm", "before": "tree", "after": "renamed"}
    assert changes == ([expected] if dry_run else None)
    assert document == {}


@pytest.mark.parametrize(("required", "code"), [(True, 1), (False, 0)])
def test_nothing_touched_is_said_and_an_error_where_something_was_required(
    ctx: click.Context, folder: Path, capsys: pytest.CaptureFixture[str], required: bool, code: int
) -> None:
    assert change(ctx, folder, lambda _: [], **SILENT, nothing="nothing here", required=required) == code
    assert capsys.readouterr() == ("", f"dyncrit: {folder}: nothing here\n")


def test_an_operation_that_fails_half_way_writes_and_tells_nothing(
    ctx: click.Context, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(edit: Edit) -> Iterator[Touched]:
        yield from rename(edit)
        raise ImageError("half way")

    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(ImageError, match="half way"):
        change(ctx, folder, fail, **SILENT, nothing="nothing")
    assert capsys.readouterr() == ("", "")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a", "b", "a -> b"),
        ("a", "", "a removed"),
        ("", "b", "b is new"),
        ("", "", "changed"),
        ("a\nb", "\x1b[31m", r"a\nb -> \x1b[31m"),
    ],
)
def test_what_was_touched_is_one_line_whatever_is_in_it(
    capsys: pytest.CaptureFixture[str], before: str, after: str, shown: str
) -> None:
    tell([Touched("here", "it", before, after)], [], **SILENT)
    assert capsys.readouterr().out == f"here: it: {shown}\n"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (1, 2, "1 -> 2"),
        (0, False, "0 -> false"),
        ("", ABSENT, '"" removed'),
        (ABSENT, None, "null is new"),
        ({"a": [1]}, [], '{"a": [1]} -> []'),
        ("é\n", "\udcff", '"é\\n" -> "\udcff"'),
    ],
)
def test_a_difference_is_one_line_of_json_values(
    monkeypatch: pytest.MonkeyPatch, before: object, after: object, shown: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("dyncrit.cli.editing.print_line", lines.append)
    print_changes([FieldChange("files.img", "entries[0].x", before, after)])
    assert lines == [f"files.img entries[0].x: {shown}"]


def test_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_changes([FieldChange("files.img", "", "x" * 10_000, ABSENT)])
    line = capsys.readouterr().out
    assert line.startswith('files.img: "xxx')
    assert line.endswith("x... removed\n")
    assert len(line) < 450


def test_commands_have_the_options_of_edits_and_of_checkpoints() -> None:
    @click.command()
    @edit_options
    def command(dry_run: bool, as_json: bool) -> None:
        assert (dry_run, as_json) == (True, True)

    names = {option for parameter in command.params for option in parameter.opts}
    assert {"-n", "--dry-run", "--json", "--parent", "--max-size", "--criu"} <= names
    command.main(["-n", "--json"], standalone_mode=False)
