"""What tests of writing share: changes of a checkpoint by the names and contents of its files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.writing import directory
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.checkpoint.writing.commit import commit, staging_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from dyncrit.checkpoint.storage.tree import FileTree

    Contents = Mapping[str, bytes | None]


def change_files(path: Path, images: Contents | None = None, outer: Contents | None = None) -> None:
    location = locate(path)
    try:
        with staging_folder(path, location) as staging:
            changes = [
                *changes_of(location.images, images or {}, staging),
                *changes_of(location.outer, outer or {}, staging),
            ]
            commit(path, location, changes, staging)
    finally:
        location.root.close()


def changes_of(folder: FileTree, contents: Contents, staging: Path) -> Iterable[FileChange]:
    for name, data in contents.items():
        if data is None:
            yield FileChange(folder, name, None)
            continue
        content = staging / os.urandom(4).hex()
        content.write_bytes(data)
        yield FileChange(folder, name, content)


@pytest.fixture(autouse=True)
def _plain_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let directories be exchanged in tests that run in a container, too."""
    monkeypatch.setattr(directory, "_STACKED", frozenset())


@pytest.fixture(scope="session")
def change() -> Callable[..., None]:
    """Writes changes into the checkpoint at a path: names and contents, None for what is removed."""
    return change_files


@pytest.fixture(scope="session")
def contents() -> Callable[..., dict[str, bytes]]:
    """Reads all files of a checkpoint: those of the engine have ``outer/`` before their names."""

    def read(path: Path) -> dict[str, bytes]:
        location = locate(path)
        try:
            found = {name: bytes(location.images.view(name)) for name in location.images.names()}
            if location.outer is not None:
                names = location.outer.names()
                found.update({f"outer/{name}": bytes(location.outer.view(name)) for name in names})
        finally:
            location.root.close()
        return found

    return read


@pytest.fixture(scope="session")
def hidden() -> Callable[[Path], list[str]]:
    """The names below a folder that an unfinished change would leave behind."""
    return lambda folder: sorted(str(path) for path in folder.rglob(".dyncrit-*"))
