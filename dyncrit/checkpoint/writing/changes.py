"""What is to be changed in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.storage.tree import FileTree


class FileChange(NamedTuple):
    """A file of a folder that is new, changed or removed.

    ``name`` stands directly in ``folder``; ``content`` is a file that holds the new content, and may be moved
    away; None if the file is removed. ``new_name`` is what the file is called afterwards, if not as before:
    blobs of container images go by their digests.
    """

    folder: FileTree
    name: str
    content: Path | None
    new_name: str = ""

    @property
    def place(self) -> str:
        """How errors call the file."""
        return self.folder.path(self.name)
