"""The JSON files that container engines put beside images: read, searched, and changed with all else kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.documents import MAX_DOCUMENT_SIZE, parse_document
from dyncrit.checkpoint.fields import decode
from dyncrit.checkpoint.writing.json_text import splice
from dyncrit.edit.touched import Touched
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.editing.staged import StagedFolder


class EngineFile(NamedTuple):
    """A file of an engine's in a folder that is changed."""

    folder: StagedFolder
    name: str

    @property
    def is_large(self) -> bool:
        """Whether it has over 64 MiB, more than is ever changed."""
        return self.folder.size(self.name) > MAX_DOCUMENT_SIZE

    def text(self) -> str:
        """Its text as it stands now; raises ImageError where it has over 64 MiB."""
        if self.is_large:
            size = self.folder.size(self.name)
            problem = f"JSON of {size} bytes, more than the {MAX_DOCUMENT_SIZE} that are read"
            raise ImageError(problem, self.folder.path(self.name))
        return decode(bytes(self.folder.view(self.name)))

    def valid_text(self) -> str | None:
        """Its text, if it is JSON in UTF-8 that can be read; raises as :meth:`text`."""
        text = self.text()
        try:
            text.encode()
            json.loads(text)
        except (ValueError, RecursionError):
            return None
        return text

    def document(self) -> object:
        """What it says; raises ImageError where it is no JSON, or has over 64 MiB."""
        return parse_document(self.folder.view(self.name), self.name)

    def write(self, text: str) -> None:
        """Give it another text."""
        self._write(text.encode("utf-8", "surrogateescape"))

    def set_values(self, values: Mapping[tuple[str, ...], object]) -> None:
        """Set the values at these keys, all of which are there; not one byte besides changes."""
        self._write(splice(bytes(self.folder.view(self.name)), {(*keys,): values[keys] for keys in values}))

    def _write(self, data: bytes) -> None:
        with self.folder.write(self.name) as file:
            file.write(data)


def engine_file(edit: Edit, name: str) -> EngineFile | None:
    """The file of this name beside the images; None where there is none."""
    return EngineFile(edit.outer, name) if edit.outer is not None and name in edit.outer else None


def engine_text(edit: Edit, name: str) -> str:
    """The text of an engine's file, empty where there is none; raises as :meth:`EngineFile.text`."""
    file = engine_file(edit, name)
    return "" if file is None else file.text()


def json_files(edit: Edit) -> Iterator[EngineFile]:
    """The files that look like JSON, beside the images and among them, where runc's stand."""
    for folder in (edit.images, edit.outer):
        for name in folder.names() if folder is not None else ():
            if folder is not None and not name.endswith(".img") and _is_like_json(folder, name):
                yield EngineFile(folder, name)


def engine_notes(name: str, values: Iterable[str]) -> Iterator[Touched]:
    """Tell of values in an engine's file that stay as they are: of each once, of some at most."""
    for value in list(dict.fromkeys(values))[:_MOST_TOLD]:
        yield Touched(name, "the engine's settings name it too, and stay as they are", value, value)


_STARTS = (b"{", b"[")
_HEAD_SIZE = 4096
_MOST_TOLD = 4


def _is_like_json(folder: StagedFolder, name: str) -> bool:
    with folder.open(name) as file:
        return file.read(_HEAD_SIZE).lstrip(b" \t\r\n").startswith(_STARTS)
