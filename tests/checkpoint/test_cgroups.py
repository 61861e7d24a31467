"""Control groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit import Image, dump
from dyncrit.checkpoint.cgroups import Permissions, read_cgroups
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path


def image_set(folder: Path) -> ImageSet:
    return ImageSet(DirectoryTree(folder), Schema.default(), Problems())


def cgroup_image(folder: Path, **fields: object) -> ImageSet:
    image = Image.new("CGROUP")
    image.add(**fields)
    dump(image, folder / "cgroup.img")
    return image_set(folder)


def test_sets_lead_from_controllers_to_paths(corpus):
    found = read_cgroups(image_set(corpus / "criu-4.2/host-32bit/cgroup03"))
    assert list(found.sets) == [2]
    assert found.paths(2)["name=zdtmtst"] == "/test"
    assert found.paths(2)[""] == "/"
    assert found.root_set == 1
    assert found.paths(77) == {}


def test_directories_have_their_whole_path_and_their_properties(tmp_path):
    images = cgroup_image(
        tmp_path,
        controllers=[
            {
                "cnames": ["cpu", "cpuacct"],
                "is_threaded": True,
                "dirs": [
                    {
                        "dir_name": "/a",
                        "dir_perms": {"mode": 0o755, "uid": 1, "gid": 2},
                        "children": [
                            {"dir_name": "b", "properties": [{"name": "cpu.shares", "value": "1024"}]},
                            {"dir_name": "/c/"},
                        ],
                    }
                ],
            }
        ],
    )
    (controller,) = read_cgroups(images).controllers
    assert (controller.names, controller.threaded) == (("cpu", "cpuacct"), True)
    assert [directory.path for directory in controller.directories] == ["/a", "/a/b", "/a/c"]
    assert controller.directories[0].permissions == Permissions(0o755, 1, 2)
    assert controller.directories[1].properties[0][:2] == ("cpu.shares", "1024")


def test_real_controllers_have_the_root_first(corpus):
    found = read_cgroups(image_set(corpus / "criu-4.2/host-32bit/cgroup03")).controllers
    assert {directory.path[0] for controller in found for directory in controller.directories} == {"/"}
    (pids,) = [controller for controller in found if controller.names == ("pids",)]
    assert pids.directories[0].path == "/"
    assert "cgroup.procs" in {prop.name for prop in pids.directories[0].properties}


def test_a_set_that_is_there_twice_is_said(tmp_path):
    images = cgroup_image(
        tmp_path, sets=[{"id": 1, "ctls": [{"name": "cpu", "path": "/x"}]}, {"id": 1, "ctls": []}]
    )
    assert read_cgroups(images).paths(1) == {"cpu": "/x"}
    assert len(images.problems) == 1


def test_without_an_image_there_are_no_sets(corpus, tmp_path):
    assert not read_cgroups(image_set(tmp_path)).sets
    old = read_cgroups(image_set(corpus / "criu-1.1/host/maps02"))
    assert (dict(old.sets), old.controllers, old.root_set) == ({}, (), None)


def test_a_damaged_image_is_a_problem(tmp_path):
    images = cgroup_image(tmp_path, sets=[{"id": 1}])
    path = tmp_path / "cgroup.img"
    path.write_bytes(path.read_bytes()[:-1])
    assert not read_cgroups(images).sets
    assert len(images.problems.errors) == 1
