"""Scrubs the files of a checkpoint, each as its name tells what is in it.

Nothing survives that nobody looked at. Of images, every text and every run of bytes is scrubbed but for what
:mod:`.treatments` names; payloads and memory are filled. What others wrote beside them (routes, rules of
firewalls, connections) is emptied, archives of tmpfs are written anew, and all other files are removed: logs,
what container engines say, configurations, archives of root file systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.edit.anonymity.counting import told
from dyncrit.edit.anonymity.mappings import read_mappings
from dyncrit.edit.anonymity.messages import Scrubber
from dyncrit.edit.anonymity.raw import RawFile, raw_action
from dyncrit.edit.anonymity.treatments import Pseudonyms
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DocumentError, DyncritError, ImageError
from dyncrit.image import dump, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.editing.staged import StagedFolder
    from dyncrit.checkpoint.storage.compression import Limits

PARENT = "parent"
"""The link to the checkpoint that an incremental one builds on."""

_STATISTICS = frozenset({"stats-dump", "stats-restore"})
_LARGEST_STATISTICS = 1 << 20
_ADVICE = "--remove-damaged leaves such images out"


@whole
def anonymize(
    edit: Edit,
    pseudonyms: Pseudonyms | None = None,
    *,
    remove_damaged: bool = False,
    limits: Limits | None = None,
) -> list[Touched]:
    """Scrub a checkpoint, and tell how much of what was scrubbed in which file, but not what it was.

    ``pseudonyms`` are those of a key, or of other checkpoints that are to have the same names; random ones
    by default. A parent is not touched, nor is the link to it. Raises ImageError for an image that is
    damaged, unless those are to be removed, and DyncritError for what can't be scrubbed where it stands:
    archives, folders and links beside the images (:func:`.copying.anonymized_copy` leaves them behind).
    """
    if not edit.dry_run:
        _require_plain_folders(edit)
    return scrub(edit, pseudonyms or Pseudonyms(), remove_damaged=remove_damaged, limits=limits)


def scrub(
    edit: Edit, pseudonyms: Pseudonyms, *, remove_damaged: bool = False, limits: Limits | None = None
) -> list[Touched]:
    """As :func:`anonymize`, for edits whose result doesn't go where the checkpoint stands."""
    task = _Task(edit, pseudonyms, remove_damaged, limits)
    return [*task.scrub_images(), *task.scrub_outer()]


class _Task:
    """The scrubbing of one checkpoint."""

    def __init__(
        self, edit: Edit, pseudonyms: Pseudonyms, remove_damaged: bool, limits: Limits | None
    ) -> None:
        self._edit = edit
        self._pseudonyms = pseudonyms
        self._remove_damaged = remove_damaged
        self._limits = limits
        self._scrubber = Scrubber(pseudonyms, read_mappings(edit), edit.checkpoint.images.byte_order)

    def scrub_images(self) -> Iterator[Touched]:
        """Scrub the folder of images."""
        images = self._edit.images
        for name in images.names():
            if name == PARENT and images.link(name) is not None:
                continue
            yield from self._scrubbed(images, name, self._image)

    def scrub_outer(self) -> Iterator[Touched]:
        """Remove all that stands around the images, but for statistics."""
        outer = self._edit.outer
        if outer is not None:
            for name in outer.names():
                yield from self._scrubbed(outer, name, self._statistics)

    def _scrubbed(
        self, folder: StagedFolder, name: str, action: Callable[[StagedFolder, str], Touched | None]
    ) -> Iterator[Touched]:
        try:
            touched = action(folder, name)
        except (ImageError, DocumentError) as error:
            if not self._remove_damaged:
                known = error.place[:1] == (folder.path(name),)
                place = error.place if known else (folder.path(name), *error.place)
                problem = f"can't be scrubbed where it is damaged: {error.problem} ({_ADVICE})"
                raise type(error)(problem, *place) from None
            touched = _removed(folder, name, "damaged image")
        if touched is not None:
            yield touched

    def _image(self, folder: StagedFolder, name: str) -> Touched | None:
        table = self._edit.schema.table
        image_type = table.by_file_name(name)
        if image_type is not None and (image_type.name != "STATS" or name in _STATISTICS):
            self._scrubber.counts.clear()
            changed = self._edit.rewrite(name, lambda entries: map(self._scrubber.entry, entries))
            return Touched(name, told(self._scrubber.counts)) if changed else None
        raw = table.raw_by_file_name(name) if image_type is None else None
        action = raw_action(raw.name) if raw is not None else None
        if action is None:
            return _removed(folder, name)
        return action(RawFile(folder, name, self._pseudonyms.names, self._limits))

    def _statistics(self, folder: StagedFolder, name: str) -> Touched | None:
        """Scrub statistics, which engines have beside the images; all else is removed."""
        if name not in _STATISTICS or folder.size(name) > _LARGEST_STATISTICS:
            return _removed(folder, name)
        self._scrubber.counts.clear()
        with folder.open(name) as file:
            image = load(file, schema=self._edit.schema, file_name=name)
            if image.type.name != "STATS":
                raise ImageError(f"expected an image of type STATS, found {image.type.name}")
            image.entries[:] = map(self._scrubber.entry, image.entries)
            with folder.write(name) as output:
                dump(image, output)
        counts = self._scrubber.counts
        return Touched(name, told(counts)) if counts.total() else None


def _require_plain_folders(edit: Edit) -> None:
    """Raise DyncritError for what an edit can't reach: it would stay as it is."""
    checkpoint = edit.checkpoint
    location = checkpoint.location
    advice = "write an anonymized copy instead (-o)"
    if location.kind != "directory":
        raise DyncritError(
            f"an archive keeps more than files, which can't be scrubbed in place; {advice}", checkpoint.name
        )
    for tree, own in ((location.images, set()), (location.outer, {_base(location.images.name)})):
        directory = getattr(tree, "directory", None)
        if tree is None or directory is None:
            continue
        left = {entry.name for entry in directory.iterdir()} - {*tree.names(), PARENT} - own
        if left:
            shown = ", ".join(sorted(left)[:6])
            raise DyncritError(
                f"has folders or links that can't be scrubbed in place: {shown}; {advice}", tree.name
            )


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _removed(folder: StagedFolder, name: str, what: str = "file") -> Touched:
    size = folder.size(name)
    folder.remove(name)
    return Touched(name, what, f"{size} bytes")
