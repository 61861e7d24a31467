"""What a checkpoint is, at a glance."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.inspection import (
    Sizes,
    architecture,
    describe_process,
    describe_socket,
    inspect,
    local_name,
)

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ["./tree", "--config", "/etc/demo.conf", "an argument with spaces"]


@pytest.fixture
def damaged(data: Path, tmp_path: Path) -> Path:
    """A copy of the tree of processes, to be damaged."""
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


def test_a_directory_is_told_whole(data: Path) -> None:
    path = data / "demo" / "tree"
    with open_checkpoint(path) as checkpoint:
        document = inspect(checkpoint).to_dict()
    assert document["name"] == str(path)
    assert (document["kind"], document["full"], document["parents"]) == ("directory", True, [])
    assert (document["container"], document["contents"]) == (None, None)
    assert (document["architecture"], document["byte_order"]) == ("X86_64", "little")
    assert document["criu"] == {
        "at_least": "4.2",
        "at_most": None,
        "evidence": ["pagemap-9834.img: nr_pages is field 5: 4.2 or later"],
    }
    assert document["statistics"]["dump"]["pages_written"] == 100
    assert document["statistics"]["restore"] is None
    assert (document["sockets"], document["problems"]) == ([], [])


def test_sizes_count_images_pages_and_memory(data: Path) -> None:
    folder = data / "demo" / "tree"
    with open_checkpoint(folder) as checkpoint:
        sizes = inspect(checkpoint).sizes
    total = sum(path.stat().st_size for path in folder.iterdir())
    assert sizes == Sizes(images=total, pages=100 * 4096, memory=100 * 4096)


def test_memory_is_unknown_where_there_are_no_pages(data: Path) -> None:
    with open_checkpoint(data / "criu-1.1" / "host" / "maps02") as checkpoint:
        sizes = inspect(checkpoint).sizes
    assert (sizes.pages, sizes.memory) == (0, None)


def test_memory_of_parents_and_segments_counts(corpus: Path) -> None:
    found = []
    for name in ("1", "2", "2-full"):
        with open_checkpoint(corpus / "demo" / "memory" / name) as checkpoint:
            found.append(inspect(checkpoint).sizes)
    assert [sizes.pages // 4096 for sizes in found] == [54, 3, 54]
    assert {sizes.memory for sizes in found} == {54 * 4096}


def test_processes_are_told_as_a_tree(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        (root,) = map(describe_process, checkpoint.processes.roots)
    child, zombie = root["children"]
    (grandchild,) = child["children"]
    found = {key: value for key, value in root.items() if key != "children"}
    assert found == {
        "pid": 9834,
        "ppid": 0,
        "comm": "tree",
        "state": "alive",
        "threads": 3,
        "command_line": COMMAND,
    }
    assert (child["pid"], child["comm"], child["threads"], child["command_line"]) == (
        9838,
        "child",
        1,
        COMMAND,
    )
    assert (grandchild["pid"], grandchild["ppid"], grandchild["children"]) == (9840, 9838, [])
    assert (zombie["pid"], zombie["state"], zombie["command_line"]) == (9839, "zombie", [])


def test_a_process_below_the_root_can_be_told_alone(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        found = describe_process(checkpoint.processes[9838])
    assert (found["pid"], [child["pid"] for child in found["children"]]) == (9838, [9840])


def test_sockets_have_both_ends_queues_and_holders(data: Path) -> None:
    with open_checkpoint(data / "demo" / "sockets") as checkpoint:
        found = list(map(describe_socket, checkpoint.sockets))
        names = [local_name(socket) for socket in checkpoint.sockets]
    assert names == [socket["local"] for socket in found]
    assert {
        "family": "INET",
        "type": "STREAM",
        "protocol": "TCP",
        "state": "ESTABLISHED",
        "local": "127.0.0.1:18080",
        "remote": "127.0.0.1:41504",
        "unread": 35,
        "unsent": 0,
        "holders": [{"pid": 9860, "fd": 11}],
    } in found
    assert {"@abstract-name", "/srv/demo/dgram.sock", "[::1]:18081", ""} <= set(names)
    listening = next(socket for socket in found if socket["local"] == "[::1]:18081")
    assert (listening["state"], listening["remote"]) == ("LISTEN", "")


@pytest.mark.parametrize(
    "folder", ["criu-1.1/host/maps02", "criu-2.12/programs/seccomp", "criu-4.2/programs/pytree", "demo/tree"]
)
def test_the_architecture_is_that_of_the_first_process(corpus: Path, folder: str) -> None:
    with open_checkpoint(corpus / folder) as checkpoint:
        assert architecture(checkpoint) == "X86_64"


def test_the_architecture_is_that_of_another_process_where_the_first_has_no_core(damaged: Path) -> None:
    (damaged / "core-9834.img").unlink()
    with open_checkpoint(damaged) as checkpoint:
        assert architecture(checkpoint) == "X86_64"
    for path in damaged.glob("core-*.img"):
        path.unlink()
    with open_checkpoint(damaged) as checkpoint:
        assert architecture(checkpoint) == ""


def test_what_is_missing_stands_in_the_problems(damaged: Path) -> None:
    (damaged / "mm-9838.img").unlink()
    with open_checkpoint(damaged) as checkpoint:
        document = inspect(checkpoint).to_dict()
    assert document["sizes"]["memory"] == 67 * 4096
    texts = [f"{problem['place']}: {problem['text']}" for problem in document["problems"]]
    assert any("mm-9838.img" in text for text in texts)
    assert {problem["severity"] for problem in document["problems"]} >= {"error"}


def test_an_image_that_is_missing_is_said_once(damaged: Path) -> None:
    (damaged / "mm-9838.img").unlink()
    with open_checkpoint(damaged) as checkpoint:
        problems = inspect(checkpoint).to_dict()["problems"]
    assert len([problem for problem in problems if "mm-9838.img" in f"{problem}"]) == 1


def test_what_stands_beside_the_images_is_listed(corpus: Path) -> None:
    with open_checkpoint(corpus / "archives" / "podman-4.3-volumes.tar") as checkpoint:
        contents = inspect(checkpoint).to_dict()["contents"]
    assert list(contents) == ["volumes", "shared_memory", "changes", "deleted", "is_deleted_cut"]
    (volume,) = contents["volumes"].values()
    files = {item["name"]: item for item in volume["files"]}
    assert (files["v.txt"]["kind"], files["v.txt"]["size"]) == ("file", 10)
    assert (files["sub/link"]["kind"], files["sub/link"]["target"]) == ("link", "v.txt")
    assert {"note.txt", "rand"} <= {item["name"] for item in contents["shared_memory"]["files"]}
    with open_checkpoint(corpus / "archives" / "containerd-2.1-loop.tar") as checkpoint:
        contents = inspect(checkpoint).to_dict()["contents"]
    assert contents["deleted"] == ["/etc/motd"]
    assert {"etc/new.conf", "etc/demo-release"} <= {item["name"] for item in contents["changes"]["files"]}
