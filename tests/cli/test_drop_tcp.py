"""``dyncrit drop-tcp``: what it prints, and its exit codes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A program with both ends of a TCP connection."""
    return shutil.copytree(data / "demo/sockets", tmp_path / "copy", symlinks=True)


def test_connections_are_told_and_their_data_goes(run: Any, folder: Path) -> None:
    before = run("check", folder)
    code, out, errors = run("drop-tcp", folder)
    assert (code, errors) == (0, "")
    assert out.decode().splitlines() == [
        "files.img entries[11]: TCP connection, established: 127.0.0.1:41504 to 127.0.0.1:18080 removed",
        "tcp-stream-5f32c7.img: data of the connection: 21 bytes not read, 0 not delivered removed",
        "files.img entries[13]: TCP connection, established: 127.0.0.1:18080 to 127.0.0.1:41504 removed",
        "tcp-stream-5f32c8.img: data of the connection: 35 bytes not read, 0 not delivered removed",
    ]
    assert not list(folder.glob("tcp-stream-*"))
    assert run("check", folder) == before


def test_nothing_to_drop_is_no_error(run: Any, folder: Path) -> None:
    run("drop-tcp", folder)
    code, out, errors = run("drop-tcp", folder)
    assert (code, out) == (0, b"")
    assert "there are no TCP connections" in errors


def test_a_dry_run_writes_nothing(run: Any, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, out, _ = run("drop-tcp", "-n", folder)
    assert code == 0
    assert b'files.img entries[11].isk.state: "ESTABLISHED" -> "CLOSE"\n' in out
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_help_shows_an_example(run: Any) -> None:
    code, out, _ = run("drop-tcp", "--help")
    assert code == 0
    assert b"dyncrit drop-tcp checkpoint.tar.zst" in out
