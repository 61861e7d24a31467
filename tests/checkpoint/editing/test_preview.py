"""What a checkpoint will be: the preview of an edit, with pages, parents and files of engines."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, loads
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.layer import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry

MIB = 1 << 20


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


@pytest.fixture
def checkpoint(folder: Path) -> Iterator[Checkpoint]:
    with open_checkpoint(folder) as checkpoint:
        yield checkpoint


@pytest.fixture
def edit(checkpoint: Checkpoint) -> Iterator[Edit]:
    with checkpoint.edit(dry_run=True) as edit:
        yield edit


def staged(edit: Edit, name: str) -> Image:
    return loads(bytes(edit.images.view(name)), file_name=name)


def renamed(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.message.HasField("tc"):
            entry.message.tc.comm = "renamed"
        yield entry


def test_what_is_changed_is_seen_by_the_views_of_the_preview_and_not_by_the_checkpoint(
    checkpoint: Checkpoint, edit: Edit
) -> None:
    assert edit.rewrite("core-9834.img", renamed)
    assert edit.preview().processes[9834].comm == "renamed"
    assert checkpoint.processes[9834].comm == "tree"
    assert [change.name for change in edit.changes] == ["core-9834.img"]


def test_the_pages_of_a_process_are_changed_in_the_preview(corpus: Path) -> None:
    with open_checkpoint(corpus / "demo/memory/1") as checkpoint, checkpoint.edit(dry_run=True) as edit:
        (process,) = checkpoint.processes
        pages = edit.entries(f"pagemap-{process.pid}.img")
        head, first = itertools.islice((entry.message for entry in pages), 2)
        before = process.memory.read(first.vaddr, 64)
        with edit.images.modify(f"pages-{head.pages_id}.img") as file:
            file.seek(16)
            file.write(b"changed!")
        after = edit.preview().processes[process.pid].memory.read(first.vaddr, 64)
        assert after == before[:16] + b"changed!" + before[24:]
        assert process.memory.read(first.vaddr, 64) == before


def test_the_preview_of_an_increment_reads_the_pages_of_its_parent(corpus: Path) -> None:
    with open_checkpoint(corpus / "demo/memory/2") as checkpoint, checkpoint.edit(dry_run=True) as edit:
        edit.images.remove("stats-dump")
        preview = edit.preview()
        assert preview.parent is checkpoint.parent
        compared = 0
        for process in checkpoint.processes:
            memory, other = process.memory, preview.processes[process.pid].memory
            for region in memory.regions():
                if region.state is State.MISSING:
                    continue
                size = min(region.end - region.start, MIB)
                assert other.read(region.start, size) == memory.read(region.start, size)
                compared += 1
        assert compared


def test_files_of_the_engine_are_changed_beside_the_images(data: Path) -> None:
    with (
        open_checkpoint(data / "archives/podman-4.3-app.tar.gz") as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
    ):
        document = json.loads(bytes(edit.outer.view("spec.dump")))
        document["hostname"] = "other"
        with edit.outer.write("spec.dump") as file:
            file.write(json.dumps(document).encode())
        assert edit.preview().container.hostname == "other"
        assert checkpoint.container.hostname != "other"
        assert [change.name for change in edit.changes] == ["spec.dump"]


def test_bare_images_have_no_files_of_an_engine(edit: Edit) -> None:
    assert edit.outer is None


def test_a_preview_can_be_tried_on_further(edit: Edit) -> None:
    edit.rewrite("core-9834.img", renamed)
    with edit.preview().edit(dry_run=True) as further:
        assert staged(further, "core-9834.img").entries[0].message.tc.comm == "renamed"
        further.images.remove("core-9834.img")
        assert "core-9834.img" in edit.images
        assert "core-9834.img" not in further.images
