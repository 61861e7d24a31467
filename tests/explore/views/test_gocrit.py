from __future__ import annotations

import gzip
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import dyncrit
from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.views.gocrit import GOCRIT_VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint

VIEWS = {"ps": "ps", "fd": "fds", "mem": "mems", "rss": "rss", "sk": "sk"}
LISTS = {"fds": "files", "mems": "mems", "rss": "rss"}


def lists(value: Any) -> Any:
    """A document with lists for its iterators."""
    if isinstance(value, dict):
        return {key: lists(item) for key, item in value.items()}
    if isinstance(value, str | int):
        return value
    return [lists(item) for item in value]


def document(checkpoint: Checkpoint, view: str, *pids: int) -> Any:
    processes = [checkpoint.processes[pid] for pid in pids] or list(checkpoint.processes)
    return lists(GOCRIT_VIEWS[view](checkpoint, processes))


def rows(corpus: Path) -> Iterator[tuple[str, str, Any, Any]]:
    """Each of go-crit's documents (None where it panics) with ours."""
    with gzip.open(corpus / "expected" / "go-crit-x.ndjson.gz", "rt") as lines:
        for row in map(json.loads, lines):
            view = VIEWS[row["what"]]
            with open_checkpoint(corpus / row["directory"]) as checkpoint:
                text = json.dumps(document(checkpoint, view), ensure_ascii=False)
                ours = json.loads(
                    re.sub("[\ud800-\udfff]", "\ufffd", text)
                )  # as go-crit shows what isn't UTF-8
                yield row["directory"], view, row["document"], ours


def human(size: int) -> str:
    """Sizes as go-crit writes them."""
    return f"{size / 1024:.1f} KB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MB"


def clean_name(name: str) -> str:
    return re.sub("^\0", "@", name.removesuffix("\0")) if name != "\0" else ""


def clean_path(path: str) -> str:
    return re.sub(
        r"^(unix\[\d+ \(\d+\)) (.*)\]$",
        lambda match: _unix(match[1], clean_name(match[2])),
        path,
        flags=re.DOTALL,
    )


def _unix(start: str, name: str) -> str:
    return f"{start} {name}]" if name else f"{start}]"


def sorted_tree(process: dict[str, Any]) -> dict[str, Any]:
    """go-crit gives children in any order."""
    if "children" in process:
        children = sorted(process["children"], key=lambda child: child["pid"])
        return {**process, "children": [sorted_tree(child) for child in children]}
    return process


def same_mapping(ours: dict[str, str], theirs: dict[str, str]) -> bool:
    """go-crit forgets the file of a mapping that begins at its start, and the names of memory files."""
    plain = {key: ours[key] for key in ("start", "end", "protection")}
    wanted = theirs.get("resource", "")
    have = ours.get("resource", "")
    if plain != {key: theirs[key] for key in plain}:
        return False
    if wanted in ("", " (s)", " *", " (s) *"):
        return have.endswith(wanted.strip()) and " + " not in have
    return have == wanted


def same_socket(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    for key in ("send_buf", "recv_buf"):
        theirs = {**theirs, key: int(human(ours[key]) == theirs[key])}
        ours = {**ours, key: 1}
    if "src_addr" in theirs and theirs["fd_type"] == "UNIXSK":
        theirs = {**theirs, "src_addr": clean_name(theirs["src_addr"])}
    if theirs["fd_type"] in (
        "NETLINKSK",
        "PACKETSK",
    ):  # whose protocol it looks up among those of IP, and as type
        theirs = {key: value for key, value in theirs.items() if key not in ("protocol", "type")}
        ours = {key: value for key, value in ours.items() if key not in ("protocol", "type")}
        theirs = {"state": "UNCONNECTED", **theirs} if "state" in ours else theirs
    return ours == theirs


def test_the_documents_are_go_crits_but_for_its_faults(corpus: Path) -> None:
    compared = 0
    for directory, view, theirs, shown in rows(corpus):
        if theirs is None:
            continue
        ours = shown
        place = f"{directory} {view}"
        compared += 1
        if view == "ps":
            assert sorted_tree(ours) == sorted_tree(theirs), place
            continue
        if view in LISTS:  # it leaves zombies out
            zombies = {process["pid"] for process in ours} - {process["pid"] for process in theirs}
            empty = [process for process in ours if process["pid"] in zombies]
            assert all(process[LISTS[view]] == [] for process in empty), place
            ours = [process for process in ours if process["pid"] not in zombies]
        assert [process["pid"] for process in ours] == [process["pid"] for process in theirs], place
        for one, other in zip(ours, theirs, strict=True):
            _compare_process(view, one, other, place)
    assert compared == 241


def _compare_process(view: str, ours: Any, theirs: Any, place: str) -> None:
    if view == "fds":
        files = [
            {
                **file,
                "fd": int(file["fd"]) if file["fd"].isdigit() else file["fd"],
                "path": clean_path(file["path"]),
            }
            for file in theirs["files"]
        ]
        assert ours["files"] == files, place
    elif view == "mems":
        assert ours["exe"] == theirs["exe"], place
        for one, other in zip(ours["mems"], theirs["mems"], strict=True):
            assert same_mapping(one, other), (place, one, other)
    elif view == "sk":
        for one, other in zip(ours["sockets"], theirs["sockets"], strict=True):
            assert same_socket(one, other), (place, one, other)
    else:
        for one, other in zip(ours["rss"], theirs.get("rss", []), strict=True):
            memory_file = {"resource": "/memfd:mapped"} if other.get("resource") == "unknown" else {}
            assert one == {**other, **memory_file}, place


def test_where_go_crit_panics_every_process_and_entry_is_there(corpus: Path) -> None:
    panicked = 0
    for directory, view, theirs, ours in rows(corpus):
        if theirs is None:
            assert view == "rss"
            with open_checkpoint(corpus / directory) as checkpoint:
                for process, shown in zip(checkpoint.processes, ours, strict=True):
                    entries = dyncrit.load(corpus / directory / f"pagemap-{process.pid}.img").entries
                    assert len(shown["rss"]) == len(entries) - 1
            panicked += 1
    assert panicked == 19


def test_zombies_are_in_every_list(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        assert document(checkpoint, "fds", 9839) == [{"pid": 9839, "files": []}]
        assert document(checkpoint, "mems", 9839) == [{"pid": 9839, "exe": "", "mems": []}]
        assert document(checkpoint, "rss", 9839) == [{"pid": 9839, "rss": []}]


def test_descriptors_are_numbers_and_directories_have_their_names(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        (process,) = document(checkpoint, "fds", 9840)
    assert process["files"][0] == {"fd": 0, "type": "REG", "path": "/dev/null"}
    assert process["files"][-2:] == [{"fd": "cwd", "path": "/srv/demo"}, {"fd": "root", "path": "/"}]


def test_sockets_have_clean_names_and_sizes_in_bytes(data: Path) -> None:
    with open_checkpoint(data / "demo" / "sockets") as checkpoint:
        ((process,), (paths,)) = document(checkpoint, "sk"), document(checkpoint, "fds")
    by_fd = {socket["fd"]: socket for socket in process["sockets"]}
    assert by_fd[5]["src_addr"] == "/srv/demo/dgram.sock"
    assert by_fd[6]["src_addr"] == "@abstract-name"
    assert by_fd[9] == {
        "fd": 9,
        "fd_type": "INETSK",
        "family": "IPV4",
        "protocol": "TCP",
        "type": "STREAM",
        "state": "ESTABLISHED",
        "src_addr": "127.0.0.1",
        "src_port": 41504,
        "dest_addr": "127.0.0.1",
        "dest_port": 18080,
        "send_buf": 3939840,
        "recv_buf": 131072,
    }
    assert {"fd": 6, "type": "UNIXSK", "path": "unix[6238916 (0) @abstract-name]"} in paths["files"]


def test_memory_files_have_their_names(corpus: Path) -> None:
    with open_checkpoint(corpus / "demo" / "memory" / "1") as checkpoint:
        (process,) = document(checkpoint, "mems")
    resources = {row["start"]: row.get("resource") for row in process["mems"]}
    assert resources["110000000000"] == "/dev/zero (s)"
    assert resources["120000000000"] == "/memfd:scratch (s)"
    assert resources["100000000000"] is None


def test_one_process_is_its_node_without_children(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        assert document(checkpoint, "ps", 9838) == {"pid": 9838, "pgid": 9838, "sid": 9838, "comm": "child"}


def test_several_roots_are_a_list(data: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    _change(tree / "pstree.img", lambda image: image.entries.pop(0))
    with open_checkpoint(tree) as checkpoint:
        shown = document(checkpoint, "ps")
    assert [process["pid"] for process in shown] == [9838, 9839]
    assert shown[0]["children"][0]["comm"] == "grandchild"


def _change(path: Path, alter: Callable[[dyncrit.Image], object]) -> None:
    image = dyncrit.load(path)
    alter(image)
    dyncrit.dump(image, path)
