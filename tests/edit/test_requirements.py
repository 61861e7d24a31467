"""What must hold before a change that follows references."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.requirements import require
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Path:
    """A checkpoint whose descriptors are of files that aren't there, and with a stray file."""
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    image = load(folder / "fdinfo-2.img")
    for index, entry in enumerate(image.entries):
        entry.message.id = 900 + index
    dump(image, folder / "fdinfo-2.img")
    (folder / "stray").write_bytes(b"x")
    return folder


def test_a_healthy_checkpoint_passes(data: Path) -> None:
    with open_checkpoint(data / "demo/tree") as checkpoint, checkpoint.edit(dry_run=True) as edit:
        require(edit, "descriptors-resolve", "paths-resolve", "mappings-resolve", "file-ids-unique")


def test_broken_references_are_an_error_that_tells_the_first_and_how_many_more(broken: Path) -> None:
    with open_checkpoint(broken) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(ImageError) as caught:
            require(edit, "descriptors-resolve")
        assert edit.changes == []
    text = str(caught.value)
    count = len(load(broken / "fdinfo-2.img").entries)
    assert text.startswith(f"{broken}: nothing was changed, ")
    assert "descriptor 0: there is no REG file 0x384 [descriptors-resolve]; " in text
    assert text.count("[descriptors-resolve]") == min(count, 3)
    assert (f"; and {count - 3} more " in text) == (count > 3)
    assert "\n" not in text


def test_rules_that_were_not_asked_for_dont_count(broken: Path) -> None:
    with open_checkpoint(broken) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        require(edit, "paths-resolve", "mappings-resolve")


def test_warnings_and_notes_dont_count(broken: Path) -> None:
    with open_checkpoint(broken) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        require(edit, "stray-files")


def test_a_rule_that_there_is_not_is_an_error(data: Path) -> None:
    with (
        open_checkpoint(data / "demo/tree") as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ValueError, match="no rule no-such-rule"),
    ):
        require(edit, "no-such-rule")


def test_what_counts_is_the_checkpoint_as_it_was_before_the_edit(broken: Path, data: Path) -> None:
    with open_checkpoint(broken) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with edit.images.write("fdinfo-2.img") as file:
            file.write((data / "demo/tree/fdinfo-2.img").read_bytes())
        with pytest.raises(ImageError, match="descriptors-resolve"):
            require(edit, "descriptors-resolve")
