"""Where a checkpoint stands: bare images, an engine's folder around them, one folder more."""

from __future__ import annotations

import shutil

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.location import locate
from dyncrit.errors import DyncritError, ImageError


def test_a_directory_of_images_is_a_checkpoint(build):
    dump = build()
    location = locate(dump.folder)
    assert (location.kind, location.images.name, location.outer) == ("directory", str(dump.folder), None)
    assert location.root is location.images


def test_a_directory_laid_out_like_podmans_archive_is_one_too(build, tmp_path):
    build("archive/checkpoint")
    (tmp_path / "archive" / "config.dump").write_text("{}")
    location = locate(tmp_path / "archive")
    assert location.images.name == str(tmp_path / "archive" / "checkpoint")
    assert location.outer is not None
    assert location.outer.names() == ["config.dump"]


def test_pre_checkpoints_have_a_folder_of_another_name(build, tmp_path):
    build("archive/pre-checkpoint")
    assert locate(tmp_path / "archive").images.name.endswith("/pre-checkpoint")


def test_the_checkpoint_goes_before_the_pre_checkpoint_beside_it(build, tmp_path):
    build("archive/pre-checkpoint")
    build("archive/checkpoint")
    assert locate(tmp_path / "archive").images.name.endswith("archive/checkpoint")


def test_a_directory_around_is_looked_through(build, tmp_path):
    build("one/two/checkpoint")
    (tmp_path / "one" / "two" / "spec.dump").write_text("{}")
    location = locate(tmp_path / "one")
    assert location.images.name == str(tmp_path / "one/two/checkpoint")
    assert location.outer is not None
    assert location.root.name == str(tmp_path / "one")


def test_a_pre_dump_without_a_process_tree_is_a_checkpoint(build):
    dump = build().pagemap(1).remove("inventory.img")
    with dump.open() as checkpoint:
        assert not checkpoint.is_full
        assert list(checkpoint.processes) == []


def test_a_single_image_beside_the_tree_is_enough(build):
    dump = build().pstree((1, 0)).remove("inventory.img")
    assert len(dump.open().processes) == 1


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "found nothing"),
        (["readme.txt"], "found readme.txt"),
        (["a", "b", "sub/c"], "found a, b, sub/"),
        ([f"file{number}" for number in range(9)], "file5, ..."),
        (["checkpoint/readme.txt", "x"], "found x, checkpoint/"),
    ],
)
def test_what_is_no_checkpoint_is_an_error_that_says_what_was_expected_and_found(tmp_path, names, found):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    with pytest.raises(ImageError) as caught:
        open_checkpoint(folder)
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert "expected inventory.img" in text
    assert found in text


def test_folders_within_folders_are_not_searched_for_ever(tmp_path):
    (tmp_path / "/".join("abcdefgh")).mkdir(parents=True)
    with pytest.raises(ImageError, match="no checkpoint"):
        open_checkpoint(tmp_path / "a")


def test_a_path_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / "nothing")


def test_a_single_image_is_no_checkpoint(corpus):
    with pytest.raises(DyncritError):
        open_checkpoint(corpus / "demo/tree/pstree.img")


def test_a_folder_that_is_a_link_out_is_not_entered(build, tmp_path):
    build("elsewhere")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "checkpoint").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ImageError, match="no checkpoint"):
        locate(tmp_path / "archive")


def test_the_real_demo_is_found_with_a_folder_around_it(corpus, tmp_path):
    shutil.copytree(corpus / "demo/tree", tmp_path / "unpacked" / "checkpoint")
    with open_checkpoint(tmp_path / "unpacked") as checkpoint:
        assert len(checkpoint.processes) == 4
