"""``dyncrit remap ip``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A program that listens on 127.0.0.1:18080 and [::1]:18081, with a connection to itself."""
    return shutil.copytree(data / "demo/sockets", tmp_path / "copy", symlinks=True)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_was_changed_is_told_line_by_line(run: Any, folder: Path) -> None:
    assert run("remap", "ip", folder, "::1", "fd00::7") == (
        0,
        b"files.img entries[10]: TCP socket, listening: [::1]:18081 -> [fd00::7]:18081\n",
        "",
    )
    code, out, _ = run("x", folder, "sk")
    assert code == 0
    assert b"fd00::7" in out


def test_there_and_back_gives_the_same_files(run: Any, folder: Path) -> None:
    before = content(folder)
    assert run("remap", "ip", folder, "127.0.0.0/8", "10.0.0.0/8")[0] == 0
    assert content(folder) != before
    assert run("remap", "ip", folder, "10.0.0.0/8", "127.0.0.0/8")[0] == 0
    assert content(folder) == before


def test_a_dry_run_prints_fields_and_writes_nothing(run: Any, folder: Path) -> None:
    before = content(folder)
    code, out, _ = run("remap", "ip", "--dry-run", folder, "::1", "fd00::7")
    assert (code, out) == (0, b'files.img entries[10].isk.src_addr[0]: "::1" -> "fd00::7"\n')
    assert content(folder) == before


def test_json_has_what_was_touched(run: Any, folder: Path) -> None:
    code, out, _ = run("remap", "ip", "--json", "--dry-run", folder, "::1", "fd00::7")
    document = json.loads(out)
    assert code == 0
    assert document["touched"] == [
        {
            "place": "files.img entries[10]",
            "what": "TCP socket, listening",
            "before": "[::1]:18081",
            "after": "[fd00::7]:18081",
        }
    ]


def test_an_address_that_nothing_has_is_an_error(run: Any, folder: Path) -> None:
    code, out, errors = run("remap", "ip", folder, "192.0.2.1", "192.0.2.2")
    assert (code, out) == (1, b"")
    assert "nothing has an address of 192.0.2.1" in errors


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("127.0.0.1", "::1", "of one family"),
        ("127.0.0.0/8", "10.0.0.0/9", "of one size"),
        ("here", "10.0.0.1", "expected an IP address or a network, found 'here'"),
        ("127.0.0.1", "127.0.0.1", "that differ"),
    ],
)
def test_addresses_that_do_not_fit_are_wrong_usage(
    run: Any, folder: Path, old: str, new: str, expected: str
) -> None:
    code, out, errors = run("remap", "ip", folder, old, new)
    assert (code, out) == (2, b"")
    assert expected in errors
    assert errors.count("\n") == 1


def test_help_shows_an_example(run: Any) -> None:
    code, out, _ = run("remap", "ip", "--help")
    assert code == 0
    assert b"dyncrit remap ip checkpoint/ 10.0.0.7 10.0.0.8" in out


def test_the_group_lists_its_commands(run: Any) -> None:
    code, out, _ = run("remap", "--help")
    assert code == 0
    assert {b"ip", b"port", b"path", b"cgroup", b"id", b"tty"} <= {
        line.split()[0] for line in out.splitlines() if line
    }
