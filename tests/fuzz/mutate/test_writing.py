from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit import DyncritError, RawImageError
from dyncrit.fuzz.mutate import folder as folders
from dyncrit.fuzz.mutate.explaining import explain
from dyncrit.fuzz.mutate.record import SUFFIX, MutationRecord, sidecar_of
from dyncrit.fuzz.mutate.writing import MutantPlan, write_mutants

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def image(tmp_path: Path, core: bytes) -> Path:
    path = tmp_path / "core-1.img"
    path.write_bytes(core)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path, core: bytes, pstree: bytes, pipes: bytes) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name, data in (("core-1.img", core), ("pstree.img", pstree), ("pipes-data.img", pipes)):
        (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("no image")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their paths; sidecars without their source's path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_image_gives_images_with_sidecars(image, tmp_path, schema) -> None:
    paths = list(write_mutants(image, tmp_path / "out", schema, MutantPlan(12, seed=3)))
    assert [path.name for path in paths] == [f"{index:04}.img" for index in range(12)]
    assert len(contents(tmp_path / "out")) == 24
    for path in paths:
        explained = explain(path)
        assert (explained.result, explained.source) == ("same", "same")
        assert explained.record.source == str(image)
        assert path.read_bytes() != image.read_bytes() or len(explained.record.steps) > 1


def test_numbers_have_as_many_digits_as_the_last_one(image, tmp_path, schema) -> None:
    mutants = write_mutants(image, tmp_path / "out", schema, MutantPlan(10_001))
    assert next(mutants).name == "00000.img"


def test_the_same_seed_gives_the_same_files_and_another_one_others(checkpoint, tmp_path, schema) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        list(write_mutants(checkpoint, tmp_path / name, schema, MutantPlan(10, seed=seed)))
    first, second, third = (contents(tmp_path / name) for name in "abc")
    assert first == second
    assert first != third


def test_more_of_a_seed_begins_with_the_same(image, tmp_path, schema) -> None:
    list(write_mutants(image, tmp_path / "few", schema, MutantPlan(5)))
    list(write_mutants(image, tmp_path / "many", schema, MutantPlan(9)))
    assert contents(tmp_path / "few").items() <= contents(tmp_path / "many").items()


def test_a_directory_gives_checkpoints_whose_other_files_are_as_they_were(
    checkpoint, tmp_path, schema
) -> None:
    before = contents(checkpoint)
    for path in write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(30)):
        explained = explain(path)
        assert (explained.result, explained.source) == ("same", "same")
        after = contents(path)
        changed = {name for name in before.keys() | after if before.get(name) != after.get(name)}
        assert len(changed) <= 2  # two where they were exchanged
    assert contents(checkpoint) == before
    assert sidecar_of(tmp_path / "out" / "0000").name == "0000.mutation.json"


def test_what_is_written_to_a_mutant_leaves_the_original_alone(checkpoint, tmp_path, schema) -> None:
    before = contents(checkpoint)
    for path in write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(3)):
        for file in path.iterdir():
            with file.open("r+b") as opened:
                opened.write(b"overwritten")
    assert contents(checkpoint) == before


def test_large_files_are_links_and_are_never_changed(checkpoint, tmp_path, schema, monkeypatch) -> None:
    monkeypatch.setattr(folders, "LARGE", 2 << 20)
    with (checkpoint / "pages-1.img").open("wb") as file:
        file.truncate(3 << 20)
    (checkpoint / "pages-2.img").write_bytes(bytes(2 << 20))
    plan = MutantPlan(20, layers=["checkpoint"], weights={"lost-image": 0})
    names = set()
    for path in write_mutants(checkpoint, tmp_path / "out", schema, plan):
        explained = explain(path)
        assert explained.result == "same"
        assert (path / "pages-1.img").samefile(checkpoint / "pages-1.img")
        names |= {step.place.split()[0] for step in explained.record.steps}
    assert "pages-1.img" not in names


def test_large_files_are_copied_where_links_cannot_be_made(checkpoint, tmp_path, schema, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (checkpoint / "pages-1.img").write_bytes(bytes(folders.LARGE + 1))
    (path,) = write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(1, weights={"lost-image": 0}))
    assert (path / "pages-1.img").read_bytes() == bytes(folders.LARGE + 1)
    assert explain(path).result == "same"


def test_the_link_to_a_parent_leads_to_the_same_place(checkpoint, tmp_path, schema) -> None:
    (tmp_path / "pre").mkdir()
    (checkpoint / "parent").symlink_to("../pre")
    (tmp_path / "deeper").mkdir()
    (path,) = write_mutants(checkpoint, tmp_path / "deeper" / "out", schema, MutantPlan(1))
    assert (path / "parent").resolve() == tmp_path / "pre"


def test_links_that_lead_out_of_the_directory_are_left_out(checkpoint, image, tmp_path, schema) -> None:
    (tmp_path / "secret").write_bytes(b"of somebody else")
    (checkpoint / "notes.link").symlink_to(tmp_path / "secret")
    (checkpoint / "core-2.img").symlink_to(image)
    (checkpoint / "core-3.img").symlink_to("core-1.img")
    for path in write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(5, layers=["field"])):
        assert not {"notes.link", "core-2.img"} & {file.name for file in path.iterdir()}
        assert (path / "core-3.img").is_file()
        assert explain(path).result == "same"


def test_an_image_beyond_what_memory_is_meant_to_hold_is_refused(image, tmp_path, schema) -> None:
    os.truncate(image, (256 << 20) + 1)
    with pytest.raises(DyncritError, match=r"core-1\.img: is larger than 256 MiB"):
        next(write_mutants(image, tmp_path / "out", schema, MutantPlan(1)))
    assert not (tmp_path / "out").exists()


def test_each_image_of_a_directory_is_mutated_in_turn(checkpoint, tmp_path, schema) -> None:
    paths = list(write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(6, each=True)))
    sources = [explain(path).record.source for path in paths]
    names = ["core-1.img", "pipes-data.img", "pstree.img"]
    assert sources == [str(checkpoint / name) for name in names * 2]
    assert all(path.suffix == ".img" for path in paths)


def test_layers_and_weights_choose_the_mutations(image, tmp_path, schema) -> None:
    plan = MutantPlan(20, layers=["record"], weights={"noise": 0})
    for path in write_mutants(image, tmp_path / "out", schema, plan):
        names = {step.mutation for step in explain(path).record.steps}
        assert names <= {"record-length", "cut-off", "tail", "empty-record"}


def test_a_raw_image_is_mutated_byte_by_byte(tmp_path, schema) -> None:
    pages = tmp_path / "pages-1.img"
    pages.write_bytes(bytes(8192))
    for path in write_mutants(pages, tmp_path / "out", schema, MutantPlan(5)):
        assert path.read_bytes() != bytes(8192)


def test_a_damaged_image_is_mutated_further(image, tmp_path, schema) -> None:
    image.write_bytes(image.read_bytes()[:-1])
    assert len(list(write_mutants(image, tmp_path / "out", schema, MutantPlan(5)))) == 5


@pytest.mark.parametrize("content", [b"", b"just text, no image", b"\x7fELF" + bytes(60)])
def test_a_file_that_is_no_image_is_refused(content, tmp_path, schema) -> None:
    path = tmp_path / "x.img"
    path.write_bytes(content)
    with pytest.raises(RawImageError, match=r"x\.img: "):
        list(write_mutants(path, tmp_path / "out", schema, MutantPlan(1)))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_is_refused(tmp_path, schema) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(DyncritError, match="in: no files in it; expected a directory of images"):
        list(write_mutants(folder, tmp_path / "out", schema, MutantPlan(1)))
    (folder / "a.txt").write_text("text")
    with pytest.raises(DyncritError, match="no image among its 1 files"):
        list(write_mutants(folder, tmp_path / "out", schema, MutantPlan(1)))


def test_the_output_is_a_new_folder_or_an_empty_one(image, tmp_path, schema) -> None:
    with pytest.raises(DyncritError, match=r"core-1\.img: is no folder"):
        list(write_mutants(image, image, schema, MutantPlan(1)))
    with pytest.raises(DyncritError, match="is not empty"):
        list(write_mutants(image, tmp_path, schema, MutantPlan(1)))
    (tmp_path / "empty").mkdir()
    assert len(list(write_mutants(image, tmp_path / "empty", schema, MutantPlan(1)))) == 1


def test_mutations_that_find_nothing_to_break_are_an_error(image, tmp_path, schema) -> None:
    with pytest.raises(DyncritError, match=r"core-1\.img: there is nothing to break with the mutations"):
        list(write_mutants(image, tmp_path / "out", schema, MutantPlan(1, layers=["checkpoint"])))


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may have over 4 KiB, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("is_folder", [False, True])
def test_on_a_full_disk_what_was_written_stays_and_is_whole(
    is_folder, tmp_path, core, schema, small_files
) -> None:
    source = tmp_path / ("in" if is_folder else "core-1.img")
    if is_folder:
        source.mkdir()
    (source / "core-1.img" if is_folder else source).write_bytes(core)
    written: list[Path] = []
    plan = MutantPlan(2000, seed=3, weights={"doubled": 200}, layers=["entry"])
    mutants = write_mutants(source, tmp_path / "out", schema, plan)
    with pytest.raises(OSError, match="File too large"):
        written.extend(mutants)
    assert 0 < len(written) < 100
    expected = {path.name for path in written} | {sidecar_of(path).name for path in written}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert all(explain(path).result == "same" for path in written)


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_mutant_whose_sidecar_finds_no_room_is_not_left(
    is_folder, image, checkpoint, tmp_path, schema, monkeypatch
) -> None:
    write_bytes = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith("0003") and path.name.endswith(SUFFIX):
            write_bytes(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    mutants = write_mutants(checkpoint if is_folder else image, tmp_path / "out", schema, MutantPlan(9))
    written = [next(mutants), next(mutants), next(mutants)]
    with pytest.raises(OSError, match="No space left"):
        next(mutants)
    expected = {path.name for path in written} | {sidecar_of(path).name for path in written}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected


def test_layers_that_were_chosen_leave_raw_files_alone(checkpoint, tmp_path, schema) -> None:
    (checkpoint / "pages-1.img").write_bytes(bytes(4096))
    for path in write_mutants(checkpoint, tmp_path / "out", schema, MutantPlan(30, layers=["field"])):
        assert (path / "pages-1.img").read_bytes() == bytes(4096)
    with pytest.raises(DyncritError, match=r"pages-1\.img: there is nothing to break"):
        list(
            write_mutants(
                checkpoint / "pages-1.img", tmp_path / "raw", schema, MutantPlan(1, layers=["field"])
            )
        )


def test_sidecars_are_written_for_each_mutant_before_the_next(image, tmp_path, schema) -> None:
    mutants = write_mutants(image, tmp_path / "out", schema, MutantPlan(100))
    first = next(mutants)
    assert MutationRecord.from_json(sidecar_of(first).read_bytes(), "x").steps
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0000.img", f"0000.img{SUFFIX}"]
