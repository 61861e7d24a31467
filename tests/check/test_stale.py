"""Images that belong to nothing are found, one finding each."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Copy


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        ("core-9838.img", "core-77.img", "there is no thread 77"),
        ("fs-9838.img", "fs-77.img", "there is no process 77"),
        ("ids-9838.img", "ids-77.img", "there is no process 77"),
        ("fdinfo-2.img", "fdinfo-77.img", "there is no table of descriptors 77"),
        ("ghost-file-1.img", "ghost-file-1f.img", "there is no ghost file in remap-fpath.img 1f"),
    ],
)
def test_an_image_that_belongs_to_nothing_is_a_warning(tree: Copy, source: str, name: str, text: str) -> None:
    shutil.copy(tree.folder / source, tree.folder / name)
    found = tree.check()
    assert [(finding.rule.id, finding.file, finding.message, finding.severity) for finding in found] == [
        ("stale-images", name, text, "warning")
    ]


def test_the_state_of_a_connection_that_is_not_there_is_found(sockets: Copy) -> None:
    shutil.copy(sockets.folder / "tcp-stream-5f32c7.img", sockets.folder / "tcp-stream-abc.img")
    assert sockets.found() == [("stale-images", "tcp-stream-abc.img", "")]


def test_what_a_damaged_image_may_have_told_of_is_not_stale(tree: Copy) -> None:
    path = tree.folder / "remap-fpath.img"
    path.write_bytes(path.read_bytes()[:-1])
    assert [rule for rule, _, _ in tree.found()] == ["image-readable"]
