"""``dyncrit remap path``: what it prints, and what it changes where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def sockets(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/sockets", tmp_path / "sockets", symlinks=True)


def test_it_says_what_moved(run: Run, sockets: Path) -> None:
    code, out, err = run("remap", "path", sockets, "/srv/demo", "/data")
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        "files.img entries[0]: file (program of 9860): /srv/demo/sockets -> /data/sockets",
        "files.img entries[7]: unix socket: /srv/demo/dgram.sock -> /data/dgram.sock",
        "files.img entries[19]: watched path: /srv/demo -> /data",
        "files.img entries[21]: file (working directory of 9860): /srv/demo -> /data",
    ]
    assert b"/data/sockets" in (sockets / "files.img").read_bytes()
    assert run("remap", "path", sockets, "/data", "/srv/demo")[0] == 0


def test_a_dry_run_shows_fields_and_writes_nothing(run: Run, sockets: Path) -> None:
    before = (sockets / "files.img").read_bytes()
    code, out, _ = run("remap", "path", "--dry-run", sockets, "/srv/demo", "/data")
    assert code == 0
    assert 'files.img entries[0].reg.name: "/srv/demo/sockets" -> "/data/sockets"' in out.decode()
    assert (sockets / "files.img").read_bytes() == before


def test_json_has_the_same(run: Run, sockets: Path) -> None:
    code, out, _ = run("remap", "path", "--json", "--dry-run", sockets, "@abstract-name", "@other")
    assert code == 0
    assert json.loads(out)["touched"] == [
        {
            "place": "files.img entries[8]",
            "what": "unix socket",
            "before": "@abstract-name",
            "after": "@other",
        }
    ]


def test_nothing_there_is_an_error(run: Run, sockets: Path) -> None:
    code, out, err = run("remap", "path", sockets, "/srv/dem", "/data")
    assert (code, out) == (1, b"")
    assert err == f"dyncrit: {sockets}: nothing is at /srv/dem, or below it\n"


@pytest.mark.parametrize(("old", "new"), [("srv", "/x"), ("/x", "/x/"), ("@a", "/b"), ("/a", "/../b")])
def test_what_is_no_path_is_a_usage_error(run: Run, sockets: Path, old: str, new: str) -> None:
    code, _, err = run("remap", "path", sockets, old, new)
    assert code == 2
    assert "expected" in err or "the same" in err


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("remap", "path", "--help")
    assert code == 0
    assert b"Example: dyncrit remap path" in out
    assert b"drop-file-checks" in out
