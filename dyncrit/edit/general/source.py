"""What ``get`` and ``grep`` read: a checkpoint with all its images, or a single image."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint import open_checkpoint
from dyncrit.codec.framing import read_frame
from dyncrit.codec.source import Source
from dyncrit.edit.opening import open_image
from dyncrit.errors import ImageError, RawImageError
from dyncrit.schema import Schema

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.storage.compression import Limits


class Reading(NamedTuple):
    """A checkpoint, and the name of the only image in it that is meant; None for all."""

    checkpoint: Checkpoint
    name: str | None = None

    @property
    def names(self) -> list[str]:
        """The names of the files that are meant, images or not."""
        return self.checkpoint.images.tree.names() if self.name is None else [self.name]


@contextmanager
def open_source(
    path: str | os.PathLike[str],
    *,
    schema: Schema | None = None,
    parents: Sequence[str | os.PathLike[str]] = (),
    limits: Limits | None = None,
) -> Iterator[Reading]:
    """The checkpoint, or the image, at ``path``: a directory, an archive, a file, or ``ARCHIVE/NAME``.

    ``parents`` are those of a checkpoint; an image has none. Raises what
    :func:`~dyncrit.checkpoint.open_checkpoint` and :func:`~dyncrit.edit.opening.open_image` do.
    """
    if is_checkpoint(path, schema=schema):
        with open_checkpoint(path, schema=schema, parents=parents, limits=limits) as checkpoint:
            yield Reading(checkpoint)
        return
    with open_image(path, schema=schema, limits=limits) as (checkpoint, name):
        yield Reading(checkpoint, name)


def is_checkpoint(path: str | os.PathLike[str], *, schema: Schema | None = None) -> bool:
    """Whether a path is that of a directory, or of a file that is no part of one: an archive."""
    path = Path(path)
    if not path.is_file():
        return path.is_dir()
    table = (schema or Schema.default()).table
    with path.open("rb") as file:
        try:
            read_frame(Source(file, str(path)), table, path.name)
        except RawImageError:
            return table.raw_by_file_name(path.name) is None
        except ImageError:
            return False
    return False
