"""Rules of tasks: each broken once, and nothing else is found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Copy

    from dyncrit import Image


def test_a_tree_with_zombies_and_threads_is_clean(tree: Copy) -> None:
    assert tree.found() == []


def test_an_inventory_that_is_missing_is_found(tree: Copy) -> None:
    assert tree.remove("inventory.img").found(rules=["inventory-known"]) == [
        ("inventory-known", "inventory.img", "")
    ]


@pytest.mark.parametrize("version", [0, 3])
def test_a_version_of_images_that_no_release_has_is_found(tree: Copy, version: int) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.img_version = version

    assert tree.change("inventory.img", edit).found() == [("inventory-known", "inventory.img", "img_version")]


def test_images_of_tasks_without_a_tree_are_found(tree: Copy) -> None:
    assert tree.remove("pstree.img").found(rules=["tree-present"]) == [("tree-present", "pstree.img", "")]


def test_a_tree_without_tasks_is_found(tree: Copy) -> None:
    tree.change("pstree.img", lambda image: image.entries.clear())
    assert tree.found(rules=["tree-present"]) == [("tree-present", "pstree.img", "")]


def test_a_task_that_is_there_twice_is_found(tree: Copy) -> None:
    tree.change("pstree.img", lambda image: image.entries.append(image.entries[3]))
    assert tree.found() == [("task-ids-unique", "pstree.img", "entry 4: pid")]


def test_a_thread_that_two_processes_have_is_found(tree: Copy) -> None:
    tree.change("pstree.img", lambda image: image.entries[1].message.threads.append(9836))
    assert tree.found() == [("task-ids-unique", "pstree.img", "entry 1: threads[1]")]


def test_a_process_whose_first_thread_is_another_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.threads[:] = [9836, 9837]

    assert tree.change("pstree.img", edit).found(rules=["task-ids-unique"]) == [
        ("task-ids-unique", "pstree.img", "entry 0: threads[0]")
    ]


@pytest.mark.parametrize(
    ("index", "parent", "text"),
    [
        (3, 77, "process 9839: its parent 77 isn't there"),
        (3, 0, "process 9839: it has no parent; process 9834 is the root already"),
        (1, 9840, "process 9838: its parent 9840 stands behind it"),
    ],
)
def test_a_task_that_hangs_nowhere_is_found(tree: Copy, index: int, parent: int, text: str) -> None:
    def edit(image: Image) -> None:
        image.entries[index].message.ppid = parent

    found = tree.change("pstree.img", edit).check()
    assert [(finding.rule.id, finding.message) for finding in found] == [("task-tree", text)]


def test_a_session_that_no_ancestor_leads_is_found_where_no_helper_could_stand_in(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[2].message.sid = 9999

    assert tree.change("pstree.img", edit).found() == [("session-leaders", "pstree.img", "sid")]


@pytest.mark.parametrize(("index", "session"), [(0, 0), (3, 9999), (2, 9834)])
def test_sessions_that_a_restore_can_make_are_fine(tree: Copy, index: int, session: int) -> None:
    def edit(image: Image) -> None:
        image.entries[index].message.sid = session

    assert tree.change("pstree.img", edit).found() == []


def test_a_group_without_its_leader_is_fine_but_a_thread_is_no_leader(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[2].message.pgid = 9999
        image.entries[1].message.pgid = 9836

    assert tree.change("pstree.img", edit).found() == [("group-leaders", "pstree.img", "pgid")]


@pytest.mark.parametrize(
    "name", ["core-9837.img", "core-9838.img", "core-9839.img", "fs-9838.img", "ids-9840.img"]
)
def test_an_image_that_a_task_lacks_is_found(tree: Copy, name: str) -> None:
    assert tree.remove(name).found() == [("task-images", name, "")]


@pytest.mark.parametrize("name", ["core-9836.img", "core-9839.img", "fs-9838.img"])
def test_an_image_without_entries_is_as_good_as_missing(tree: Copy, name: str) -> None:
    tree.change(name, lambda image: image.entries.clear())
    assert tree.found() == [("task-images", name, "")]


@pytest.mark.parametrize("name", ["mm-9840.img", "pagemap-9840.img"])
def test_missing_memory_is_found(tree: Copy, name: str) -> None:
    assert ("task-images", name, "") in tree.remove(name).found()


def test_a_missing_fdinfo_image_is_a_warning_as_a_task_may_have_no_files(tree: Copy) -> None:
    found = tree.remove("fdinfo-4.img").check()
    assert [(finding.rule.id, finding.file, finding.severity) for finding in found] == [
        ("task-fdinfo", "fdinfo-4.img", "warning")
    ]


@pytest.mark.parametrize(("name", "part"), [("core-9838.img", "tc"), ("core-9836.img", "thread_core")])
def test_a_core_image_without_a_part_is_found(tree: Copy, name: str, part: str) -> None:
    tree.change(name, lambda image: image.entries[0].message.ClearField(part))
    assert tree.found() == [("core-parts", name, part)]


def test_a_thread_of_another_architecture_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.mtype = 3

    found = tree.change("core-9836.img", edit).check()
    assert [(finding.rule.id, finding.message) for finding in found] == [
        ("one-architecture", "found AARCH64, where core-9834.img has X86_64")
    ]


def test_a_chain_of_very_many_processes_is_checked_in_no_time(tree: Copy) -> None:
    count = 20_000
    entries = [
        {"pid": pid, "ppid": pid - 1, "pgid": 1, "sid": 1 + pid % 2, "threads": [pid]}
        for pid in range(1, count)
    ]
    tree.write("pstree.img", "PSTREE", *entries)
    found = tree.found(rules=["session-leaders", "task-tree", "group-leaders"])
    assert found == []


@pytest.mark.parametrize("name", ["creds-66.img", "sigacts-66.img", "itimers-66.img"])
def test_an_image_that_only_old_tasks_have_is_missed(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "dump"
    shutil.copytree(corpus / "criu-1.1" / "host" / "maps02", folder)
    folder.chmod(0o755)
    (folder / name).unlink()
    with open_checkpoint(folder) as checkpoint:
        found = check(checkpoint, pages=False).findings
    assert [(finding.rule.id, finding.file) for finding in found] == [("task-images", name)]


def test_an_inventory_alone_is_no_pre_dump(corpus: Path, tmp_path: Path) -> None:
    shutil.copy(corpus / "demo" / "tree" / "inventory.img", tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert not checkpoint.is_pre_dump
        assert {finding.file for finding in check(checkpoint).findings} == {"pstree.img"}
