"""One screen that tells what a checkpoint is, on what engines wrote and on what is damaged."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, bytes, str]]

ARCHIVES = [
    "containerd-2.1-ctr-blob.tar",
    "containerd-2.1-loop.tar",
    "docker-28-loop-directory.tar.gz",
    "podman-4.3-app-criu-4.1.1.tar.gz",
    "podman-4.3-app.tar.gz",
    "podman-4.3-loop-misnamed.tar.gz",
    "podman-4.3-loop.tar",
    "podman-4.3-pre-checkpoint.tar",
    "podman-4.3-volumes.tar",
    "podman-4.3-with-previous.tar",
    "podman-5.8-image.oci-archive.tar",
    "podman-5.8-loop.tar.zst",
    "podman-5.8-tree.tar.gz",
]
PARENTS = {"podman-4.3-with-previous.tar": "podman-4.3-pre-checkpoint.tar"}
WITHOUT_METADATA = [ARCHIVES[0], ARCHIVES[2]]
WITH_PROCESSES = [name for name in ARCHIVES if name not in {*WITHOUT_METADATA, ARCHIVES[7]}]
KEYS = [
    "name",
    "kind",
    "full",
    "parents",
    "container",
    "criu",
    "architecture",
    "byte_order",
    "sizes",
    "processes",
    "sockets",
    "statistics",
    "contents",
    "problems",
]
PROCESS_KEYS = ["pid", "ppid", "comm", "state", "threads", "command_line", "children"]
SOCKET_KEYS = ["family", "type", "protocol", "state", "local", "remote", "unread", "unsent", "holders"]
CONTAINER_KEYS = [
    "name",
    "id",
    "image",
    "image_id",
    "runtime",
    "engine",
    "created",
    "checkpointed",
    "hostname",
    "addresses",
    "hardware_addresses",
    "pod",
    "pod_id",
    "namespace",
    "command",
    "environment",
]


@pytest.fixture
def tree(data: Path, tmp_path: Path) -> Path:
    """A copy of the tree of processes, to be damaged."""
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


@pytest.fixture
def document(run: Run) -> Callable[..., dict[str, Any]]:
    """What ``inspect --json`` says of a checkpoint that nothing is wrong with."""

    def inspected(*arguments: object) -> dict[str, Any]:
        code, out, err = run("inspect", *arguments, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    return inspected


def archive(corpus: Path, name: str) -> list[object]:
    """The arguments that name an archive, and its parent's where it has one."""
    folder = corpus / "archives"
    return [folder / name, *(["--parent", folder / PARENTS[name]] if name in PARENTS else [])]


def run_of(corpus: Path, name: str) -> str:
    return (corpus / "archives" / f"{name}.run.txt").read_text()


def tasks_of(notes: str) -> Iterator[tuple[int, str]]:
    """Pid in its namespace and arguments of the processes that a run.txt lists."""
    for line in notes.splitlines():
        fields = line.split("\t")
        if len(fields) > 2 and fields[0].isdecimal():
            yield int(fields[1]), fields[-1].strip()


def walk(processes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for process in processes:
        yield process
        yield from walk(process["children"])


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name.startswith("podman")])
def test_podmans_archives_tell_their_container(document: Any, corpus: Path, name: str) -> None:
    notes = run_of(corpus, name)
    match = re.search(r"image=(\S+) runtime=(\S+) id=(\w+) pid=\d+ cmd=(\[.*\])", notes)
    assert match
    command = json.loads(match[4])
    container = document(*archive(corpus, name))["container"]
    assert container["name"] == command[command.index("--name") + 1]
    assert (container["image"], container["runtime"], container["id"]) == match.group(1, 2, 3)
    assert container["engine"] == "Podman"
    assert container["created"].startswith("2026-11-23T13:")
    secret = "DEMO_PASSWORD=mysecret"
    assert (secret in container["environment"]) == (secret in command)


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name.startswith("podman")])
def test_the_text_tells_the_container_too(run: Run, corpus: Path, name: str) -> None:
    container = json.loads(run("inspect", *archive(corpus, name), "--json")[1])["container"]
    code, out, _ = run("inspect", *archive(corpus, name))
    facts = dict(line.split(None, 1) for line in out.decode().splitlines()[:6])
    assert code == 0
    assert facts["container"] == f"{container['name']} ({container['id'][:12]})"
    assert facts["image"] == container["image"]
    assert facts["engine"] == f"Podman with {container['runtime']}"


def test_containerds_archive_tells_container_and_pod(document: Any, corpus: Path) -> None:
    name = "containerd-2.1-loop.tar"
    container = document(*archive(corpus, name))["container"]
    assert f"id={container['id']}" in run_of(corpus, name)
    assert container["engine"] == "containerd"
    assert container["image"] == "localhost/demo/busybox:1.35"
    assert (container["name"], container["namespace"], container["pod"]) == (
        "loop",
        "default",
        "demo-pod-loop",
    )
    assert container["checkpointed"] > container["created"]


@pytest.mark.parametrize("name", WITHOUT_METADATA)
def test_archives_of_bare_images_tell_processes_only(document: Any, corpus: Path, name: str) -> None:
    found = document(*archive(corpus, name))
    assert (found["container"], found["contents"]) == (None, None)
    process = found["processes"][0]
    assert (process["pid"], process["command_line"][:2]) == (1, ["sh", "-c"])
    assert [child["command_line"] for child in process["children"]] == [["sleep", "1"]]


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_command_lines_are_those_that_ran(document: Any, corpus: Path, name: str) -> None:
    expected = dict(tasks_of(run_of(corpus, name)))
    found = {
        process["pid"]: " ".join(process["command_line"])
        for process in walk(document(*archive(corpus, name))["processes"])
    }
    assert expected
    assert found[1].rstrip() == expected[1]
    assert Counter(expected.values()) <= Counter(found.values())


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_document_has_all_keys_in_order(run: Run, corpus: Path, name: str) -> None:
    found = json.loads(run("inspect", *archive(corpus, name), "--json")[1])
    assert list(found) == KEYS
    assert list(found["criu"]) == ["at_least", "at_most", "evidence"]
    assert list(found["sizes"]) == ["images", "pages", "memory"]
    assert list(found["statistics"]) == ["dump", "restore"]
    if found["container"]:
        assert list(found["container"]) == CONTAINER_KEYS
        assert list(found["contents"]) == ["volumes", "shared_memory", "changes", "deleted", "is_deleted_cut"]
    for process in walk(found["processes"]):
        assert list(process) == PROCESS_KEYS
    for socket in found["sockets"]:
        assert list(socket) == SOCKET_KEYS


def test_the_release_is_told_with_its_evidence(document: Any, corpus: Path) -> None:
    found = document(*archive(corpus, "podman-4.3-app-criu-4.1.1.tar.gz"))["criu"]
    assert (found["at_least"], found["at_most"]) == ("4.1", "4.1.1")
    assert "pagemap-1.img: nr_pages is field 2: 4.1.1 or earlier" in found["evidence"]


@pytest.mark.parametrize(
    ("folder", "least", "most"),
    [
        ("criu-1.1/host/maps02", (1, 1), (1, 1)),
        ("criu-2.12/host/socket-tcp4v6", (2, 12), (2, 12)),
        ("criu-4.2/programs/pytree", (4, 2), (4, 2)),
    ],
)
def test_the_range_of_releases_holds_the_true_one(
    run: Run, corpus: Path, folder: str, least: tuple[int, ...], most: tuple[int, ...]
) -> None:
    found = json.loads(run("inspect", corpus / folder, "--json")[1])["criu"]
    parts = {key: tuple(map(int, found[key].split("."))) for key in ("at_least", "at_most") if found[key]}
    assert parts.get("at_least", least) <= least
    assert parts.get("at_most", most) >= most


def test_statistics_are_those_that_podman_printed(document: Any, corpus: Path) -> None:
    notes = run_of(corpus, "podman-4.3-loop.tar")
    printed = json.loads(notes[notes.index("{\n") :].rsplit("}", 1)[0] + "}")
    dump = document(*archive(corpus, "podman-4.3-loop.tar"))["statistics"]["dump"]
    expected = printed["container_statistics"][0]["criu_statistics"]
    assert {
        "freezing_time": dump["freezing_time"],
        "frozen_time": dump["frozen_time"],
        "memdump_time": dump["memdump_time"],
        "memwrite_time": dump["memwrite_time"],
        "pages_scanned": dump["pages_scanned"],
        "pages_written": dump["pages_written"],
    } == expected


def test_volumes_and_deleted_files_are_counted_and_listed(run: Run, corpus: Path) -> None:
    path = corpus / "archives" / "podman-4.3-volumes.tar"
    code, short, _ = run("inspect", path)
    assert code == 0
    assert b"volume demovol 2 folders, 1 link, 1 file" in short
    assert b"modified" not in short
    _, long, _ = run("inspect", path, "--files")
    assert b"  sub/link -> v.txt\n" in long
    assert b"4096" in long
    _, out, _ = run("inspect", corpus / "archives" / "containerd-2.1-loop.tar", "--files")
    assert b"\n/etc/motd\n" in out


def test_stale_images_are_said_and_change_no_exit_code(run: Run, corpus: Path) -> None:
    code, out, err = run("inspect", *archive(corpus, "podman-4.3-loop-misnamed.tar.gz"))
    assert code == 0
    assert b"warning" not in out
    warnings = err.splitlines()
    assert all(line.startswith("dyncrit: warning: ") for line in warnings)
    assert any("pstree.img" in line and "7, 8, 9" in line for line in warnings)
    assert any("../pre-checkpoint" in line for line in warnings)


def test_a_chain_over_two_archives_is_read_as_one(run: Run, corpus: Path) -> None:
    alone, whole = corpus / "archives" / "podman-4.3-with-previous.tar", archive(corpus, ARCHIVES[9])
    code, out, err = run("inspect", alone)
    assert (code, b"[sh]" in out) == (0, True)
    assert "../pre-checkpoint" in err
    assert "--parent" in err
    code, out, err = run("inspect", *whole)
    assert (code, err) == (0, "")
    assert b"""1 sh -c 'i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 1; done'""" in out
    assert b"parent         " in out
    found = json.loads(run("inspect", *whole, "--json")[1])
    assert found["parents"] == [f"{whole[2]}/pre-checkpoint"]
    assert found["sizes"]["memory"] == (16 + 17) * 4096


def test_the_tree_is_drawn(run: Run, data: Path) -> None:
    code, out, err = run("inspect", data / "demo" / "tree")
    title = "./tree --config /etc/demo.conf 'an argument with spaces'"
    assert (code, err) == (0, "")
    assert out.decode().partition("processes\n")[2] == (
        f"9834 {title}  (3 threads)\n├─ 9838 {title}\n│  └─ 9840 {title}\n└─ 9839 [tree]  (zombie)\n"
    )


def test_sockets_are_shown_with_both_ends_and_what_is_unread(run: Run, corpus: Path) -> None:
    code, out, err = run("inspect", corpus / "demo" / "sockets")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.decode().splitlines()]
    assert ["INET6/TCP", "LISTEN", "[::1]:18081", "9860/8"] in lines
    assert ["INET/TCP", "ESTABLISHED", "127.0.0.1:18080", "127.0.0.1:41504", "35", "9860/11"] in lines
    assert ["UNIX/STREAM", "LISTEN", "@abstract-name", "9860/6"] in lines


def test_sizes_are_those_of_the_files(document: Any, data: Path) -> None:
    folder = data / "demo" / "tree"
    sizes = document(folder)["sizes"]
    files = [path for path in folder.iterdir() if path.is_file()]
    pages = sum(path.stat().st_size for path in files if path.name.startswith("pages-"))
    assert sizes == {"images": sum(path.stat().st_size for path in files), "pages": pages, "memory": pages}


def test_memory_of_a_parent_counts(document: Any, corpus: Path) -> None:
    found = document(corpus / "demo" / "memory" / "2")
    assert found["sizes"]["memory"] > found["sizes"]["pages"]
    assert found["parents"] == [str(corpus / "demo" / "memory" / "1")]


def test_a_pre_dump_is_told_from_a_dump(run: Run, corpus: Path) -> None:
    folder = corpus / "criu-4.2" / "pre-dump" / "maps00"
    found = json.loads(run("inspect", folder / "1", "--json")[1])
    assert (found["full"], found["processes"]) == (False, [])
    code, out, _ = run("inspect", folder / "1")
    assert code == 0
    assert b"pre-dump" in out
    assert b"architecture   little-endian" in out
    assert json.loads(run("inspect", folder / "3", "--json")[1])["full"] is True


def test_a_pre_dump_with_pages_is_not_said_to_hold_no_memory(run: Run, corpus: Path) -> None:
    path = corpus / "archives" / "podman-4.3-pre-checkpoint.tar"
    assert b" 0 B of memory" not in run("inspect", path)[1]
    assert json.loads(run("inspect", path, "--json")[1])["sizes"]["memory"] != 0


def test_a_dump_that_lost_its_pstree_is_no_pre_dump(run: Run, tree: Path) -> None:
    (tree / "pstree.img").unlink()
    code, _, err = run("inspect", tree)
    assert code == 1
    assert "pstree.img" in err


@pytest.mark.parametrize("missing", ["mm-9838.img", "core-9838.img", "pagemap-9838.img", "pages-2.img"])
def test_what_is_missing_is_an_error_and_the_rest_is_shown(run: Run, tree: Path, missing: str) -> None:
    (tree / missing).unlink()
    code, out, err = run("inspect", tree)
    assert code == 1
    assert (missing if missing != "pages-2.img" else "pages image is missing") in err
    for pid in (9834, 9838, 9839, 9840):
        assert f"{pid} " in out.decode()
    found = json.loads(run("inspect", tree, "--json")[1])
    assert "error" in {problem["severity"] for problem in found["problems"]}
    assert all(list(problem) == ["severity", "place", "text"] for problem in found["problems"])


def test_a_cut_image_is_an_error_that_says_where(run: Run, tree: Path) -> None:
    os.truncate(tree / "core-9838.img", 30)
    code, out, err = run("inspect", tree)
    assert code == 1
    assert "core-9838.img: entry 0 at byte 8: record of 2305 bytes, 18 left in the file" in err
    assert b"9838 " in out


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("share", [0, 0.003, 0.5, 0.9])
def test_a_truncated_archive_is_an_error_on_one_line(
    run: Run, corpus: Path, tmp_path: Path, name: str, share: float
) -> None:
    whole = (corpus / "archives" / name).read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * share)])
    code, out, err = run("inspect", path)
    assert (code, out) == (1, b"")
    assert re.fullmatch(r"dyncrit: \S*/cut: [^\n]+\n", err)
    assert "fault of dyncrit" not in err


def test_what_is_no_checkpoint_is_an_error_on_one_line(run: Run, data: Path, tmp_path: Path) -> None:
    for path in (tmp_path, data / "demo", data / "demo" / "tree" / "core-9834.img", Path("/dev/null")):
        code, out, err = run("inspect", path)
        assert (code, out) == (1, b"")
        assert err.startswith((f"dyncrit: {path}: no ", f"dyncrit: {path}: one image"))
        assert err.count("\n") == 1


def test_a_path_that_is_not_there_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    code, out, err = run("inspect", tmp_path / "nope")
    assert (code, out) == (2, b"")
    assert "does not exist" in err
    assert run("inspect")[0] == 2


def test_control_characters_of_strangers_do_not_reach_the_screen(
    run: Run, data: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "a\x1b[31mb\nc\x9bd")
    code, out, _ = run("inspect", folder)
    assert code == 0
    assert rb"a\x1b[31mb\nc\x9bd" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out.decode())
    assert json.loads(run("inspect", folder, "--json")[1])["name"] == str(folder)


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_lines_are_as_wide_as_the_terminal(corpus: Path, columns: int) -> None:
    command = [sys.executable, "-m", "dyncrit", "inspect", str(corpus / "demo" / "sockets")]
    master, slave = pty.openpty()
    with subprocess.Popen(
        command, stdout=slave, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": str(columns)}
    ) as process:
        os.close(slave)
        text = _all_of(master)
        assert process.wait() == 0
        assert process.stderr
        assert not process.stderr.read()
    os.close(master)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) > 15


def test_a_script_gets_whole_lines_without_colours(run: Run, data: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    _, out, _ = run("inspect", data / "demo" / "tree")
    assert b"\x1b" not in out
    assert "…" not in out.decode()


def _all_of(handle: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(handle, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()
