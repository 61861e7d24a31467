"""``dyncrit drop-file-checks``: a restore takes other versions of files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit import load

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


def fields(folder: Path) -> set[str]:
    files = [entry.message.reg for entry in load(folder / "files.img").entries]
    return {field.name for file in files for field, _ in file.ListFields()}


def test_every_check_is_dropped_and_told(run: Run, folder: Path) -> None:
    code, out, err = run("drop-file-checks", folder)
    assert (code, err) == (0, "")
    assert "files.img entries[0]: checks of /srv/demo/tree: size " in out.decode()
    assert all(line.endswith(" removed") for line in out.decode().splitlines())
    assert not {"size", "mode", "build_id"} & fields(folder)


@pytest.mark.parametrize(
    ("option", "field"), [("--size", "size"), ("--mode", "mode"), ("--build-id", "build_id")]
)
def test_an_option_drops_one_kind_only(run: Run, folder: Path, option: str, field: str) -> None:
    assert run("drop-file-checks", option, folder)[0] == 0
    assert {"size", "mode", "build_id"} & fields(folder) == {"size", "mode", "build_id"} - {field}


def test_a_dry_run_prints_every_field_and_writes_nothing(run: Run, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, out, err = run("drop-file-checks", "--dry-run", "--mode", folder)
    assert (code, err) == (0, "")
    assert "files.img entries[0].reg.mode: 33261 removed\n" in out.decode()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_json_has_what_was_touched(run: Run, folder: Path) -> None:
    code, out, err = run("drop-file-checks", "--json", "--mode", folder)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["dry_run"] is False
    assert document["touched"][0] == {
        "place": "files.img entries[0]",
        "what": "checks of /srv/demo/tree",
        "before": "mode 100755",
        "after": "",
    }


def test_nothing_to_drop_is_said_and_no_error(run: Run, folder: Path) -> None:
    assert run("drop-file-checks", folder)[0] == 0
    assert run("drop-file-checks", folder) == (
        0,
        b"",
        f"dyncrit: {folder}: there is nothing to drop: no file has such checks\n",
    )


def test_the_help_tells_the_risk_of_other_libraries(run: Run) -> None:
    text = " ".join(run("drop-file-checks", "--help")[1].decode().split())
    assert "another version of its program or of a library mapped, is up to you" in text
    assert "Examples: dyncrit drop-file-checks" in text
