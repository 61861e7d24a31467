"""``dyncrit remap port``: what it prints, and its exit codes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import dump, load

if TYPE_CHECKING:
    from pathlib import Path


CONNECTION = "TCP connection, established"


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A program that listens on TCP ports 18080 and 18081 and UDP port 18082, with a connection to itself."""
    return shutil.copytree(data / "demo/sockets", tmp_path / "copy", symlinks=True)


def test_listening_sockets_change(run: Any, folder: Path) -> None:
    assert run("remap", "port", folder, 18080, 80) == (
        0,
        b"files.img entries[9]: TCP socket, listening: 127.0.0.1:18080 -> 127.0.0.1:80\n",
        "",
    )


def test_connected_sockets_change_if_asked_for(run: Any, folder: Path) -> None:
    code, out, _ = run("remap", "port", folder, 18080, 80, "--connected")
    assert code == 0
    assert out.decode().splitlines() == [
        "files.img entries[9]: TCP socket, listening: 127.0.0.1:18080 -> 127.0.0.1:80",
        f"files.img entries[11]: {CONNECTION}: 127.0.0.1:41504 to 127.0.0.1:18080 -> 127.0.0.1:41504 to 127.0.0.1:80",
        f"files.img entries[13]: {CONNECTION}: 127.0.0.1:18080 to 127.0.0.1:41504 -> 127.0.0.1:80 to 127.0.0.1:41504",
    ]


def test_a_protocol_can_be_chosen(run: Any, folder: Path) -> None:
    code, _, errors = run("remap", "port", folder, 18082, 53, "--proto", "tcp")
    assert code == 1
    assert "no tcp socket has the port 18082; connected ones would be changed with --connected" in errors
    assert run("remap", "port", folder, 18082, 53, "--proto", "udp")[0] == 0


def test_a_port_that_is_taken_is_an_error(run: Any, folder: Path) -> None:
    image = load(folder / "files.img")
    image.entries[10].message.isk.v6only = False  # so that [::] takes IPv4, too
    dump(image, folder / "files.img")
    assert run("remap", "ip", folder, "::1", "::")[0] == 0
    before = (folder / "files.img").read_bytes()
    code, out, errors = run("remap", "port", folder, 18081, 18080)
    assert (code, out) == (1, b"")
    assert "would be in each other's way" in errors
    assert (folder / "files.img").read_bytes() == before


@pytest.mark.parametrize(("old", "new"), [("0", "80"), ("80", "65536"), ("http", "80"), ("80", "80")])
def test_what_is_no_port_is_wrong_usage(run: Any, folder: Path, old: str, new: str) -> None:
    code, out, errors = run("remap", "port", folder, old, new)
    assert (code, out) == (2, b"")
    assert errors.count("\n") == 1


def test_help_shows_an_example(run: Any) -> None:
    code, out, _ = run("remap", "port", "--help")
    assert code == 0
    assert b"dyncrit remap port checkpoint/ 8080 80 --proto tcp" in out
