"""Changes files in the layers of a container image, and all that goes by the digests of these."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dyncrit.checkpoint.storage.oci import DOCKER_MANIFEST, INDEX
from dyncrit.checkpoint.storage.overlay import WHITEOUT, OverlayTree
from dyncrit.checkpoint.writing.archive import rewrite_archive
from dyncrit.checkpoint.writing.blobs import REPOSITORIES, ImageFiles
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.checkpoint.writing.docker import change_docker_image, change_docker_manifest, change_repositories
from dyncrit.checkpoint.writing.layout import change_layout
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dyncrit.checkpoint.storage.oci import CheckpointImage
    from dyncrit.checkpoint.writing.packing import Packed


def change_layers(image: CheckpointImage, changes: Sequence[FileChange], staging: Path) -> list[FileChange]:
    """The changes of a container image's own files that changes of files in its layers come down to.

    Blobs get the names of their new digests; old ones stay only where something else refers to them. Raises
    DyncritError for what can't be changed.
    """
    files = ImageFiles(image.source, staging)
    layers = _packed_layers(image, changes, staging)
    names = image.source.names()
    if INDEX in names:
        config = change_layout(files, image.manifest, layers)
        if DOCKER_MANIFEST in names:
            change_docker_manifest(files, config, layers)
    else:
        real = {files.real_path(path): packed for path, packed in layers.items()}
        change_docker_image(files, image.manifest, real)
    if REPOSITORIES in names:
        change_repositories(files)
    return list(files.changes())


def _packed_layers(image: CheckpointImage, changes: Sequence[FileChange], staging: Path) -> dict[str, Packed]:
    """The layers that change, rewritten, by their old paths."""
    left = [inner for change in changes for inner in _within_layers(change, staging)]
    packed: dict[str, Packed] = {}
    for layer in image.layers:
        inside = [change for change in left if layer.tree.shares(change.folder)]
        if inside:
            packed[layer.path] = rewrite_archive(inside, staging / os.urandom(8).hex())
            left = [change for change in left if not layer.tree.shares(change.folder)]
    if left:
        raise DyncritError("stands in no layer of the image that was opened", left[0].place)
    return packed


def _within_layers(change: FileChange, staging: Path) -> Iterator[FileChange]:
    """A change as one of the layer that the file stands in; what is removed is hidden in those below, too."""
    folder = change.folder.holder(change.name)
    yield change._replace(folder=folder)
    overlay = change.folder if isinstance(change.folder, OverlayTree) else None
    if change.content is None and overlay is not None and overlay.is_below(change.name):
        whiteout = staging / os.urandom(8).hex()
        whiteout.touch()
        yield FileChange(folder, WHITEOUT + change.name, whiteout)
