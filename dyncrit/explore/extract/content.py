"""Contents of payloads, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.codec.payload import Content
    from dyncrit.entry import Entry
    from dyncrit.explore.extract.output import SparseFile, Write


def pieces(content: Content) -> Iterator[bytes]:
    """The bytes of a payload; those of a large one only while its entry is the one that was read last."""
    return iter((content,)) if isinstance(content, bytes) else content.pieces()


def size_of(content: Content) -> int:
    """How many bytes there are."""
    return len(content) if isinstance(content, bytes) else content.size


def content_of(entry: Entry) -> Content:
    """The bytes behind a message; none where it says so."""
    return b"" if entry.payload is None else entry.data


def copy_of(content: Callable[[], Iterable[bytes]]) -> Write:
    """What writes all of ``content``, from the beginning of a file."""

    def write(file: SparseFile) -> tuple[str, ...]:
        for piece in content():
            file.write(piece)
        return ()

    return write


def check_whole(checkpoint: Checkpoint, image: str) -> None:
    """Raise ImageError if an image that was read is damaged: there may have been more in it."""
    for problem in checkpoint.problems.errors:
        if problem.place == image:
            raise ImageError(problem.text)
