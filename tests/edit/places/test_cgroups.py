"""Control groups that move: those of tasks, their directories, namespaces and mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.places.cgroups import remap_cgroup
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene

PERMISSIONS = {"mode": 0o755, "uid": 0, "gid": 0}


def directory(name: str, *children: dict[str, object]) -> dict[str, object]:
    setting = {"name": "pids.max", "value": f"of {name}", "perms": PERMISSIONS}
    return {"dir_name": name, "children": children, "properties": [setting], "dir_perms": PERMISSIONS}


def group(path: str, hidden: int | None = None) -> dict[str, object]:
    return {"name": "pids", "path": path, **({} if hidden is None else {"cgns_prefix": hidden})}


def cgroups(scene: Scene, *members: dict[str, object], heads: tuple[dict[str, object], ...] = ()) -> Scene:
    sets = [{"id": 2, "ctls": members}]
    return scene.write(
        "cgroup.img", "CGROUP", {"sets": sets, "controllers": [{"cnames": ["pids"], "dirs": heads}]}
    )


def tree(scene: Scene) -> list[object]:
    """The names of the directories: a name, or a name with what is below it."""

    def shown(entry: dict[str, object]) -> object:
        assert entry["properties"][0]["value"].startswith("of ")
        below = [shown(child) for child in entry.get("children", ())]
        return (entry["dir_name"], below) if below else entry["dir_name"]

    (entry,) = scene.entries("cgroup.img")
    return [shown(head) for head in entry["controllers"][0].get("dirs", ())]


def members(scene: Scene) -> list[tuple[str, int | None]]:
    (entry,) = scene.entries("cgroup.img")
    return [(member["path"], member.get("cgns_prefix")) for member in entry["sets"][0]["ctls"]]


def test_groups_of_tasks_and_directories_move_together(scene: Scene) -> None:
    cgroups(scene, group("/docker/1"), group("/dockers"), heads=(directory("docker/1", directory("x")),))
    outcome = scene.change(remap_cgroup, "/docker", "/machine/d")
    assert members(outcome.after) == [("/machine/d/1", None), ("/dockers", None)]
    assert tree(outcome.after) == [("machine/d/1", ["x"])]
    assert [(item.before, item.after) for item in outcome.touched] == [
        ("/docker/1", "/machine/d/1"),
        ("/docker/1", "/machine/d/1"),
        ("/docker/1/x", "/machine/d/1/x"),
    ]
    assert outcome.after.change(remap_cgroup, "/machine/d", "/docker").after.bytes() == scene.bytes()


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ([("", ["a"])], "/a", "/b", [("", ["b"])]),
        ([("", ["a"])], "/a", "/b/c", [("", ["b/c"])]),
        ([("", ["a"])], "/", "/b", [("b", ["a"])]),
        ([("b", ["a"])], "/b", "/", [("", ["a"])]),
        ([("p", ["a", "z"])], "/p/a", "/p/q", [("p", ["q", "z"])]),
        ([("p", ["a", ("z", ["y"])])], "/p/z", "/x/z", [("p", ["a"]), ("x/z", ["y"])]),
        ([("p", ["a"]), "x"], "/p/a", "/x/a", ["p", "x", "x/a"]),
        (["a", "x"], "/a", "/x/a", ["x", "x/a"]),
        (["a", "b", "x"], "/a", "/y/a", ["y/a", "b", "x"]),
    ],
)
def test_directories_keep_what_is_below_them_and_stand_behind_what_they_are_in(
    scene: Scene, before: list[object], old: str, new: str, after: list[object]
) -> None:
    def made(shape: object) -> dict[str, object]:
        name, below = shape if isinstance(shape, tuple) else (shape, [])
        return directory(name, *map(made, below))

    cgroups(scene, heads=tuple(map(made, before)))
    outcome = scene.change(remap_cgroup, old, new)
    assert tree(outcome.after) == after
    with outcome.after.open() as checkpoint:
        (controller,) = checkpoint.cgroups.controllers
        assert new in {item.path for item in controller.directories} | {"/y", "/x/z"} | {"/b/c"}


def test_a_directory_takes_no_other_ones_place(scene: Scene) -> None:
    cgroups(scene, heads=(directory("a"), directory("b")))
    with pytest.raises(DyncritError, match="'/b' is already there, in pids"):
        scene.change(remap_cgroup, "/a", "/b")


class TestNamespaces:
    """How much of a path a cgroup namespace hides."""

    @pytest.mark.parametrize(
        ("path", "hidden", "old", "new", "after"),
        [
            ("/a/b/c", 4, "/a", "/xyz", ("/xyz/b/c", 6)),
            ("/a/b/c", 4, "/a/b", "/x", ("/x/c", 2)),
            ("/a/b/c", 4, "/a/b/c", "/a/b/d", ("/a/b/d", 4)),
            ("/a/b/c", 4, "/a/b", "/", ("/c", 0)),
            ("/é/c", 3, "/é", "/e", ("/e/c", 2)),
            ("/a/b", 4, "/a/b", "/long", ("/long", 5)),
            ("/a/b/c", None, "/a", "/x", ("/x/b/c", None)),
        ],
    )
    def test_what_is_hidden_moves_along(
        self, scene: Scene, path: str, hidden: int | None, old: str, new: str, after: tuple[str, int | None]
    ) -> None:
        cgroups(scene, group(path, hidden))
        assert members(scene.change(remap_cgroup, old, new).after) == [after]

    def test_a_group_does_not_leave_its_namespace(self, scene: Scene) -> None:
        cgroups(scene, group("/a/b/c", 4))
        with pytest.raises(DyncritError, match="in a cgroup namespace at '/a/b', which it would leave"):
            scene.change(remap_cgroup, "/a/b/c", "/a/d")


def test_mounts_of_hierarchies_move(scene: Scene) -> None:
    scene.mounts(
        (1, 99, "/"),
        {"mnt_id": 2, "parent_mnt_id": 1, "mountpoint": "/cg", "root": "/docker/1", "fstype": 12},
        {"mnt_id": 3, "parent_mnt_id": 1, "mountpoint": "/cg2", "root": "/docker", "fstype": 23},
        {"mnt_id": 4, "parent_mnt_id": 1, "mountpoint": "/x", "root": "/docker", "fstype": 5},
        {
            "mnt_id": 5,
            "parent_mnt_id": 1,
            "mountpoint": "/k",
            "root": "/docker",
            "fstype": 12,
            "ext_mount": True,
        },
        {"mnt_id": 6, "parent_mnt_id": 1, "mountpoint": "/r", "root": "/", "fstype": 23},
        {
            "mnt_id": 7,
            "parent_mnt_id": 1,
            "mountpoint": "/f",
            "root": "/docker",
            "fstype": 16,
            "fsname": "cgroup2",
        },
    )
    after = scene.change(remap_cgroup, "/docker", "/d").after
    roots = {entry["mnt_id"]: entry["root"] for entry in after.entries("mountpoints-7.img")}
    assert roots == {1: "/", 2: "/d/1", 3: "/d", 4: "/docker", 5: "/docker", 6: "/", 7: "/d"}


def test_the_root_of_a_hierarchy_moves_below_another(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    outcome = scene.change(remap_cgroup, "/libpod_parent", "/machine.slice/libpod")
    with outcome.after.open() as checkpoint:
        groups = {path for process in checkpoint.processes for path in process.cgroups.values()}
        mounted = {mount.root for space in checkpoint.mounts.values() for mount in space.mounts.values()}
    assert all(path.startswith("/machine.slice/libpod/libpod-") for path in groups)
    assert not any("/libpod_parent" in root for root in mounted)
    back = outcome.after.change(remap_cgroup, "/machine.slice/libpod", "/libpod_parent")
    assert back.after.bytes() == scene.bytes()


def test_settings_of_real_directories_stay(from_corpus: Callable[[str], Scene]) -> None:
    scene = from_corpus("criu-4.2/host-32bit/cgroup03")
    outcome = scene.change(remap_cgroup, "/newroot/newroot", "/test/deep")
    assert {(item.before, item.after) for item in outcome.touched} == {("/newroot/newroot", "/test/deep")}
    with scene.open() as before, outcome.after.open() as after:
        old, new = (
            {
                item.path: item.properties
                for found in checkpoint.cgroups.controllers
                for item in found.directories
            }
            for checkpoint in (before, after)
        )
    assert new["/test/deep"] == old["/newroot/newroot"]
    assert outcome.after.change(remap_cgroup, "/test/deep", "/newroot/newroot").touched


def test_what_is_no_group_changes_nothing(scene: Scene) -> None:
    outcome = cgroups(scene, group("/a")).change(remap_cgroup, "/b", "/c")
    assert outcome.touched == []
    assert outcome.after.bytes() == scene.bytes()


def test_a_checkpoint_without_groups_has_nothing_to_move(scene: Scene) -> None:
    assert scene.change(remap_cgroup, "/a", "/b").touched == []


def test_a_task_whose_set_is_missing_stops_it(from_corpus: Callable[[str], Scene]) -> None:
    scene = from_corpus("criu-4.2/host-32bit/cgroup03")
    scene.write("cgroup.img", "CGROUP", {"sets": [{"id": 77, "ctls": [group("/test")]}]})
    with pytest.raises(ImageError, match="nothing was changed"):
        scene.change(remap_cgroup, "/test", "/x")
