"""The trees of mount namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.mounts import read_mounts
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path


def image_set(folder: Path) -> ImageSet:
    return ImageSet(DirectoryTree(folder), Schema.default(), Problems())


@pytest.fixture
def mounts(tmp_path):
    """Writes mounts, the latest first as CRIU does, and reads them again."""

    def write(*entries: dict[str, object]):
        image = Image.new("MNTS")
        for entry in reversed(entries):
            needed = {"fstype": 5, "root_dev": 0, "flags": 0, "root": "/", "source": "x", "options": ""}
            image.add(**{**needed, **entry})
        dump(image, tmp_path / "mountpoints-12.img")
        images = image_set(tmp_path)
        return read_mounts(images)[12], images.problems

    return write


def tree(namespace):
    return [(depth, mount.id) for depth, mount in namespace.walk()]


def test_mounts_stand_below_their_parents_in_the_order_of_mounting(corpus):
    namespace = read_mounts(image_set(corpus / "criu-1.1/programs/ns-ipc"))[10]
    assert [(depth, mount.mountpoint) for depth, mount in namespace.walk()] == [
        (0, "/"),
        (1, "/proc"),
        (2, "/proc"),
        (3, "/proc"),
        (1, "/sys"),
        (1, "/dev"),
        (2, "/dev/pts"),
        (1, "/mnt"),
    ]


def test_a_mount_of_criu_2_is_read_whole(corpus):
    images = image_set(corpus / "criu-2.12/programs/uns-ipc")
    mount = read_mounts(images)[12].mounts[52]
    assert (mount.file_system, mount.device, mount.flags) == ("devpts", "0:24", "rw,relatime")
    assert (mount.options, mount.super_flags, mount.shared) == ("mode=600,ptmxmode=000", "rw", None)
    assert read_mounts(images)[12].mounts[47].file_system == "unknown"
    assert read_mounts(images)[12].mounts[47].device == "254:0"
    assert not len(images.problems)


def test_external_mounts_and_peer_groups_are_told(corpus):
    old = read_mounts(image_set(corpus / "criu-2.12/namespaces/tun"))[12]
    new = read_mounts(image_set(corpus / "criu-4.2/namespaces-mnt-compat/mntns_overmount"))[14]
    assert [m.external for m in old.mounts.values() if m.external] == ["ZDTM_DEV"]
    assert [m.external for m in new.mounts.values() if m.external] == ["ZDTM_DEV"]
    assert (new.mounts[142].shared, new.mounts[142].propagation) == (2, ("shared",))
    assert (new.mounts[143].master, new.mounts[143].propagation) == (2, ("slave",))
    assert (2, 142) in tree(new)


def test_all_namespaces_of_the_corpus_are_trees_without_problems(corpus):
    folders = {path.parent for path in corpus.rglob("mountpoints-*.img")}
    assert len(folders) > 20
    for folder in folders:
        images = image_set(folder)
        for namespace in read_mounts(images).values():
            assert len(namespace.roots) == 1
            assert len(tree(namespace)) == len(namespace.mounts) > 1
        assert list(images.problems) == []


def test_file_systems_that_the_enum_lacks_have_their_name(mounts):
    namespace, _ = mounts({"mnt_id": 1, "parent_mnt_id": 0, "mountpoint": "/", "fstype": 16, "fsname": "xfs"})
    assert namespace.mounts[1].file_system == "xfs"


def test_a_mount_without_its_parent_is_a_root_and_said(mounts):
    namespace, problems = mounts(
        {"mnt_id": 1, "parent_mnt_id": 0, "mountpoint": "/"},
        {"mnt_id": 5, "parent_mnt_id": 99, "mountpoint": "/lost"},
    )
    assert tree(namespace) == [(0, 1), (0, 5)]
    assert ["mount 5 at '/lost'" in str(problem) for problem in problems] == [True]


def test_mounts_in_a_circle_are_shown_once_and_said(mounts):
    namespace, problems = mounts(
        {"mnt_id": 1, "parent_mnt_id": 0, "mountpoint": "/"},
        {"mnt_id": 2, "parent_mnt_id": 3, "mountpoint": "/a"},
        {"mnt_id": 3, "parent_mnt_id": 4, "mountpoint": "/b"},
        {"mnt_id": 4, "parent_mnt_id": 2, "mountpoint": "/c"},
        {"mnt_id": 5, "parent_mnt_id": 4, "mountpoint": "/d"},
    )
    assert sorted(mount for _, mount in tree(namespace)) == [1, 2, 3, 4, 5]
    assert len(namespace.roots) == 2
    assert len(problems.errors) == 1


def test_a_mount_on_itself_is_a_root(mounts):
    namespace, problems = mounts({"mnt_id": 1, "parent_mnt_id": 1, "mountpoint": "/"})
    assert tree(namespace) == [(0, 1)]
    assert not len(problems)


def test_a_deep_tree_does_not_exhaust_the_stack(mounts):
    namespace, _ = mounts(
        *({"mnt_id": n, "parent_mnt_id": n - 1, "mountpoint": "/" * n} for n in range(1, 5001))
    )
    assert tree(namespace)[-1] == (4999, 5000)


def test_the_same_mount_twice_is_said(mounts):
    namespace, problems = mounts(
        {"mnt_id": 1, "parent_mnt_id": 0, "mountpoint": "/"},
        {"mnt_id": 1, "parent_mnt_id": 0, "mountpoint": "/x"},
    )
    assert len(namespace.mounts) == 1
    assert len(problems.errors) == 1


def test_a_cut_image_gives_the_mounts_before_the_cut(corpus, tmp_path):
    whole = (corpus / "criu-2.12/programs/uns-ipc/mountpoints-12.img").read_bytes()
    (tmp_path / "mountpoints-12.img").write_bytes(whole[:-10])
    images = image_set(tmp_path)
    assert 0 < len(read_mounts(images)[12].mounts) < 8
    assert len(images.problems.errors) == 1


def test_without_images_there_are_no_namespaces(tmp_path):
    assert read_mounts(image_set(tmp_path)) == {}
