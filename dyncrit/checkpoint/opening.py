"""Opens checkpoints: finds the images behind a path, and the parents that incremental dumps build on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.checkpoint.checkpoint import Checkpoint
from dyncrit.checkpoint.location import Location, has_images, locate
from dyncrit.errors import ImageError
from dyncrit.schema import Schema

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from dyncrit.checkpoint.storage.compression import Limits

_MAX_CHAIN = 256


def open_checkpoint(
    path: str | os.PathLike[str],
    *,
    schema: Schema | None = None,
    parents: Sequence[str | os.PathLike[str]] = (),
    limits: Limits | None = None,
) -> Checkpoint:
    """The checkpoint at ``path``: a directory of images, one around it, or an archive of either.

    ``parents`` are checkpoints for incremental ones whose parent doesn't stand where their link says: the
    first for the checkpoint itself, the next for its parent, and so on. ``limits`` bounds what is unpacked.
    The ``schema`` is by default that of the newest release, which reads all older ones.

    Raises ImageError where there is no checkpoint, where an archive is hostile or damaged, and where a
    chain of parents is circular; and OSError. Use it as a context manager, or close() it.

    >>> with open_checkpoint("tests/data/demo/tree") as checkpoint:
    ...     [process.comm for process in checkpoint.processes]
    ['tree', 'child', 'grandchild', 'tree']
    """
    schema = _for_views(schema)
    checkpoint = Checkpoint(locate(Path(path), limits), schema, Path(path), limits)
    try:
        _link_parents(checkpoint, [Path(parent) for parent in parents], limits)
    except BaseException:
        checkpoint.close()
        raise
    return checkpoint


def _link_parents(checkpoint: Checkpoint, explicit: list[Path], limits: Limits | None) -> None:
    """Find each checkpoint's parent, as far as there are any."""
    chain = [checkpoint]
    while following := _find_parent(chain[-1], explicit, limits):
        chain[-1].parent = following
        if any(following.identity == known.identity for known in chain):
            problem = f"the chain of parents is circular: it comes back to {following.name}"
            raise ImageError(problem, checkpoint.name)
        chain.append(following)
        if len(chain) > _MAX_CHAIN:
            raise ImageError(f"the chain of parents has more than {_MAX_CHAIN} links", checkpoint.name)
    if explicit:
        raise ImageError(f"is not needed as a parent: {chain[-1].name} builds on no other", str(explicit[0]))


def _find_parent(checkpoint: Checkpoint, explicit: list[Path], limits: Limits | None) -> Checkpoint | None:
    """The checkpoint that one is an increment on: where its link leads, else the next ``explicit`` one.

    A parent that isn't there is a problem of the checkpoint; what needs its pages can't be read.
    """
    location = checkpoint.location
    images = location.images
    link = images.link("parent")
    if link is None and "parent" not in images.folders():
        return None
    lack = "has no images"
    try:
        tree = images.folder("parent") if link is None else images.linked_folder(link)
        if has_images(tree):
            return Checkpoint(Location(location.kind, tree, None, tree, {}), checkpoint.schema)
    except OSError:
        lack = "is not there"
    if explicit:
        path = explicit.pop(0)
        return Checkpoint(locate(path, limits), checkpoint.schema, path, limits)
    checkpoint.no_parent = f"parent -> {link} {lack} (name it with --parent)"
    problem = f"a link to {link}, which {lack}; only pages that this dump lacks need it"
    checkpoint.problems.warn("parent", problem)
    return None


def _for_views(schema: Schema | None) -> Schema:
    """A schema with all names that views use: the newest release's reads every older one's images, too."""
    default = Schema.default()
    if schema is None or schema.source.kind == "release":
        return default if schema is None else default.with_table(schema.table)
    entry = schema.message("pagemap_entry")
    newest = entry is not None and "nr_pages" in entry.fields_by_name and 5 in entry.fields_by_number
    return schema if newest else default.with_table(schema.table)
