"""Which releases images can be from."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from dyncrit import Image, dump
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.release import ReleaseRange, guess_release, run_bounds
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path


def image_set(folder: Path) -> ImageSet:
    return ImageSet(DirectoryTree(folder), Schema.default(), Problems())


def inventory(folder: Path, **fields: object) -> None:
    image = Image.new("INVENTORY")
    image.add(**fields)
    dump(image, folder / "inventory.img")


@pytest.mark.parametrize("release", ["1.1", "2.12", "4.2"])
def test_the_range_holds_the_release_that_dumped(corpus, release):
    folders = [path.parent for path in (corpus / f"criu-{release}").rglob("inventory.img")]
    assert len(folders) >= 6
    for folder in folders:
        images = image_set(folder)
        found = guess_release(images)
        assert release in found, folder
        assert found.at_least is not None
        assert list(images.problems) == []


def test_images_of_1_1_are_told_exactly(corpus):
    found = guess_release(image_set(corpus / "criu-1.1/host/maps02"))
    assert (found.at_least, found.at_most) == ("1.1", "1.1")
    assert "vmas-66.img is there: 1.1 or earlier" in found.evidence


def test_images_of_2_12_are_told_from_the_releases_around(corpus):
    found = guess_release(image_set(corpus / "criu-2.12/programs/uns-ipc"))
    assert (found.at_least, found.at_most) == ("2.5", "3.0")


def test_pages_tell_4_1_1_from_4_2(corpus, tmp_path):
    for name in ("podman-4.3-app-criu-4.1.1", "podman-4.3-app"):
        with tarfile.open(corpus / "archives" / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path / name, filter="data")
    old = guess_release(image_set(tmp_path / "podman-4.3-app-criu-4.1.1" / "checkpoint"))
    new = guess_release(image_set(tmp_path / "podman-4.3-app" / "checkpoint"))
    assert (old.at_least, old.at_most) == ("4.1", "4.1.1")
    assert (new.at_least, new.at_most) == ("4.2", None)
    assert "pagemap-1.img: nr_pages is field 2: 4.1.1 or earlier" in old.evidence


def test_a_pre_dump_with_its_scant_inventory_is_not_taken_for_older(corpus):
    found = guess_release(image_set(corpus / "criu-4.2/pre-dump/mem-touch/1"))
    assert "4.2" in found
    assert found.at_most is None


def test_what_a_pre_dump_does_not_write_says_nothing(tmp_path):
    inventory(tmp_path, img_version=0, dump_uptime=5, pre_dump_mode=1)
    assert guess_release(image_set(tmp_path)) == ReleaseRange(
        "3.14", None, ("inventory.img: pre_dump_mode is there: 3.14 or later",)
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"img_version": 1}, "up to 1.5.2"),
        ({"img_version": 2, "fdinfo_per_id": True}, "1.6 to 3.15"),
        ({"img_version": 2, "fdinfo_per_id": True, "network_lock_method": 0}, "3.16 to 4.0"),
        (
            {"img_version": 2, "fdinfo_per_id": True, "network_lock_method": 0, "dump_criu_run_id": "x"},
            "4.1 or later",
        ),
        ({"img_version": 3}, "4.2 or later"),
    ],
)
def test_the_inventory_alone_narrows_it_down(tmp_path, fields, expected):
    inventory(tmp_path, **fields)
    assert str(guess_release(image_set(tmp_path))) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("files.img", "3.4 or later"),
        ("reg-files.img", "up to 3.3"),
        ("memfd.img", "3.14 or later"),
        ("timens-0.img", "3.14 or later"),
        ("creds-7.img", "up to 1.8"),
        ("sigacts-7.img", "up to 3.0"),
        ("vmas-7.img", "up to 1.1"),
        ("rlimit-7.img", "up to 1.2"),
        ("binfmt-misc-9.img", "2.0 to 2.6"),
        ("tmpfs-12.tar.gz.img", "up to 1.2"),
        ("tmpfs-dev-12.tar.gz.img", "1.3 or later"),
        ("other.txt", "unknown"),
    ],
)
def test_a_file_alone_narrows_it_down(tmp_path, name, expected):
    (tmp_path / name).write_bytes(b"")
    assert str(guess_release(image_set(tmp_path))) == expected


def test_images_of_two_releases_are_said_and_the_inventory_decides(tmp_path):
    inventory(tmp_path, img_version=1, fdinfo_per_id=True)
    (tmp_path / "files.img").write_bytes(b"")
    images = image_set(tmp_path)
    assert "3.4" not in guess_release(images)
    assert ["more than one release" in str(problem) for problem in images.problems] == [True]


def test_an_older_schema_does_not_take_new_images_for_old():
    file = descriptor_pb2.FileDescriptorProto(name="pagemap.proto", syntax="proto2")
    entry = file.message_type.add(name="pagemap_entry")
    for number, name, kind in ((1, "vaddr", 4), (2, "nr_pages", 13), (3, "in_parent", 8), (4, "flags", 13)):
        entry.field.add(name=name, number=number, type=kind, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    old = message_factory.GetMessageClass(pool.FindMessageTypeByName("pagemap_entry"))
    new = Schema.default().message_class("pagemap_entry")(vaddr=0, compat_nr_pages=0, flags=4, nr_pages=3)
    run = old.FromString(new.SerializeToString())
    assert [bound.text for bound in run_bounds(run, "p.img")] == ["p.img: flags is there"]


def test_releases_are_compared_by_their_numbers():
    assert "3.10" in ReleaseRange("3.9", "4.1.1")
    assert "4.1.1" in ReleaseRange("4.1", "4.1.1")
    assert "4.2" not in ReleaseRange("3.9", "4.1.1")
    assert "v3.1" not in ReleaseRange("3.9", None)
    assert "0.1" in ReleaseRange()
