"""Opens what is to be changed: a checkpoint, or a single image wherever it stands."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.checkpoint import Checkpoint
from dyncrit.checkpoint.location import Location
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.storage.compression import Limits


class EditedImage(NamedTuple):
    """An image to change: the edit that it is changed in, and its file name there."""

    edit: Edit
    name: str


@contextmanager
def edit_image(
    path: str | os.PathLike[str],
    *,
    schema: Schema | None = None,
    limits: Limits | None = None,
    dry_run: bool = False,
) -> Iterator[EditedImage]:
    """An edit of the image at ``path``, made when the block ends.

    The image is a file, which needs no others beside it, or one in an archive: ``dump.tar.zst/files.img``.
    Raises FileNotFoundError if there is none, and what :func:`open_checkpoint` raises.
    """
    with (
        open_image(path, schema=schema, limits=limits) as (checkpoint, name),
        checkpoint.edit(dry_run=dry_run) as edit,
    ):
        yield EditedImage(edit, name)


@contextmanager
def open_image(
    path: str | os.PathLike[str], *, schema: Schema | None = None, limits: Limits | None = None
) -> Iterator[tuple[Checkpoint, str]]:
    """The checkpoint that the image at ``path`` stands in, and its file name there; as :func:`edit_image`.

    Of a link, the file that it leads to is meant, wherever that is.
    """
    path = Path(path)
    if path.exists() or not path.parent.is_file():
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "A directory, not an image", str(path))
        if path.is_symlink():
            path = Path(os.path.realpath(path))
        with _around(path, schema) as checkpoint:
            checkpoint.images.tree.size(path.name)  # which says if there is none
            yield checkpoint, path.name
        return
    with open_checkpoint(path.parent, schema=schema, limits=limits) as checkpoint:
        checkpoint.images.tree.size(path.name)
        yield checkpoint, path.name


def _around(path: Path, schema: Schema | None) -> Checkpoint:
    """The folder that a lone image is in, taken for a checkpoint whatever else is in it."""
    folder = path.parent
    tree = DirectoryTree(folder)
    return Checkpoint(Location("directory", tree, None, tree, {}), schema or Schema.default(), folder)
