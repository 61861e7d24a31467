"""Trees that lie one over the other, as the layers of a container image do."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from dyncrit.checkpoint.storage.tree import FileTree

if TYPE_CHECKING:
    from collections.abc import Sequence

# Names of the OCI image specification, layer.md, "Whiteouts".
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class OverlayTree(FileTree):
    """The files of several trees, lowest first: of equal names the highest one's counts.

    A file ``.wh.NAME`` takes NAME out of the trees below its own, ``.wh..wh..opq`` all of that folder.
    """

    def __init__(self, layers: Sequence[FileTree], name: str, parents: tuple[OverlayTree, ...] = ()) -> None:
        """``parents`` are the folders above this one, the outermost first."""
        self.name = name
        self._layers = layers
        self._parents = parents
        self._files: dict[str, FileTree] = {}
        self._folders: dict[str, list[FileTree]] = {}
        for layer in layers:
            self._put(layer)

    def names(self) -> list[str]:
        """The names of the regular files in it, sorted."""
        return sorted(self._files)

    def folders(self) -> list[str]:
        """The names of the folders in it, sorted."""
        return sorted(self._folders)

    def holder(self, name: str) -> FileTree:
        """The tree whose file counts; a new one would be put in the highest."""
        return (self._files.get(name) or self._layers[-1]).holder(name)

    def is_below(self, name: str) -> bool:
        """Whether a file has others of its name below it, which would show if it were removed."""
        below = self._layers[: self._layers.index(self._layer(name))]
        return any(name in layer for layer in below)

    def folder(self, name: str) -> OverlayTree:
        """The tree below one of its folders."""
        if name not in self._folders:
            raise FileNotFoundError(2, "No such directory", self.path(name))
        inner = [layer.folder(name) for layer in self._folders[name]]
        return OverlayTree(inner, self.path(name), (*self._parents, self))

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self._layer(name).size(name)

    def open(self, name: str) -> BinaryIO:
        """A file, open for reading."""
        return self._layer(name).open(name)

    def view(self, name: str) -> memoryview:
        """The bytes of a file, in place."""
        return self._layer(name).view(name)

    def link(self, name: str) -> str | None:
        """What the symbolic link ``name`` says, in the highest tree that has it."""
        found = (layer.link(name) for layer in reversed(self._layers) if name not in self._folders)
        return next((text for text in found if text is not None), None)

    def linked_folder(self, link: str) -> OverlayTree:
        """The folder that a link leads to within the trees; anywhere else there is none."""
        way = [*self._parents, self]
        for step in link.split("/") if not link.startswith("/") else [".."] * len(way):
            if step == "..":
                way.pop()
            elif step not in {"", "."}:
                way.append(way[-1].folder(step))
            if not way:
                raise FileNotFoundError(2, f"No such directory in {self.name}", link)
        return way[-1]

    @property
    def identity(self) -> tuple[object, ...]:
        """Those of the trees, together."""
        return tuple(layer.identity for layer in self._layers)

    def close(self) -> None:
        """Close the trees."""
        for layer in self._layers:
            layer.close()

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def _put(self, layer: FileTree) -> None:
        names = layer.names()
        if OPAQUE in names:
            self._files.clear()
            self._folders.clear()
        for name in names:
            if name.startswith(WHITEOUT):
                self._files.pop(name.removeprefix(WHITEOUT), None)
                self._folders.pop(name.removeprefix(WHITEOUT), None)
        for name in names:
            if not name.startswith(WHITEOUT):
                self._folders.pop(name, None)
                self._files[name] = layer
        for name in layer.folders():
            self._files.pop(name, None)
            self._folders.setdefault(name, []).append(layer)

    def _layer(self, name: str) -> FileTree:
        if name not in self._files:
            raise FileNotFoundError(2, "No such file", self.path(name))
        return self._files[name]
