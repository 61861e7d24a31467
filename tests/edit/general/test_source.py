from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.general.source import is_checkpoint, open_source
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path


def test_directories_and_archives_are_checkpoints_and_images_are_not(data: Path) -> None:
    archive = data / "archives/podman-5.8-loop.tar.zst"
    assert is_checkpoint(data / "demo/tree")
    assert is_checkpoint(archive)
    for image in (data / "demo/tree/files.img", data / "demo/tree/pages-1.img", archive / "files.img"):
        assert not is_checkpoint(image)


def test_an_image_is_the_only_name(data: Path) -> None:
    with open_source(data / "demo/tree/files.img") as reading:
        assert (reading.name, reading.names) == ("files.img", ["files.img"])
    with open_source(data / "archives/podman-5.8-loop.tar.zst/files.img") as reading:
        assert reading.names == ["files.img"]
    with open_source(data / "demo/tree") as reading:
        assert reading.name is None
        assert {"files.img", "pages-1.img"} <= set(reading.names)


def test_a_damaged_image_is_one(data: Path, tmp_path: Path) -> None:
    (tmp_path / "files.img").write_bytes((data / "demo/tree/files.img").read_bytes()[:6])
    assert not is_checkpoint(tmp_path / "files.img")


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_source(tmp_path / "nope"):
        pass
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(DyncritError), open_source(tmp_path / "text"):
        pass
