from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from dyncrit.batch import Outcome, decode_files, decode_jobs, encode_files, encode_jobs, image_name
from dyncrit.convert import DecodeOptions
from dyncrit.errors import DyncritError
from dyncrit.schema import ImageTable, Schema

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = DecodeOptions()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def checkpoint(tmp_path: Path, data: Path) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(data / "demo" / "tree", folder)
    return folder


def decode(inputs: list[Path], output: Path, options: DecodeOptions = OPTIONS) -> list[Outcome]:
    return list(decode_files(decode_jobs(inputs, output, options), Schema.default(), options))


def encode(inputs: list[Path], output: Path) -> list[Outcome]:
    schema = Schema.default()
    return list(encode_files(encode_jobs(inputs, output, schema.table), schema))


def kinds(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.source.name: outcome.kind for outcome in outcomes}


@pytest.mark.parametrize(
    ("document", "image"),
    [
        ("core-1.json", "core-1.img"),
        ("core-1.img.json", "core-1.img"),
        ("core-1.img.ndjson", "core-1.img"),
        ("core-1.ndjson", "core-1.img"),
        ("core-1", "core-1.img"),
        ("stats-dump.json", "stats-dump"),
        ("stats-restore.json", "stats-restore"),
        ("irmap-cache.json", "irmap-cache"),
        ("notes.json", "notes"),
        ("of-my-own.img.json", "of-my-own.img"),
    ],
)
def test_a_documents_name_tells_the_images_name(document: str, image: str) -> None:
    assert image_name(document, ImageTable()) == image


def test_a_directory_decodes_to_documents_and_encodes_back_byte_for_byte(
    checkpoint: Path, tmp_path: Path
) -> None:
    decoded = decode([checkpoint], tmp_path / "json")
    encoded = encode([tmp_path / "json"], tmp_path / "again")
    assert {outcome.kind for outcome in decoded} == {"converted", "skipped"}
    assert {outcome.kind for outcome in encoded} == {"converted"}
    images = {outcome.source.name for outcome in decoded if outcome.kind == "converted"}
    assert set(names(tmp_path / "json")) == {f"{name}.json" for name in images}
    assert set(names(tmp_path / "again")) == images
    for name in images:
        assert (tmp_path / "again" / name).read_bytes() == (checkpoint / name).read_bytes()


@pytest.mark.parametrize("release", ["criu-1.1", "criu-2.12", "criu-4.2", "demo"])
def test_every_image_of_a_release_comes_back_through_ndjson(data: Path, tmp_path: Path, release: str) -> None:
    options = DecodeOptions(format="ndjson", pretty=True)
    decoded = decode([data / release], tmp_path / "json", options)
    encoded = encode([tmp_path / "json"], tmp_path / "again")
    assert not [outcome for outcome in decoded if outcome.kind not in ("converted", "skipped")]
    # statistics of CRIU before 3.5 lack a field that is required since
    noted = {"noted"} if release in ("criu-1.1", "criu-2.12") else set()
    assert {outcome.kind for outcome in encoded} == {"converted"} | noted
    assert all("dump.pages_lazy" in outcome.message for outcome in encoded if outcome.kind == "noted")
    for outcome in decoded:
        if outcome.kind == "converted":
            again = tmp_path / "again" / outcome.source.relative_to(data / release)
            assert again.read_bytes() == outcome.source.read_bytes()


def test_raw_files_are_skipped_and_the_reason_says_what_they_are(checkpoint: Path, tmp_path: Path) -> None:
    reasons = {outcome.source.name: outcome.message for outcome in decode([checkpoint], tmp_path / "json")}
    assert "memory pages" in reasons["pages-1.img"]
    assert not (tmp_path / "json" / "pages-1.img.json").exists()


def test_a_damaged_image_fails_and_stops_no_other(checkpoint: Path, tmp_path: Path) -> None:
    before = Counter(outcome.kind for outcome in decode([checkpoint], tmp_path / "before"))
    image = checkpoint / "core-9834.img"
    image.write_bytes(image.read_bytes()[:-5])
    outcomes = decode([checkpoint], tmp_path / "json")
    after = Counter(outcome.kind for outcome in outcomes)
    assert kinds(outcomes)["core-9834.img"] == "failed"
    assert after == before - Counter(["converted"]) + Counter(["failed"])
    (message,) = [outcome.message for outcome in outcomes if outcome.kind == "failed"]
    assert message.startswith(f"{image}: entry 0 at byte 8: ")
    assert not (tmp_path / "json" / "core-9834.img.json").exists()


def test_keep_going_writes_what_could_be_read_and_says_damaged(checkpoint: Path, tmp_path: Path) -> None:
    image = checkpoint / "core-9834.img"
    image.write_bytes(image.read_bytes()[:-5])
    outcomes = decode([checkpoint], tmp_path / "json", DecodeOptions(keep_going=True))
    assert kinds(outcomes)["core-9834.img"] == "damaged"
    assert "@error" in (tmp_path / "json" / "core-9834.img.json").read_text()


def test_a_damaged_document_fails_and_stops_no_other(checkpoint: Path, tmp_path: Path) -> None:
    decode([checkpoint], tmp_path / "json")
    (tmp_path / "json" / "core-9834.img.json").write_text('{"magic":"CORE","entries":[{"mtype":')
    outcomes = encode([tmp_path / "json"], tmp_path / "again")
    assert Counter(kinds(outcomes).values())["failed"] == 1
    assert kinds(outcomes)["core-9834.img.json"] == "failed"
    assert not (tmp_path / "again" / "core-9834.img").exists()
    assert (tmp_path / "again" / "core-9836.img").exists()


def test_subdirectories_are_mirrored(data: Path, tmp_path: Path) -> None:
    decode([data / "demo"], tmp_path / "json")
    assert (tmp_path / "json" / "memory" / "1" / "inventory.img.json").is_file()
    assert (tmp_path / "json" / "tree" / "core-9834.img.json").is_file()


def test_several_directories_each_keep_their_name(data: Path, tmp_path: Path) -> None:
    outcomes = decode([data / "demo" / "memory" / "1", data / "demo" / "tree"], tmp_path / "json")
    assert {outcome.kind for outcome in outcomes} <= {"converted", "skipped"}
    assert (tmp_path / "json" / "1" / "inventory.img.json").is_file()
    assert (tmp_path / "json" / "tree" / "inventory.img.json").is_file()


def test_files_and_directories_may_be_mixed(data: Path, tmp_path: Path) -> None:
    lone = data / "criu-4.2" / "host" / "env00" / "core-66.img"
    decode([lone, data / "demo" / "memory" / "1"], tmp_path / "json")
    assert (tmp_path / "json" / "core-66.img.json").is_file()
    assert (tmp_path / "json" / "inventory.img.json").is_file()


def test_links_to_files_and_folders_are_not_followed(checkpoint: Path, tmp_path: Path, data: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(checkpoint / "core-9834.img", outside / "core-77.img")
    (checkpoint / "core-77.img").symlink_to(outside / "core-77.img")
    (checkpoint / "parent").symlink_to(outside)
    outcomes = decode([checkpoint], tmp_path / "json")
    assert kinds(outcomes)["core-77.img"] == "skipped"
    assert not list((tmp_path / "json").rglob("core-77.img.json"))


def test_a_loop_of_links_ends(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "again").symlink_to(checkpoint)
    (checkpoint / "itself").symlink_to("itself")
    outcomes = decode([checkpoint], tmp_path / "json")
    assert "failed" not in kinds(outcomes).values()


def test_a_link_given_by_name_is_followed_among_several_as_it_is_alone(
    checkpoint: Path, tmp_path: Path
) -> None:
    link = tmp_path / "core-77.img"
    link.symlink_to(checkpoint / "core-9834.img")
    outcomes = decode([link, checkpoint / "core-9836.img"], tmp_path / "json")
    assert [outcome.kind for outcome in outcomes] == ["converted", "converted"]


def test_the_output_may_lie_within_the_input(checkpoint: Path) -> None:
    first = decode([checkpoint], checkpoint / "json")
    listed = sorted(path.name for path in (checkpoint / "json").iterdir())
    second = decode([checkpoint], checkpoint / "json")
    assert Counter(kinds(second).values())["converted"] == Counter(kinds(first).values())["converted"]
    files = sorted(path.name for path in (checkpoint / "json").iterdir() if path.is_file())
    assert files == listed


def test_a_directory_may_be_its_own_output(checkpoint: Path) -> None:
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    decode([checkpoint], checkpoint)
    outcomes = encode([checkpoint], checkpoint)
    assert {outcome.kind for outcome in outcomes} == {"converted"}
    assert {name: (checkpoint / name).read_bytes() for name in before} == before


def test_a_folder_without_an_image_makes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "in" / "notes").mkdir(parents=True)
    (tmp_path / "in" / "notes" / "readme").write_text("nothing to see here\n")
    (outcome,) = decode([tmp_path / "in"], tmp_path / "out")
    assert outcome.kind == "skipped"
    assert not (tmp_path / "out" / "notes").exists()


def test_two_files_that_would_become_one_are_refused_before_anything_is_written(
    checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(checkpoint / "core-9834.img", other)
    with pytest.raises(DyncritError) as caught:
        decode_jobs([checkpoint / "core-9834.img", other / "core-9834.img"], tmp_path / "json", OPTIONS)
    assert str(checkpoint / "core-9834.img") in str(caught.value)
    assert str(other / "core-9834.img") in str(caught.value)
    assert str(tmp_path / "json" / "core-9834.img.json") in str(caught.value)


def test_two_documents_for_one_image_are_refused(tmp_path: Path) -> None:
    for name in ("core-1.json", "core-1.img.json"):
        (tmp_path / name).write_text('{"magic":"CORE","entries":[]}')
    with pytest.raises(DyncritError, match=r"core-1\.img\.json and .*core-1\.json would both"):
        encode_jobs([tmp_path], tmp_path / "out", ImageTable())


def test_encoding_a_directory_takes_documents_only(tmp_path: Path) -> None:
    (tmp_path / "pstree.img.json").write_text('{"magic":"PSTREE","entries":[]}')
    (tmp_path / "pages-1.img").write_bytes(bytes(4096))
    (tmp_path / "notes.txt").write_text("none")
    jobs = encode_jobs([tmp_path], tmp_path / "out", ImageTable())
    assert [(job.source.name, job.target.name) for job in jobs] == [("pstree.img.json", "pstree.img")]


def test_a_document_given_by_name_needs_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "doc").write_text('{"magic":"PSTREE","entries":[]}')
    (job,) = encode_jobs([tmp_path / "doc"], tmp_path / "out", ImageTable())
    assert job.target == tmp_path / "out" / "doc"


def test_an_output_folder_that_is_a_file_fails_each_file(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "json").write_text("in the way")
    outcomes = decode([checkpoint / "core-9834.img"], tmp_path / "json")
    assert [outcome.kind for outcome in outcomes] == ["failed"]
    assert str(tmp_path / "json") in outcomes[0].message
    assert (tmp_path / "json").read_text() == "in the way"
