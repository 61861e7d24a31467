"""What tests of checks share: copies of healthy checkpoints, to be broken in one place."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Finding


class Copy:
    """A checkpoint that may be changed, image by image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, name: str, edit: Callable[[Image], object]) -> Copy:
        """Edit an image; gives the copy back."""
        image = load(self.folder / name)
        edit(image)
        dump(image, self.folder / name)
        return self

    def write(self, name: str, type_name: str, *entries: dict[str, object]) -> Copy:
        """A new image with these entries."""
        image = Image.new(type_name)
        for fields in entries:
            image.add(**fields)
        dump(image, self.folder / name)
        return self

    def remove(self, name: str) -> Copy:
        (self.folder / name).unlink()
        return self

    def check(self, **options: object) -> tuple[Finding, ...]:
        """What the check finds, without pages."""
        with open_checkpoint(self.folder) as checkpoint:
            return check(checkpoint, **{"pages": False, **options}).findings

    def found(self, **options: object) -> list[tuple[str, str, str]]:
        """The rule, file and place of each finding."""
        return [(finding.rule.id, finding.file, finding.place) for finding in self.check(**options)]


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Callable[[str], Copy]:
    """Makes a copy of a checkpoint below tests/data."""

    def make(name: str) -> Copy:
        return Copy(shutil.copytree(data / name, tmp_path / "copy", symlinks=True))

    return make


@pytest.fixture
def tree(copy: Callable[[str], Copy]) -> Copy:
    """Processes 9834 (threads 9836, 9837), 9838 below it, 9840 below that, and the zombie 9839."""
    return copy("demo/tree")


@pytest.fixture
def sockets(copy: Callable[[str], Copy]) -> Copy:
    """Process 9860 with sockets of all kinds, and what waits for their events."""
    return copy("demo/sockets")


@pytest.fixture
def container(copy: Callable[[str], Copy]) -> Copy:
    """Process 1 in namespaces of its own."""
    return copy("criu-4.2/programs/uns-ipc")
