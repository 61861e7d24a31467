from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]

VIEWS = [
    "ps",
    "fds",
    "mems",
    "rss",
    "sk",
    "env",
    "threads",
    "mounts",
    "namespaces",
    "signals",
    "caps",
    "cgroups",
    "timers",
    "limits",
    "sockets",
]


@pytest.fixture
def tree(data: Path, tmp_path: Path) -> Path:
    """A copy of the tree of processes, to be damaged."""
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


def rename(tree: Path, name: str) -> None:
    """Give the main process another name."""
    image = dyncrit.load(tree / "core-9834.img")
    image.entries[0].message.tc.comm = name
    dyncrit.dump(image, tree / "core-9834.img")


def test_ps_is_crits_text(run: Run, data: Path) -> None:
    code, out, err = run("x", data / "demo" / "tree", "ps")
    assert (code, err) == (0, "")
    assert out.decode() == (
        "    PID   PGID    SID   COMM\n"
        "   9834   9834   9834   tree\n"
        "   9838   9838   9838       child\n"
        "   9840   9838   9838           grandchild\n"
        "   9839   9834   9834       tree\n"
    )


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_text_and_json(run: Run, data: Path, view: str) -> None:
    code, out, err = run("x", data / "demo" / "tree", view)
    assert (code, err) == (0, "")
    assert out.decode().endswith("\n")
    code, out, err = run("x", data / "demo" / "tree", view, "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), dict if view == "ps" else list)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "folder", ["criu-1.1/programs/ns-ipc", "criu-2.12/programs/seccomp", "criu-4.2/programs/binfmt"]
)
def test_images_of_all_releases_are_shown(run: Run, data: Path, folder: str, view: str) -> None:
    code, out, err = run("x", data / folder, view)
    assert out
    if view == "env":
        assert code == 1
        assert "no pages image" in err
    else:
        assert (code, err) == (0, "")


@pytest.mark.parametrize(("short", "long"), [("fd", "fds"), ("mem", "mems")])
def test_go_crits_names_of_views_are_accepted(run: Run, data: Path, short: str, long: str) -> None:
    assert run("x", data / "demo" / "tree", short) == run("x", data / "demo" / "tree", long)


def test_an_archive_is_shown_like_its_directory(run: Run, data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "checkpoint.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(data / "demo" / "tree", "checkpoint")
    for view in ("ps", "fds", "mems", "rss", "env", "threads"):
        assert run("x", archive, view) == run("x", data / "demo" / "tree", view)


def test_one_process_only(run: Run, data: Path) -> None:
    code, out, _ = run("x", data / "demo" / "tree", "env", "-p", 9840)
    assert code == 0
    assert out.decode().splitlines()[0] == "9840"
    assert out.count(b"DEMO_SECRET") == 1


def test_a_pid_that_is_not_there_lists_those_that_are(run: Run, data: Path) -> None:
    code, out, err = run("x", data / "demo" / "tree", "ps", "-p", 77)
    assert (code, out) == (1, b"")
    assert "no process 77" in err
    assert "9834, 9838, 9840, 9839" in err


def test_sockets_are_a_table_below_each_pid(run: Run, data: Path) -> None:
    code, out, err = run("x", data / "demo" / "sockets", "sk")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0] == "9860"
    assert lines[1].split() == [
        "FD",
        "FAMILY",
        "TYPE",
        "PROTOCOL",
        "STATE",
        "LOCAL",
        "REMOTE",
        "UNREAD",
        "UNSENT",
    ]
    assert any(line.split()[:2] == ["7", "INET"] and "127.0.0.1:18080" in line for line in lines)


def test_what_is_missing_is_said_and_the_rest_is_shown(run: Run, tree: Path) -> None:
    (tree / "mm-9838.img").unlink()
    code, out, err = run("x", tree, "mems")
    assert code == 1
    assert "mm-9838.img: missing" in err
    assert b"9838\n9840\n" in out
    code, out, _ = run("x", tree, "mems", "--json")
    assert code == 1
    assert [process["pid"] for process in json.loads(out)] == [9834, 9838, 9840, 9839]


def test_a_pre_dump_has_no_processes_to_show(run: Run, data: Path) -> None:
    code, out, err = run("x", data / "criu-4.2" / "pre-dump" / "maps00" / "1", "ps")
    assert (code, out) == (1, b"")
    assert "a pre-dump" in err


def test_control_characters_in_names_do_not_reach_the_terminal(run: Run, tree: Path) -> None:
    rename(tree, "\x1b[31mred\nnext")
    _, out, _ = run("x", tree, "ps")
    assert rb"\x1b[31mred\nnext" in out
    assert b"\x1b" not in out


def test_names_that_are_not_utf_8_are_escaped(run: Run, data: Path) -> None:
    code, out, _ = run("x", data / "criu-2.12" / "programs" / "seccomp", "ps")
    assert code == 0
    assert rb'seccd \udcff\udcfe"name' in out
    code, out, _ = run("x", data / "criu-2.12" / "programs" / "seccomp", "ps", "--json")
    assert code == 0
    assert json.loads(out)["comm"] == 'seccd \udcff\udcfe"name'


def test_an_unknown_view_is_wrong_usage(run: Run, data: Path) -> None:
    code, out, err = run("x", data / "demo" / "tree", "nope")
    assert (code, out) == (2, b"")
    assert "'nope'" in err
    assert all(f"'{view}'" in err for view in VIEWS)


def test_the_help_has_an_example(run: Run) -> None:
    code, out, _ = run("x", "--help")
    assert code == 0
    assert b"Example: dyncrit x checkpoint/ ps" in out
    assert all(view.encode() in out for view in VIEWS)


def test_what_is_no_checkpoint_is_said(run: Run, tmp_path: Path) -> None:
    code, _, err = run("x", tmp_path, "ps")
    assert code == 1
    assert "no checkpoint" in err
