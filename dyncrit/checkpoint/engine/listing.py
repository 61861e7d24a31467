"""What a container's checkpoint holds besides images: volumes, shared memory, changes of its root files.

These archives belong to the container, so they may hold anything: they are listed and never unpacked under
their names.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import parse_document, texts
from dyncrit.checkpoint.storage.compression import Limits, compression_of, unpack
from dyncrit.checkpoint.storage.mapped import map_file
from dyncrit.checkpoint.storage.overlay import OPAQUE, WHITEOUT
from dyncrit.checkpoint.storage.tar import members
from dyncrit.errors import DyncritError, ImageError, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint.problems import Problems
    from dyncrit.checkpoint.storage.tar import Kind, Member
    from dyncrit.checkpoint.storage.tree import FileTree

MAX_ENTRIES = 100_000
_MAX_SECONDS = 253_402_300_800  # the year 10000


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in an archive of the container: ``size`` in bytes, ``owner`` as USER:GROUP, by name or number.

    ``modified`` is in ISO 8601, empty where it is no time; ``target`` is what a link says.
    """

    name: str
    kind: Kind
    size: int
    mode: int
    owner: str
    modified: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files in an archive, in its order; ``is_cut`` if there are more, or the rest is damaged."""

    files: tuple[ListedFile, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What a container's checkpoint holds besides images; None and empty for what it doesn't have.

    ``changes`` are the files of the root file system that differ from the container image's; ``deleted``
    are the paths of those that are gone from it.
    """

    volumes: Mapping[str, Listing] = field(default_factory=dict)
    shared_memory: Listing | None = None
    changes: Listing | None = None
    deleted: tuple[str, ...] = ()
    is_deleted_cut: bool = False


def list_contents(tree: FileTree, problems: Problems, limits: Limits | None = None) -> Contents:
    """List what stands beside the images, up to 100,000 files an archive; damage goes to ``problems``.

    containerd has deletions as whiteouts (``.wh.NAME``) among the changes, Podman in ``deleted.files``.
    """
    limits = limits or Limits()
    changes = _listing(tree, "rootfs-diff.tar", problems, limits)
    deleted = _deleted_files(tree, problems)
    if changes is not None:
        deleted += [path for file in changes.files if (path := _whiteout(file.name))]
        kept = tuple(file for file in changes.files if not _base(file.name).startswith(WHITEOUT))
        changes = Listing(kept, changes.is_cut)
    return Contents(
        volumes=_volumes(tree, problems, limits),
        shared_memory=_listing(tree, "devshm-checkpoint.tar", problems, limits),
        changes=changes,
        deleted=tuple(deleted[:MAX_ENTRIES]),
        is_deleted_cut=len(deleted) > MAX_ENTRIES,
    )


def _volumes(tree: FileTree, problems: Problems, limits: Limits) -> dict[str, Listing]:
    if "volumes" not in tree.folders():
        return {}
    folder = tree.folder("volumes")
    found = {}
    for name in folder.names():
        if name.endswith(".tar"):
            listing = _listing(folder, name, problems, limits, f"volumes/{name}")
            found[name.removesuffix(".tar")] = listing or Listing(is_cut=True)
    return found


def _listing(
    tree: FileTree, name: str, problems: Problems, limits: Limits, place: str = ""
) -> Listing | None:
    """The files in an archive beside the images, compressed or not; None if there is no such archive."""
    if name not in tree:
        return None
    place = place or name
    files: list[ListedFile] = []
    is_cut = False
    try:
        data = tree.view(name)
        if compression_of(data) is not None:
            with unpack(data, limits, place) as file:
                data = map_file(file)
        found = members(data, place)
        files.extend(map(_listed, itertools.islice(found, MAX_ENTRIES)))
        is_cut = next(found, None) is not None
    except DyncritError as error:
        inside = ": ".join((*error.place, error.problem)).removeprefix(f"{place}: ")
        problems.error(place, f"{inside}; {len(files)} of its files are listed")
        is_cut = True
    except OSError as error:
        problems.error(place, f"can't be read: {error.strerror or error}")
        is_cut = True
    return Listing(tuple(files), is_cut)


def _listed(member: Member) -> ListedFile:
    return ListedFile(
        name=member.name.removeprefix("./").rstrip("/") or ".",
        kind=member.kind,
        size=member.size,
        mode=member.mode,
        owner=f"{member.user or member.user_id}:{member.group or member.group_id}",
        modified=_time(member.modified),
        target=member.target if member.kind in {"link", "hard link"} else "",
    )


def _time(seconds: int) -> str:
    if not 0 <= seconds < _MAX_SECONDS:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _whiteout(name: str) -> str:
    """The path that a whiteout takes out: of an opaque one that of its folder, with a slash; else nothing."""
    folder, slash, base = name.rpartition("/")
    if base == OPAQUE:
        return f"/{folder}{slash}"
    return f"/{folder}{slash}{base.removeprefix(WHITEOUT)}" if base.startswith(WHITEOUT) else ""


def _deleted_files(tree: FileTree, problems: Problems) -> list[str]:
    name = "deleted.files"
    if name not in tree:
        return []
    try:
        document = parse_document(tree.view(name), name)
    except ImageError as error:
        problems.error(name, error.problem)
        return []
    except OSError as error:
        problems.error(name, f"can't be read: {error.strerror or error}")
        return []
    if document is not None and not isinstance(document, list):
        problems.error(name, f"expected a list of paths, found {describe(document)}")
    return texts(document)
