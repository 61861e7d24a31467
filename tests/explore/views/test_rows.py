from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dyncrit import ImageError
from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.views import rows
from dyncrit.explore.views.tables import SOCKETS_HELD, VIEWS

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint


def shown(checkpoint: Checkpoint, view: str, *pids: int) -> list[dict[str, Any]]:
    """The rows of a view, which JSON can hold as they are."""
    processes = [checkpoint.processes[pid] for pid in pids] or list(checkpoint.processes)
    found = list(VIEWS[view].rows(checkpoint, processes))
    assert json.loads(json.dumps(found)) == found
    return found


def table(checkpoint: Checkpoint, view: str, *pids: int) -> list[dict[str, object]]:
    """The cells of a view's table by their heads."""
    return [
        {column.head: column.show(row) for column in VIEWS[view].columns}
        for row in shown(checkpoint, view, *pids)
    ]


def test_every_thread_is_listed_and_the_zombie(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        found = shown(checkpoint, "threads")
    names = [(row["pid"], row["tid"], row["comm"], row["state"]) for row in found]
    assert names[:3] == [
        (9834, 9834, "tree", "alive"),
        (9834, 9836, "worker-a", "alive"),
        (9834, 9837, "worker-b", "alive"),
    ]
    assert found[0]["blocked"] == ["SIGUSR2"]
    assert found[0]["pending"] == ["SIGUSR2"]
    assert found[-1] == {
        "pid": 9839,
        "tid": 9839,
        "comm": "tree",
        "state": "zombie",
        "uid": None,
        "gid": None,
        "seccomp": None,
        "blocked": [],
        "pending": [],
    }


def test_signals_tell_who_handles_blocks_and_sent_them(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        found = {row["signal"]: row for row in shown(checkpoint, "signals", 9834)}
        cells = {row["SIGNAL"]: row for row in table(checkpoint, "signals", 9834)}
    assert list(found) == ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIG33"]
    assert found["SIGHUP"]["action"] == "ignored"
    assert found["SIGUSR1"]["action"] == "handler"
    assert found["SIGUSR2"]["blocked_by"] == [9834, 9836, 9837]
    assert found["SIGUSR2"]["pending"] == [{"tid": 9834, "code": "SI_TKILL", "pid": 9834, "uid": 0}]
    assert cells["SIGUSR2"]["PENDING"] == "SI_TKILL from pid 9834 uid 0 (thread 9834)"


def test_capabilities_in_a_table_are_told_by_what_is_lacking(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        found, cells = shown(checkpoint, "caps", 9840), table(checkpoint, "caps", 9840)
    assert [(row["pid"], row["tid"], row["uid"]) for row in found] == [(9840, 9840, 0)]
    assert "CAP_SYS_ADMIN" in found[0]["effective"]
    assert "CAP_SYS_RESOURCE" not in found[0]["effective"]
    assert cells[0]["EFFECTIVE"] == "all but SYS_RESOURCE"
    assert cells[0]["AMBIENT"] == ""


def test_limits_are_null_where_there_are_none(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        found, cells = shown(checkpoint, "limits", 9834), table(checkpoint, "limits", 9834)
    assert {"pid": 9834, "name": "RLIMIT_NOFILE", "soft": 64, "hard": 128} in found
    assert found[0] == {"pid": 9834, "name": "RLIMIT_CPU", "soft": None, "hard": None}
    assert cells[0]["SOFT"] == "unlimited"


def test_namespaces_tell_who_is_in_them_and_what_they_hold(data: Path) -> None:
    with open_checkpoint(data / "criu-4.2" / "programs" / "uns-ipc") as checkpoint:
        found = {(row["kind"], row["host"]): row for row in shown(checkpoint, "namespaces")}
        cells = {(row["KIND"], row["HOST"]): row["DETAILS"] for row in table(checkpoint, "namespaces")}
    assert found["uts", False]["pids"] == [1]
    assert found["uts", False]["details"]["host_name"] == "zhost"
    assert found["uts", True]["details"] is None
    assert len(found["ipc", False]["details"]["shared_memory"]) == 4
    assert cells["uts", ""] == "host name zhost; domain name (none)"
    assert cells["user", ""] == "users 0:0:1; groups 0:0:1"
    assert cells["net", ""] == "devices lo"


def test_mounts_stand_below_what_they_are_mounted_on(data: Path) -> None:
    with open_checkpoint(data / "criu-4.2" / "programs" / "uns-ipc") as checkpoint:
        found, cells = shown(checkpoint, "mounts"), table(checkpoint, "mounts")
        assert shown(checkpoint, "mounts", 1) == found
    assert (found[0]["mountpoint"], found[0]["depth"], found[0]["file_system"]) == ("/", 0, "unknown")
    by_id = {row["id"]: row for row in found}
    for row in found[1:]:
        assert by_id[row["parent"]]["depth"] == row["depth"] - 1
    assert [row["MOUNTPOINT"] for row in cells[:3]] == ["/", "  /proc", "    /proc"]


def test_mounts_of_criu_1_1_are_those_of_their_namespace(data: Path) -> None:
    with open_checkpoint(data / "criu-1.1" / "programs" / "ns-ipc") as checkpoint:
        assert shown(checkpoint, "mounts", 1) == shown(checkpoint, "mounts")
        assert shown(checkpoint, "mounts")[0]["mountpoint"] == "/"


def test_timers_are_in_nanoseconds_and_shown_in_seconds(corpus: Path) -> None:
    with open_checkpoint(corpus / "criu-2.12" / "host" / "pthread_timers_h") as checkpoint:
        found, cells = shown(checkpoint, "timers"), table(checkpoint, "timers")
    assert (found[0]["kind"], found[0]["clock"], found[0]["interval"]) == (
        "POSIX",
        "CLOCK_MONOTONIC",
        10_000_000,
    )
    assert cells[0]["INTERVAL"] == "0.01 s"


def test_cgroups_are_listed_by_process_and_controller(corpus: Path) -> None:
    with open_checkpoint(corpus / "criu-4.2" / "host-32bit" / "cgroup03") as checkpoint:
        found = shown(checkpoint, "cgroups")
        pids = {process.pid for process in checkpoint.processes}
    assert found
    assert {row["pid"] for row in found} == pids
    assert all(row["path"].startswith("/") for row in found)


def test_sockets_tell_both_ends_what_is_unread_and_who_holds_them(data: Path) -> None:
    with open_checkpoint(data / "demo" / "sockets") as checkpoint:
        found = {row["ino"]: row for row in shown(checkpoint, "sockets")}
        cells = {row["INODE"]: row for row in table(checkpoint, "sockets")}
    established = found[6238919]
    assert (established["local"], established["remote"]) == ("127.0.0.1:41504", "127.0.0.1:18080")
    assert established["holders"] == [{"pid": 9860, "fd": 9}]
    assert found[6238916]["local"] == "@abstract-name"
    assert found[6238917]["remote"] == ""
    assert (cells[6238914]["REMOTE"], cells[6238914]["UNREAD"]) == ("socket:[6238913]", 22)
    assert cells[6238919]["PID/FD"] == "9860/9"


def test_only_sockets_that_a_process_holds_are_shown_for_it(corpus: Path) -> None:
    with open_checkpoint(corpus / "criu-4.2" / "programs" / "nginx") as checkpoint:
        everything = shown(checkpoint, "sockets")
        for process in checkpoint.processes:
            held = list(rows.sockets_held(checkpoint, process))
            inodes = {row["ino"] for row in shown(checkpoint, "sockets", process.pid)}
            assert {row["ino"] for row in held} == inodes
            assert inodes <= {row["ino"] for row in everything}
            for row in held:
                assert SOCKETS_HELD[0].show(row) == row["fd"]


def test_environments_are_lines_below_the_pid(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        processes = [checkpoint.processes[9834], checkpoint.processes[9839]]
        assert list(rows.environment_lines(checkpoint, processes)) == [
            "9834",
            "\tPATH=/usr/bin:/bin",
            "\tHOME=/",
            "\tLANG=C",
            "\tDEMO_SECRET=correct-horse-battery-staple",
            "9839",
        ]
        assert checkpoint.problems.errors == []


def test_environments_without_pages_are_said_to_be_unknown(data: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    for path in tree.glob("pages-*.img"):
        path.unlink()
    with open_checkpoint(tree) as checkpoint:
        found = list(rows.environment_rows(checkpoint, list(checkpoint.processes)))
        assert all(row["environment"] == [] for row in found)
        assert any("no pages image" in problem.text for problem in checkpoint.problems.errors)


def test_a_pre_dump_is_called_one(data: Path) -> None:
    folder = data / "criu-4.2" / "pre-dump" / "maps00" / "1"
    with open_checkpoint(folder) as checkpoint, pytest.raises(ImageError, match="pre-dump"):
        checkpoint.require_processes()


def test_a_dump_that_lost_its_tree_is_told_from_a_pre_dump(data: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    (tree / "pstree.img").unlink()
    with open_checkpoint(tree) as checkpoint, pytest.raises(ImageError, match=r"pstree\.img is missing"):
        checkpoint.require_processes()


def test_every_cell_of_every_view_can_be_shown(corpus: Path) -> None:
    folders = sorted(path.parent for path in corpus.rglob("pstree.img"))
    cells = 0
    for folder in folders:
        with open_checkpoint(folder) as checkpoint:
            for view in VIEWS:
                cells += sum(len([str(cell) for cell in row.values()]) for row in table(checkpoint, view))
            assert [error for error in checkpoint.problems.errors if "pages" not in error.text] == []
    assert cells > 10_000


def test_plain_values_are_what_json_knows() -> None:
    class Pair(NamedTuple):
        first: object
        second: object

    assert rows.plain(Pair((1, b"\x0a"), {2: Pair("a", None)})) == {
        "first": [1, "0a"],
        "second": {"2": {"first": "a", "second": None}},
    }
