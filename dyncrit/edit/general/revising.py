"""Lets a person change an image's document in an editor, until it fits or is given up."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dyncrit.edit.general.documents import shown_image, write_image
from dyncrit.errors import DocumentError, DyncritError
from dyncrit.jsonio.reader import DocumentReader
from dyncrit.jsonio.writer import DocumentWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit

_PIECE_SIZE = 1 << 20
_HINTS = (
    "The image is changed when this is saved; it is left alone if it is saved as it was, or empty.",
    "Lines on top that begin with # are left out.",
)


class EditorError(DyncritError):
    """An editor that can't be run, or whose result was given up; a text that was changed is kept."""


@contextmanager
def revising(editor: Callable[[Path], None]) -> Iterator[Callable[[Edit, str], bool]]:
    """Gives :func:`revise_image` without its editor; whatever fails until the block ends, the text is kept.

    It is to be opened around the edit, so that a change that can't be made loses nothing. A text that was
    changed goes to a private file; DyncritError and OSError say where at their ends, others in a note.
    """
    with tempfile.TemporaryDirectory(prefix="dyncrit-") as folder:
        sessions: list[_Session] = []

        def revise(edit: Edit, name: str) -> bool:
            sessions.append(_Session(edit, name, Path(folder) / str(len(sessions))))
            return sessions[-1].revise(editor)

        try:
            yield revise
        except BaseException as error:
            for session in sessions:
                _tell(error, session.rescued())
            raise


def revise_image(edit: Edit, name: str, editor: Callable[[Path], None]) -> bool:
    """Have an image's pretty document changed by ``editor``, which is given its file; says if any changed.

    A document with a mistake is given to the editor again, with the error on top. Nothing is changed where
    it is left as it was, or emptied. A mistake that is left as it is ends all: EditorError says where the
    text is kept, and so it does if the editor raises one. Raises ImageError where the image is damaged.
    Once it is back, the text is gone: :func:`revising` has it until the edit is made.
    """
    with revising(editor) as revise:
        return revise(edit, name)


class _Session:
    """A text that goes to the editor and back; ``mistake`` is what was wrong with it the last time."""

    def __init__(self, edit: Edit, name: str, folder: Path) -> None:
        self._edit = edit
        self._name = name
        self._file = folder / f"{name}.json"
        self._text = folder / "text"
        self._mistaken = folder / "mistaken"
        self._original = self._content = self._last = b""
        self._presented = b""  # the file that the editor has, until it is taken back
        self._is_kept = False
        self.mistake = ""

    @property
    def is_changed(self) -> bool:
        """Whether there is a text, and another than at the beginning."""
        return self._content not in (b"", self._original)

    @property
    def is_given_up(self) -> bool:
        """Whether there was a mistake, and the text was emptied or left as it is."""
        return bool(self.mistake) and self._content in (b"", self._last)

    def revise(self, editor: Callable[[Path], None]) -> bool:
        """Go on until a text fits or is given up, as :func:`revise_image` says."""
        self._file.parent.mkdir()
        self.begin()
        while True:
            self.run(editor)
            if self.is_given_up:
                raise EditorError(f"given up, nothing was changed: {self.mistake}{self.kept()}", self._name)
            if not self.is_changed:
                return False
            changed = self.apply()
            if changed is not None:
                return changed

    def begin(self) -> None:
        """Make the text."""
        with self._text.open("wb") as file, shown_image(self._edit, self._name, pretty=True) as shown:
            writer = DocumentWriter(file, pretty=True)
            writer.begin(shown.header)
            for batch in shown.batches:
                writer.entries(batch)
            writer.end()
        self._original = _digest(self._text)
        self._present(self._text, _HINTS)

    def run(self, editor: Callable[[Path], None]) -> None:
        """Let the editor have the text, and take it back."""
        try:
            editor(self._file)
        except EditorError as error:
            self._collect()
            kept = self.kept() if self.is_changed or self.mistake else ""
            raise EditorError(f"{error.problem}; nothing was changed{kept}", *error.place) from None
        if not self._file.is_file():
            raise EditorError("the file that was to be edited is gone; nothing was changed", self._name)
        self._collect()

    def apply(self) -> bool | None:
        """Put the text in place of the image's entries; says if that changed any, None if it doesn't fit."""
        try:
            with self._text.open("rb") as file:
                reader = DocumentReader(file)
                return write_image(self._edit, self._name, reader.header, reader.entries())
        except DocumentError as error:
            self.mistake = str(self._with_line(error, 0))
            heads = (f"{self._name} was not changed:", str(self._with_line(error, 2 + len(_HINTS))))
        self._last = self._content
        self._text.replace(self._mistaken)
        self._present(self._mistaken, (*heads, *_HINTS))
        return None

    def kept(self) -> str:
        """Move the text to where it stays; gives the end of an error that says so."""
        is_new = self._text.exists() and self.is_changed
        return self._keep(self._text if is_new or not self._mistaken.exists() else self._mistaken)

    def rescued(self) -> str:
        """As ``kept``, after any failure; empty if it is kept already, or if there is nothing to keep."""
        if self._is_kept:
            return ""
        if self._presented and self._file.is_file() and _digest(self._file) not in (b"", self._presented):
            return self._keep(self._file)  # what the editor left wasn't taken back as a whole
        return self.kept() if self.is_changed or self.mistake else ""

    def _keep(self, source: Path) -> str:
        """Move a file, which needs no room where the device is full, out of the folder that will go."""
        path = Path(tempfile.gettempdir(), f"dyncrit-{os.urandom(8).hex()}-{self._name}.json")
        source.chmod(0o600)
        source.rename(path)
        self._is_kept = True
        return f" (the text is kept in {path})"

    def _present(self, source: Path, comments: tuple[str, ...]) -> None:
        """Write the editor's file: comments, and a text."""
        with source.open("rb") as text, self._file.open("wb") as file:
            for comment in comments:
                line = "".join(char if char.isprintable() else " " for char in comment)
                file.write(f"# {line}\n".encode("utf-8", "backslashreplace"))
            shutil.copyfileobj(text, file, _PIECE_SIZE)
        self._presented = _digest(self._file)

    def _collect(self) -> None:
        """Take the text without comments out of the editor's file."""
        if not self._file.is_file():
            self._text.write_bytes(b"")
            self._content = self._presented = b""
            return
        with self._file.open("rb") as file, self._text.open("wb") as text:
            _skip_comments(file)
            shutil.copyfileobj(file, text, _PIECE_SIZE)
        self._content = _digest(self._text)
        self._presented = b""

    def _with_line(self, error: DocumentError, before: int) -> DocumentError:
        """An error with a line in place of the byte in the text; ``before`` are the lines on top of it."""
        match = re.fullmatch("byte ([0-9]+)", error.place[0]) if error.place else None
        if match is None:
            return error
        with self._text.open("rb") as file:
            left = int(match[1])
            while left and (piece := file.read(min(left, _PIECE_SIZE))):
                before += piece.count(b"\n")
                left -= len(piece)
        return DocumentError(error.problem, f"line {before + 1}", *error.place[1:])


def _tell(error: BaseException, kept: str) -> None:
    """Put where a text is kept at the end of what an error says."""
    if not kept:
        return
    if isinstance(error, DyncritError):
        error.problem += kept
    elif isinstance(error, OSError) and error.strerror:
        error.strerror += kept
    else:
        error.add_note(kept.strip(" ()"))


def _skip_comments(file: BinaryIO) -> None:
    """Read on to behind the lines on top that begin with #."""
    start = 0
    while file.read(1) == b"#":
        while (piece := file.readline(_PIECE_SIZE)) and not piece.endswith(b"\n"):
            pass
        start = file.tell()
    file.seek(start)


def _digest(path: Path) -> bytes:
    """A hash of a file's content; empty if it is blank."""
    digest = hashlib.blake2b()
    is_blank = True
    with path.open("rb") as file:
        while piece := file.read(_PIECE_SIZE):
            digest.update(piece)
            is_blank = is_blank and piece.isspace()
    return b"" if is_blank else digest.digest()
