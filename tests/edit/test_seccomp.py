"""System call filters, taken out of all threads."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, dumps, load, loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.seccomp import drop_seccomp
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit

OLD = "criu-2.12/programs/seccomp"


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Process 9834 with two filters in its first thread and one in its last; 9840 is in strict mode."""
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    filters = load(folder / "seccomp.img")
    code = bytes.fromhex("06000000 0000ff7f")
    entry = filters.entries[0].message
    entry.seccomp_filters.add(filter=code)
    entry.seccomp_filters.add(filter=code, prev=0, flags=2)
    dump(filters, folder / "seccomp.img")
    for tid, mode, number in ((9834, 2, 1), (9837, 2, 0), (9840, 1, None)):
        core = load(folder / f"core-{tid}.img")
        thread = core.entries[0].message.thread_core
        thread.seccomp_mode = mode
        if number is not None:
            thread.seccomp_filter = number
        dump(core, folder / f"core-{tid}.img")
    return folder


def modes(edit: Edit) -> set[str]:
    return {thread.seccomp.mode for process in edit.preview().processes for thread in process.threads}


def test_every_thread_loses_its_filters_and_they_are_told(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert modes(edit) == {"filter", "strict", "disabled"}
        assert drop_seccomp(edit) == [
            Touched("process 9834", "thread 9834: seccomp", "2 filters"),
            Touched("process 9834", "thread 9837: seccomp", "1 filter"),
            Touched("process 9840", "seccomp", "strict"),
            Touched("seccomp.img", "filters", "2"),
        ]
        assert modes(edit) == {"disabled"}


def test_the_images_are_those_of_a_dump_without_filters(data: Path, folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        drop_seccomp(edit)
        changed = {change.name for change in edit.changes}
        assert changed == {"core-9834.img", "core-9837.img", "core-9840.img", "seccomp.img"}
        for name in changed:
            assert bytes(edit.images.view(name)) == (data / "demo/tree" / name).read_bytes()


def test_the_mode_of_whole_processes_goes_in_images_of_criu_before_3_10(data: Path) -> None:
    with open_checkpoint(data / OLD) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert "filter" in modes(edit)
        touched = drop_seccomp(edit)
        assert [item.place for item in touched] == ["process 52", "process 56", "seccomp.img"]
        assert modes(edit) == {"disabled"}
        for change in edit.changes:
            image = loads(bytes(edit.images.view(change.name)), file_name=change.name)
            assert dumps(Image.from_dict(image.to_dict(pretty=True))) == dumps(image)


@pytest.mark.parametrize("name", ["made", OLD])
def test_check_finds_nothing_new(data: Path, folder: Path, name: str) -> None:
    path = folder if name == "made" else data / name
    with open_checkpoint(path) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        known = {str(finding) for finding in check(checkpoint, pages=False).findings}
        assert drop_seccomp(edit)
        assert {str(finding) for finding in check(edit.preview(), pages=False).findings} <= known


def test_filters_that_point_nowhere_are_dropped_too(folder: Path) -> None:
    (folder / "seccomp.img").unlink()
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        rules = {"rules": ["seccomp-filters-resolve"], "pages": False}
        assert check(checkpoint, **rules).findings
        assert Touched("process 9834", "thread 9834: seccomp", "filter") in drop_seccomp(edit)
        assert not check(edit.preview(), **rules).findings
        assert "seccomp.img" not in edit.images


def test_filters_that_build_on_each_other_in_a_circle_are_dropped(folder: Path) -> None:
    image = load(folder / "seccomp.img")
    image.entries[0].message.seccomp_filters[0].prev = 1
    dump(image, folder / "seccomp.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        drop_seccomp(edit)
        assert modes(edit) == {"disabled"}


def test_threads_that_no_process_has_are_told_by_their_image(folder: Path) -> None:
    shutil.copy(folder / "core-9840.img", folder / "core-77.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert Touched("core-77.img", "seccomp", "strict") in drop_seccomp(edit)


def test_no_new_privs_stays(folder: Path) -> None:
    core = load(folder / "core-9840.img")
    core.entries[0].message.thread_core.creds.no_new_privs = 1
    dump(core, folder / "core-9840.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        drop_seccomp(edit)
        image = loads(bytes(edit.images.view("core-9840.img")))
    assert image.entries[0].message.thread_core.creds.no_new_privs == 1


@pytest.mark.parametrize("name", ["demo/tree", "criu-1.1/programs/ns-ipc", "criu-4.2/programs/uns-ipc"])
def test_nothing_is_changed_where_there_are_no_filters(data: Path, name: str) -> None:
    with open_checkpoint(data / name) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_seccomp(edit) == []
        assert edit.changes == []


def test_a_filter_of_a_thread_without_a_mode_is_dropped(folder: Path) -> None:
    core = load(folder / "core-9840.img")
    thread = core.entries[0].message.thread_core
    thread.ClearField("seccomp_mode")
    thread.seccomp_filter = 0
    dump(core, folder / "core-9840.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert Touched("process 9840", "seccomp", "disabled") in drop_seccomp(edit)
        after = loads(bytes(edit.images.view("core-9840.img"))).entries[0].message.thread_core
        assert not after.HasField("seccomp_filter")
