"""What a path is: images in a directory, a container's checkpoint around them, an archive of either."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.codec.framing import is_head
from dyncrit.errors import ImageError
from dyncrit.schema import ImageTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.checkpoint.storage.oci import CheckpointImage
    from dyncrit.checkpoint.storage.tree import FileTree

_IMAGE_FOLDERS = ("checkpoint", "pre-checkpoint")
_SURE_SIGNS = ("inventory.img", "pstree.img")
_MAX_WRAPPINGS = 3


class Location(NamedTuple):
    """Where a checkpoint stands: ``images`` is the folder of its images.

    ``outer`` is the folder with the container engine's files beside them, or None for bare images. ``root``
    is what is to be closed. ``annotations`` are those of an OCI image. ``wrappings`` are the container images
    around the checkpoint, the outermost first.
    """

    kind: str
    images: FileTree
    outer: FileTree | None
    root: FileTree
    annotations: Mapping[str, str]
    wrappings: tuple[CheckpointImage, ...] = ()


def locate(path: Path, limits: Limits | None = None) -> Location:
    """Find the images behind a path: a directory, an archive of any kind, an OCI image.

    Raises ImageError where there is no checkpoint, with what was found instead, and OSError.
    """
    if path.is_dir():
        return _find("directory", DirectoryTree(path), limits)
    from dyncrit.checkpoint.storage.archive import open_archive

    _refuse_image(path)
    tree = open_archive(path, limits)
    try:
        return _find("archive", tree, limits)
    except BaseException:
        tree.close()
        raise


def has_images(tree: FileTree) -> bool:
    """Whether images of a dump or a pre-dump stand directly in a folder."""
    names = tree.names()
    return any(sign in names for sign in _SURE_SIGNS) or any(
        name.startswith("pagemap-") and name.endswith(".img") for name in names
    )


def _refuse_image(path: Path) -> None:
    """Raise ImageError if a path is a single image's, where the folder of all is wanted."""
    if path.is_file():
        with path.open("rb") as file:
            if is_head(file.read(8), ImageTable()):
                raise ImageError("one image; a checkpoint is the folder that it is in", str(path))


def _find(kind: str, root: FileTree, limits: Limits | None) -> Location:
    tree = root
    for _ in range(_MAX_WRAPPINGS):
        if has_images(tree):
            return Location(kind, tree, None, root, {})
        folders = tree.folders()
        for name in _IMAGE_FOLDERS:
            if name in folders and has_images(folder := tree.folder(name)):
                return Location(kind, folder, tree, root, {})
        if image := _open_image(tree, limits):
            inner = _find("image", image.tree, limits)
            wrappings = (image, *inner.wrappings)
            return inner._replace(root=root, annotations=image.annotations, wrappings=wrappings)
        if tree.names() or len(folders) != 1:
            break
        tree = tree.folder(folders[0])  # an archive of one directory
    names = [*tree.names(), *(f"{name}/" for name in tree.folders())]
    found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
    raise ImageError(
        f"no checkpoint: expected inventory.img or a folder checkpoint/ with images, found {found}", root.name
    )


def _open_image(tree: FileTree, limits: Limits | None) -> CheckpointImage | None:
    from dyncrit.checkpoint.storage.oci import open_image

    return open_image(tree, limits)
