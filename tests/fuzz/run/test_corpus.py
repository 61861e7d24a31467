from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.corpus import CorpusError, CorpusLimits, read_corpus
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema.default()


def test_images_are_found_in_all_subfolders_and_raw_files_are_not(data: Path) -> None:
    corpus = read_corpus(data, SCHEMA)
    names = {seed.case.name for seed in corpus.seeds}
    assert {"inventory.img", "pstree.img", "mm-1.img"} <= names
    assert not any(name.startswith("pages-") for name in names)
    assert [seed.source for seed in corpus.seeds] == [seed.source for seed in read_corpus(data, SCHEMA).seeds]
    assert all(seed.case.files[seed.case.name] == (data / seed.source).read_bytes() for seed in corpus.seeds)
    assert any("raw" in text for text in corpus.left_out)


def test_checkpoints_are_folders_with_images_raw_files_included(data: Path) -> None:
    corpus = read_corpus(data, SCHEMA, checkpoints=True)
    folders = {seed.source: seed.case for seed in corpus.seeds}
    assert all(case.is_checkpoint for case in folders.values())
    case = folders["criu-4.2/programs/uns-ipc"]
    assert set(case.files) == {
        path.name for path in (data / "criu-4.2/programs/uns-ipc").iterdir() if path.is_file()
    }


def test_a_damaged_image_is_taken_and_notes_are_not(tmp_path: Path, data: Path) -> None:
    whole = (data / "criu-4.2/programs/uns-ipc/pstree.img").read_bytes()
    (tmp_path / "pstree.img").write_bytes(whole[:-1])
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "pstree.img.mutation.json").write_text("{}")
    (seed,) = read_corpus(tmp_path, SCHEMA).seeds
    assert (seed.source, seed.anatomy) == ("pstree.img", None)


def test_what_is_too_much_is_left_out_and_told(tmp_path: Path, data: Path) -> None:
    whole = (data / "criu-4.2/programs/uns-ipc/pstree.img").read_bytes()
    for number in range(4):
        (tmp_path / f"{number}.img").write_bytes(whole)
    (tmp_path / "large.img").write_bytes(bytes(1000))
    corpus = read_corpus(tmp_path, SCHEMA, limits=CorpusLimits(file_size=999, count=3))
    assert len(corpus.seeds) == 3
    assert corpus.left_out == (".: what comes behind the first 3",)
    corpus = read_corpus(tmp_path, SCHEMA, limits=CorpusLimits(file_size=999, total=2 * len(whole)))
    assert len(corpus.seeds) == 2
    assert (
        "large.img: over 999 bytes"
        in read_corpus(tmp_path, SCHEMA, limits=CorpusLimits(file_size=999)).left_out
    )


def test_links_and_pipes_are_left_alone(tmp_path: Path, data: Path) -> None:
    (tmp_path / "pstree.img").write_bytes((data / "criu-4.2/programs/uns-ipc/pstree.img").read_bytes())
    (tmp_path / "link.img").symlink_to(tmp_path / "pstree.img")
    os.mkfifo(tmp_path / "pipe.img")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(read_corpus(tmp_path, SCHEMA).seeds) == 1


@pytest.mark.parametrize("checkpoints", [False, True])
def test_a_corpus_without_anything_is_an_error(tmp_path: Path, checkpoints: bool) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        read_corpus(tmp_path / "nothing", SCHEMA, checkpoints=checkpoints)
    with pytest.raises(CorpusError, match="the corpus has no"):
        read_corpus(tmp_path, SCHEMA, checkpoints=checkpoints)
    (tmp_path / "words").write_text("no image at all, but words")
    with pytest.raises(CorpusError, match="the corpus has no"):
        read_corpus(tmp_path, SCHEMA, checkpoints=checkpoints)
    with pytest.raises(CorpusError, match="is no folder"):
        read_corpus(tmp_path / "words", SCHEMA, checkpoints=checkpoints)
