"""What tests of general editing share: an image in an edit, which is never written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.edit.opening import edit_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit


class Edited:
    """An image that is being edited."""

    def __init__(self, edit: Edit, name: str) -> None:
        self.edit = edit
        self.name = name

    @property
    def bytes(self) -> bytes:
        with self.edit.images.open(self.name) as file:
            return file.read()

    def document(self, *, pretty: bool = True) -> dict[str, object]:
        return dyncrit.loads(self.bytes, file_name=self.name).to_dict(pretty=pretty)

    @property
    def entries(self) -> list[dict[str, object]]:
        return self.document()["entries"]


@pytest.fixture
def edited() -> Callable[[Path], AbstractContextManager[Edited]]:
    """Opens an image for a dry run."""

    @contextmanager
    def open_it(path: Path) -> Iterator[Edited]:
        with edit_image(path, dry_run=True) as (edit, name):
            yield Edited(edit, name)

    return open_it


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    """Makes an image of any type from entries' documents."""

    def make(name: str, type_name: str, *entries: dict[str, object]) -> Path:
        path = tmp_path / name
        dyncrit.dump(dyncrit.Image.from_dict({"magic": type_name, "entries": list(entries)}), path)
        return path

    return make
