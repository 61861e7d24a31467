"""A lone image, or one in an archive, opened to be changed."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.opening import edit_image, open_image
from dyncrit.errors import DyncritError, ImageError
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.entry import Entry


@pytest.fixture
def image(data: Path, tmp_path: Path) -> Path:
    """An image with no others beside it."""
    folder = tmp_path / "lone"
    folder.mkdir()
    return Path(shutil.copy(data / "demo/tree/core-9834.img", folder))


@pytest.fixture
def archive(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(data / "archives/podman-4.3-app.tar.gz", tmp_path))


def renamed(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        entry.message.tc.comm = "renamed"
        yield entry


def comm(path: Path) -> str:
    return load(path).entries[0].message.tc.comm


def test_a_lone_image_is_changed_and_nothing_else_is_made(image: Path) -> None:
    with edit_image(image) as (edit, name):
        assert name == "core-9834.img"
        assert edit.rewrite(name, renamed)
        assert comm(image) == "tree"
    assert comm(image) == "renamed"
    assert [path.name for path in image.parent.iterdir()] == ["core-9834.img"]


def test_a_dry_run_changes_nothing(image: Path) -> None:
    before = image.read_bytes()
    with edit_image(image, dry_run=True) as (edit, name):
        assert edit.rewrite(name, renamed)
        assert [item.name for item in edit.changes] == [name]
    assert image.read_bytes() == before


def test_it_may_be_named_from_where_it_stands(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image.parent)
    with edit_image(image.name) as (edit, name):
        edit.rewrite(name, renamed)
    assert comm(image) == "renamed"


def test_an_image_of_another_name_than_criu_gives_it_is_changed_too(image: Path) -> None:
    other = image.rename(image.with_name("my core"))
    with edit_image(other) as (edit, name):
        assert edit.rewrite(name, renamed)
    assert comm(other) == "renamed"


@pytest.mark.parametrize("target", ["core-9834.img", "../lone/core-9834.img", "absolute"])
def test_through_a_link_the_file_that_it_leads_to_is_changed(image: Path, target: str) -> None:
    far = image.parent.parent / "links"
    far.mkdir()
    link = (image.parent if target == "core-9834.img" else far) / "link.img"
    link.symlink_to(image if target == "absolute" else target)
    with edit_image(link) as (edit, name):
        assert edit.rewrite(name, renamed)
    assert link.is_symlink()
    assert comm(image) == "renamed"


def test_an_image_in_an_archive_is_found_by_its_name(archive: Path) -> None:
    with edit_image(archive / "core-1.img", dry_run=True) as (edit, name):
        assert edit.rewrite(name, renamed)
        assert edit.preview().processes[1].comm == "renamed"


def test_an_image_in_an_archive_is_changed(archive: Path) -> None:
    with edit_image(archive / "core-1.img") as (edit, name):
        edit.rewrite(name, renamed)
    with open_checkpoint(archive) as checkpoint:
        assert checkpoint.processes[1].comm == "renamed"


@pytest.mark.parametrize("path", ["none.img", "none/core-9834.img", "lone/none.img", "x" * 300])
def test_what_is_not_there_is_an_os_error_that_names_it(image: Path, tmp_path: Path, path: str) -> None:
    problem = "No such file|File name too long"
    with pytest.raises(OSError, match=problem) as caught, edit_image(tmp_path / path, dry_run=True):
        pass
    assert str(caught.value.filename).startswith(str(tmp_path))


def test_an_image_that_an_archive_lacks_is_an_error_that_names_both(archive: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, edit_image(archive / "none.img", dry_run=True):
        pass
    assert str(caught.value.filename) == f"{archive}/checkpoint/none.img"


def test_a_folder_is_no_image(image: Path) -> None:
    with pytest.raises(IsADirectoryError, match="A directory, not an image"), edit_image(image.parent):
        pass


def test_a_link_that_leads_nowhere_or_in_circles_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "nowhere.img").symlink_to("none")
    (tmp_path / "circle.img").symlink_to("circle.img")
    for name in ("nowhere.img", "circle.img"):
        with pytest.raises(OSError, match=r"No such file|links"), edit_image(tmp_path / name, dry_run=True):
            pass


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.img")
    with pytest.raises((OSError, ImageError)), edit_image(tmp_path / "pipe.img", dry_run=True):
        pass


def test_what_is_in_a_file_that_is_no_archive_is_an_error(image: Path) -> None:
    with pytest.raises(DyncritError, match="one image"), edit_image(image / "x.img", dry_run=True):
        pass


def test_nothing_is_changed_where_the_block_raises(image: Path) -> None:
    before = image.read_bytes()

    def fail() -> None:
        with edit_image(image) as (edit, name):
            edit.rewrite(name, renamed)
            raise KeyError(name)

    with pytest.raises(KeyError):
        fail()
    assert image.read_bytes() == before
    assert [path.name for path in image.parent.iterdir()] == ["core-9834.img"]


def test_the_schema_may_be_chosen(tmp_path: Path) -> None:
    old = Schema.release("1.0")
    pages = Image.new("PAGEMAP", schema=old)
    pages.add(pages_id=1)
    pages.add(vaddr=0, nr_pages=1)
    dump(pages, tmp_path / "pagemap-1.img")
    with edit_image(tmp_path / "pagemap-1.img", schema=old, dry_run=True) as (edit, name):
        (entry,) = itertools.islice(edit.entries(name), 1, None)
        assert entry.message.nr_pages == 1
        assert edit.schema is old


def test_an_image_can_be_opened_to_be_read_only(image: Path) -> None:
    with open_image(image) as (checkpoint, name):
        (message,) = checkpoint.images.messages(name)
        assert message.tc.comm == "tree"
