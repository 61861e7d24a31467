from __future__ import annotations

import gzip
import json
import shutil
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.checkpoint import open_checkpoint
from dyncrit.explore.views.crit_text import CRIT_VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint

CRIT_IS_WRONG = {
    ("criu-2.12/programs/seccomp", "ps"): (
        "a name that isn't UTF-8, which CRIT prints in Python's notation for bytes",
        "b'seccd \\xff\\xfe\"name'",
        'seccd \udcff\udcfe"name',
    )
}
"""What CRIT prints and what is right. Mappings of memory files stay its "unknown path", which is not false."""


def lines(checkpoint: Checkpoint, view: str, *pids: int) -> list[str]:
    processes = [checkpoint.processes[pid] for pid in pids] or list(checkpoint.processes)
    return list(CRIT_VIEWS[view](checkpoint, processes))


@pytest.fixture
def tree(data: Path, tmp_path: Path) -> Path:
    """A copy of the tree of processes, to be damaged."""
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


def change(path: Path, alter: Callable[[dyncrit.Image], None]) -> None:
    image = dyncrit.load(path)
    alter(image)
    dyncrit.dump(image, path)


def test_the_text_is_crits_line_for_line(corpus: Path) -> None:
    compared, explained = 0, set()
    with gzip.open(corpus / "expected" / "crit-4.2-x.ndjson.gz", "rt") as rows:
        for row in map(json.loads, rows):
            with open_checkpoint(corpus / row["directory"]) as checkpoint:
                text = "".join(f"{line}\n" for line in lines(checkpoint, row["what"]))
                assert checkpoint.problems.errors == []
            if row["text"] is None:
                continue
            expected = row["text"]
            if (key := (row["directory"], row["what"])) in CRIT_IS_WRONG:
                _, wrong, right = CRIT_IS_WRONG[key]
                assert wrong in expected
                expected = expected.replace(wrong, right)
                explained.add(key)
            assert text == expected, key
            compared += 1
    assert compared == 292
    assert explained == set(CRIT_IS_WRONG)


def test_where_crit_fails_every_process_is_there_nevertheless(corpus: Path) -> None:
    failed = 0
    with gzip.open(corpus / "expected" / "crit-4.2-x.ndjson.gz", "rt") as rows:
        for row in map(json.loads, rows):
            if row["text"] is not None:
                continue
            with open_checkpoint(corpus / row["directory"]) as checkpoint:
                shown = lines(checkpoint, row["what"])
                heads = [line for line in shown if not line.startswith("\t")]
                assert heads == [str(process.pid) for process in checkpoint.processes]
                for process in checkpoint.processes:
                    assert process.is_alive == (len(lines(checkpoint, row["what"], process.pid)) > 1)
            failed += 1
    assert failed == 44


def test_a_zombie_is_its_pid_and_nothing_below(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        assert lines(checkpoint, "ps") == [
            "    PID   PGID    SID   COMM",
            "   9834   9834   9834   tree",
            "   9838   9838   9838       child",
            "   9840   9838   9838           grandchild",
            "   9839   9834   9834       tree",
        ]
        for view in ("fds", "mems", "rss"):
            assert lines(checkpoint, view, 9839) == ["9839"]
        assert checkpoint.problems.errors == []


def test_one_process_is_shown_without_the_indentation_of_the_tree(data: Path) -> None:
    with open_checkpoint(data / "demo" / "tree") as checkpoint:
        assert lines(checkpoint, "ps", 9840)[1:] == ["   9840   9838   9838   grandchild"]


def test_mappings_of_criu_1_1_are_read_from_their_own_image(data: Path) -> None:
    folder = data / "criu-1.1" / "programs" / "ns-ipc"
    with open_checkpoint(folder) as checkpoint:
        shown = lines(checkpoint, "mems")
    assert shown[0] == "1"
    assert shown[1].startswith("\texe       ")
    assert any(line.endswith("r-x [vdso]") for line in shown)
    assert any(" [stack" in line for line in shown)
    assert len(shown) == 2 + len(dyncrit.load(folder / "vmas-1.img").entries)


def test_pages_of_releases_before_4_2_are_counted(data: Path) -> None:
    with open_checkpoint(data / "criu-2.12" / "programs" / "seccomp") as checkpoint:
        process = next(iter(checkpoint.processes))
        shown = lines(checkpoint, "rss", process.pid)
        assert shown[0] == str(process.pid)
        counts = [int(line.split()[2]) for line in shown if " / " in line[:24]]
        assert counts
        assert min(counts) > 0


def test_segments_have_one_number_in_all_processes(corpus: Path) -> None:
    with open_checkpoint(corpus / "criu-2.12" / "namespaces" / "shm-mp") as checkpoint:
        shown = [line.split()[-1] for line in lines(checkpoint, "mems") if "ips[" in line or "shmem[" in line]
    assert shown
    assert len(set(shown)) < len(shown)
    assert shown[0].endswith("[1]")


def test_pages_have_the_size_that_the_process_was_told(tree: Path) -> None:
    with open_checkpoint(tree) as checkpoint:
        small = lines(checkpoint, "rss", 9840)

    def enlarge(image: dyncrit.Image) -> None:
        vector = image.entries[0].message.mm_saved_auxv
        assert vector[list(vector)[::2].index(6) * 2 + 1] == 4096
        vector[list(vector)[::2].index(6) * 2 + 1] = 65536

    change(tree / "mm-9840.img", enlarge)
    with open_checkpoint(tree) as checkpoint:
        large = lines(checkpoint, "rss", 9840)
    assert "/ 33      " in "".join(small)  # the stack's 132 KiB
    assert "/ 33      " not in "".join(large)


def test_what_is_missing_is_left_out_and_said(tree: Path) -> None:
    for name in ("fs-9838.img", "pagemap-9838.img", "mm-9840.img"):
        (tree / name).unlink()
    with open_checkpoint(tree) as checkpoint:
        assert not any("cwd" in line for line in lines(checkpoint, "fds", 9838))
        assert any("/dev/null" in line for line in lines(checkpoint, "fds", 9838))
        assert lines(checkpoint, "rss", 9838) == ["9838"]
        assert lines(checkpoint, "mems", 9840) == ["9840"]
        assert {problem.place for problem in checkpoint.problems.errors} == {
            "fs-9838.img",
            "pagemap-9838.img",
            "mm-9840.img",
        }


def test_a_damaged_pagemap_shows_what_stands_before_the_damage(tree: Path) -> None:
    path = tree / "pagemap-9838.img"
    path.write_bytes(path.read_bytes()[:-3])
    with open_checkpoint(tree) as checkpoint:
        assert len(lines(checkpoint, "rss", 9838)) > 10
        assert [problem.place for problem in checkpoint.problems.errors] == ["pagemap-9838.img"]


def test_files_that_the_images_lack_have_crits_names(tree: Path) -> None:
    def empty(image: dyncrit.Image) -> None:
        image.entries[:] = [entry for entry in image.entries if entry.message.HasField("pipe")][:1]
        image.entries[0].message.id += 1_000_000

    change(tree / "files.img", empty)
    with open_checkpoint(tree) as checkpoint:
        shown = lines(checkpoint, "fds", 9834)
    assert "\t      0: unknown path" in shown
    assert "\t      5: pipe[?]" in shown


def test_a_long_name_of_a_socket_stays_on_its_line(data: Path, tmp_path: Path) -> None:
    sockets = shutil.copytree(data / "demo" / "sockets", tmp_path / "sockets")
    name = b"/" + b"n" * 106

    def rename(image: dyncrit.Image) -> None:
        for entry in image.entries:
            if entry.message.HasField("usk") and entry.message.usk.name.startswith(b"/srv"):
                entry.message.usk.name = name

    change(sockets / "files.img", rename)
    with open_checkpoint(sockets) as checkpoint:
        assert f"\t      5: unix[6238915 (0) {name.decode()}]" in lines(checkpoint, "fds")


def test_a_tree_that_is_absurdly_deep_is_shown_in_a_bounded_width(tree: Path) -> None:
    def deepen(image: dyncrit.Image) -> None:
        template = image.entries[0]
        image.entries[:] = []
        for pid in range(1, 3001):
            entry = dyncrit.Entry(type(template.message)())
            entry.message.CopyFrom(template.message)
            entry.message.pid, entry.message.ppid = pid, pid - 1
            entry.message.threads[:] = [pid]
            image.entries.append(entry)

    change(tree / "pstree.img", deepen)
    with open_checkpoint(tree) as checkpoint:
        shown = lines(checkpoint, "ps")
    assert len(shown) == 3001
    assert max(map(len, shown)) < 2000
