"""The lowest layer: a pages file, memory pages one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from dyncrit.checkpoint.storage.tree import FileTree


class PagesFile:
    """A pages image (``pages-ID.img``), read in place. ``size`` is in bytes.

    CRIU has written it raw, the runs of a pagemap one after the other, since v0.5.
    """

    def __init__(self, tree: FileTree, name: str) -> None:
        self.name = tree.path(name)
        self.size = tree.size(name)
        self._tree = tree
        self._file = name

    def view(self, offset: int, size: int) -> memoryview:
        """``size`` bytes at ``offset``, in place; raises ImageError if the file doesn't have them."""
        view = self._tree.view(self._file)[offset : offset + size]
        if len(view) < size:
            raise ImageError(f"{size} bytes at byte {offset}, the file has {self.size}", self.name)
        return view

    def read(self, offset: int, size: int) -> bytes:
        """As :meth:`view`, copied."""
        return bytes(self.view(offset, size))
