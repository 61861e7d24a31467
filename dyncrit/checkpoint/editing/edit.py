"""An edit: changes of a checkpoint's images that are made all together, or not at all."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dyncrit.checkpoint.editing.staged import StagedFolder
from dyncrit.checkpoint.images import read_image_frame
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.codec.writer import ImageWriter
from dyncrit.entry import Entry
from dyncrit.errors import DocumentError, DyncritError, ImageError, located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.writing.changes import FileChange
    from dyncrit.codec.framing import Frame

    Transform = Callable[[Iterator[Entry]], Iterator[Entry]]


class Edit:
    """A change of a checkpoint, made when the block of ``with checkpoint.edit() as edit:`` ends.

    ``checkpoint`` is as it was before; ``images`` is the folder of its images as it will be, ``outer`` that
    of the container engine's files beside them, or None. Parents of an incremental one are never changed.
    What is staged within a :meth:`savepoint` is so as a whole, or not at all where that raises.
    """

    def __init__(self, checkpoint: Checkpoint, *, dry_run: bool = False) -> None:
        self.checkpoint = checkpoint
        self.schema = checkpoint.schema
        self.dry_run = dry_run
        self._location = location = checkpoint.location
        self.images = StagedFolder(location.images, self._staging)
        self.outer = StagedFolder(location.outer, self._staging) if location.outer is not None else None
        self._folder: Path | None = None
        self._in_work: set[str] = set()
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cleanup:
            if kind is None and not self.dry_run:
                self._commit()
                self.checkpoint.was_changed()

    @property
    def changes(self) -> list[FileChange]:
        """The files that are new, changed or removed so far."""
        return [*self.images.changes, *(self.outer.changes if self.outer is not None else ())]

    def entries(self, name: str) -> Iterator[Entry]:
        """The entries of an image as it stands now, one by one; none if it isn't there.

        Payloads of over 1 MiB can be read only as long as the iteration lasts. Raises ImageError where the
        image is damaged: what can't be read as a whole is not to be written again.
        """
        if name not in self.images:
            return
        with self.images.open(name) as file, located(self.images.path(name)):
            source = Source(file, self.images.path(name))
            frame = read_image_frame(source, name, self.schema)
            yield from self._entries(source, frame)

    def rewrite(self, name: str, transform: Transform) -> bool:
        """Put an image's entries through ``transform``, which changes, drops or adds some.

        Tells whether anything came out different. Entries whose message is left as it was keep their bytes;
        an image that isn't there is left alone. Raises ImageError where the image is damaged, DocumentError
        for a message that contradicts its payload.
        """
        if name not in self.images:
            return False
        before = self.images.staged(name)
        place = self.images.path(name)
        with self._working_on(name), self.images.open(name) as file, located(place):
            source = Source(file, place)
            frame = read_image_frame(source, name, self.schema)
            writer = ImageWriter(frame, codecs_for(self.schema, Style(byte_order=frame.byte_order)))
            with self.images.write(name) as output:
                output.write(writer.head())
                for index, entry in enumerate(transform(self._entries(source, frame))):
                    try:
                        layout = frame.image_type.record(index).payload
                        output.writelines(writer.entry(index, entry.record, entry.as_payload(layout)))
                    except DocumentError as error:
                        raise error.within(f"entries[{index}]") from None
        return self.images.staged(name) != before

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Takes back what was staged within the block if that raises; what was before stays staged."""
        with self.images.savepoint(), self.outer.savepoint() if self.outer is not None else nullcontext():
            yield

    def preview(self) -> Checkpoint:
        """The checkpoint as it will be, with all views; not to be closed, and to be used within the block."""
        from dyncrit.checkpoint.checkpoint import Checkpoint

        location = self._location._replace(images=self.images, outer=self.outer)
        preview = Checkpoint(location, self.schema)
        preview.parent, preview.no_parent = self.checkpoint.parent, self.checkpoint.no_parent
        return preview

    @contextmanager
    def _working_on(self, name: str) -> Iterator[None]:
        if name in self._in_work:
            raise DyncritError("is being rewritten; that must end before the next", self.images.path(name))
        self._in_work.add(name)
        try:
            yield
        finally:
            self._in_work.remove(name)

    def _entries(self, source: Source, frame: Frame) -> Iterator[Entry]:
        for item in ImageReader(source, frame).entries():
            entry = Entry.from_record(item.record, item.layout, item.payload, self.schema, "")
            try:
                _ = entry.message
            except ImageError as error:
                raise error.within(f"entry {item.position} at byte {item.offset}") from None
            yield entry

    def _staging(self) -> Path:
        """The folder for new contents: beside the checkpoint, or anywhere if nothing is to be written."""
        if self._folder is None:
            if self.dry_run:
                folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="dyncrit-"))
                self._folder = Path(folder)
            else:
                from dyncrit.checkpoint.writing.commit import staging_folder

                self._folder = self._cleanup.enter_context(staging_folder(self._path(), self._location))
        return self._folder

    def _commit(self) -> None:
        if changes := self.changes:
            from dyncrit.checkpoint.writing.commit import commit

            def require_unchanged() -> None:
                for folder in (self.images, self.outer):
                    if folder is not None:
                        folder.require_unchanged()

            commit(self._path(), self._location, changes, self._staging(), require_unchanged)

    def _path(self) -> Path:
        if self.checkpoint.path is None:
            raise DyncritError(
                "was opened as the parent of another; open it by itself to change it", self.checkpoint.name
            )
        return self.checkpoint.path
