from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run

NAME = "/entries/0/reg/name"


@pytest.fixture
def files(data: Path, tmp_path: Path) -> Path:
    """An image to change."""
    return shutil.copy(data / "demo/tree/files.img", tmp_path / "files.img")


def patch(*operations: dict[str, object]) -> bytes:
    return json.dumps(operations).encode()


def test_a_patch_is_applied(run: Run, files: Path, tmp_path: Path) -> None:
    test = {"op": "test", "path": NAME, "value": "/srv/demo/tree"}
    (tmp_path / "patch.json").write_bytes(patch(test, {"op": "replace", "path": NAME, "value": "/new"}))
    code, out, err = run("patch", files, tmp_path / "patch.json")
    assert (code, err) == (0, "")
    assert out == b'files.img entries[0].reg.name: "/srv/demo/tree" -> "/new"\n'
    assert dyncrit.load(files).entries[0].message.reg.name == "/new"


def test_a_patch_is_read_from_stdin(run: Run, files: Path) -> None:
    change = {"op": "replace", "path": "/entries/5/reg/flags", "value": 2}
    before = files.read_bytes()
    assert run("patch", "--plain", "--dry-run", files, "-", stdin=patch(change))[0] == 0
    assert files.read_bytes() == before
    assert run("patch", "--plain", files, "-", stdin=patch(change))[0] == 0
    assert dyncrit.load(files).entries[5].message.reg.flags == 2


def test_nothing_is_written_if_an_operation_fails(run: Run, files: Path) -> None:
    before = files.read_bytes()
    wrong = patch({"op": "remove", "path": "/entries/1"}, {"op": "test", "path": NAME, "value": "/x"})
    code, out, err = run("patch", files, "-", stdin=wrong)
    assert (code, out) == (1, b"")
    assert "files.img: operation 1 (test /entries/0/reg/name): the test failed" in err
    assert files.read_bytes() == before


def test_what_is_no_patch_says_where_it_came_from(run: Run, files: Path, tmp_path: Path) -> None:
    assert "dyncrit: stdin: no JSON: " in run("patch", files, "-", stdin=b"[")[2]
    (tmp_path / "patch.json").write_bytes(b"{}")
    assert "patch.json: expected a list of operations" in run("patch", files, tmp_path / "patch.json")[2]
