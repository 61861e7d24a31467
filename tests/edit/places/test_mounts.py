"""Mounts that move: mountpoints and their parents, what is bound, and the mounts that files are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.places import mounts
from dyncrit.edit.places.mounts import moved_options
from dyncrit.edit.places.paths import remap_path
from dyncrit.edit.places.prefix import PathPrefix
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene

ROOT = (1, 99, "/")
IMAGE = "mountpoints-7.img"


def by_id(scene: Scene, field: str) -> dict[int, object]:
    return {entry["mnt_id"]: entry.get(field) for entry in scene.entries(IMAGE)}


def test_mountpoints_at_and_below_the_path_move(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv/a"), (3, 2, "/srv/a/b"), (4, 1, "/srv/ab"))
    outcome = scene.change(remap_path, "/srv/a", "/data")
    assert by_id(outcome.after, "mountpoint") == {1: "/", 2: "/data", 3: "/data/b", 4: "/srv/ab"}
    assert by_id(outcome.after, "parent_mnt_id") == {1: 99, 2: 1, 3: 2, 4: 1}


def test_the_root_of_a_namespace_stays(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv"))
    assert by_id(scene.change(remap_path, "/", "/jail").after, "mountpoint") == {1: "/", 2: "/jail/srv"}


def test_a_mount_that_moves_onto_another_gets_that_for_its_parent(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv"), (3, 2, "/srv/a"), (4, 3, "/srv/a/b"), (5, 1, "/data"))
    outcome = scene.change(remap_path, "/srv/a", "/data/x")
    assert by_id(outcome.after, "parent_mnt_id") == {1: 99, 2: 1, 3: 5, 4: 3, 5: 1}
    assert outcome.after.change(remap_path, "/data/x", "/srv/a").after.bytes() == scene.bytes()


def test_images_that_criu_passes_over_are_left_alone(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv/a"))
    (scene.images / "mountpoints--7.img").write_bytes((scene.images / IMAGE).read_bytes())
    outcome = scene.change(remap_path, "/srv/a", "/data")
    assert {item.place.split()[0] for item in outcome.touched} == {IMAGE}


def test_mounts_on_one_another_stay_so(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/proc"), (3, 2, "/proc"), (4, 3, "/proc"))
    outcome = scene.change(remap_path, "/proc", "/p")
    assert by_id(outcome.after, "mountpoint") == {1: "/", 2: "/p", 3: "/p", 4: "/p"}
    assert by_id(outcome.after, "parent_mnt_id") == {1: 99, 2: 1, 3: 2, 4: 3}


def test_a_place_where_something_is_mounted_is_refused(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv/a"), (3, 1, "/data"))
    with pytest.raises(DyncritError, match="mount 2 at '/srv/a' can't move to '/data': mount 3 is there"):
        scene.change(remap_path, "/srv/a", "/data")


def mount(number: int, mountpoint: str, root: str, **fields: object) -> dict[str, object]:
    return {"mnt_id": number, "parent_mnt_id": 1, "mountpoint": mountpoint, "root": root, **fields}


@pytest.mark.parametrize(
    ("top", "bound", "after"),
    [
        ("/", "/srv/a", "/data"),
        ("/", "/srv/a/x", "/data/x"),
        ("/host/box", "/host/box/srv/a", "/host/box/data"),
        ("/", "/srv/ab", "/srv/ab"),
    ],
)
def test_what_is_bound_is_found_through_the_mount_that_shows_it(
    scene: Scene, top: str, bound: str, after: str
) -> None:
    scene.mounts({**mount(1, "/", top), "parent_mnt_id": 99}, mount(2, "/mnt", bound))
    assert by_id(scene.change(remap_path, "/srv/a", "/data").after if after != bound else scene, "root") == {
        1: top,
        2: after,
    }


def test_what_is_bound_of_another_file_system_is_seen_where_that_is(scene: Scene) -> None:
    scene.mounts(
        ROOT, mount(2, "/run", "/", root_dev=9, fstype=5), mount(3, "/mnt", "/a/b", root_dev=9, fstype=5)
    )
    assert by_id(scene.change(remap_path, "/run/a", "/run/c").after, "root")[3] == "/c/b"
    assert scene.change(remap_path, "/a", "/c").touched == []


def test_what_is_bound_moves_along_with_its_file_system(scene: Scene) -> None:
    scene.mounts(ROOT, mount(2, "/run", "/", root_dev=9), mount(3, "/mnt", "/a", root_dev=9))
    outcome = scene.change(remap_path, "/run", "/data")
    assert by_id(outcome.after, "root")[3] == "/a"


def test_what_is_bound_can_not_go_to_another_file_system(scene: Scene) -> None:
    scene.mounts(ROOT, mount(2, "/run", "/", root_dev=9), mount(3, "/mnt", "/a", root_dev=9))
    with pytest.raises(DyncritError, match=r"'/run/a' is bound to '/mnt'.*'/data' is not on the file system"):
        scene.change(remap_path, "/run/a", "/data")


def test_sources_keys_and_external_roots_are_paths_of_the_host(scene: Scene) -> None:
    scene.mounts(
        {**mount(1, "/", "/"), "parent_mnt_id": 99, "root_dev": 7},
        mount(2, "/etc/hosts", "/var/lib/c/hosts", ext_key="/etc/hosts", source="/dev/sda1"),
        mount(3, "/x", "/var/lib/c", ext_mount=True, root_dev=8),
        mount(4, "/y", "KEY", ext_mount=True, root_dev=8),
    )
    after = scene.change(remap_path, "/var/lib", "/srv").after
    assert by_id(after, "root") == {1: "/", 2: "/srv/c/hosts", 3: "/srv/c", 4: "KEY"}
    assert by_id(scene.change(remap_path, "/etc", "/conf").after, "ext_key")[2] == "/conf/hosts"
    assert by_id(scene.change(remap_path, "/dev/sda1", "/dev/vdb").after, "source")[2] == "/dev/vdb"


def test_roots_of_control_groups_are_no_paths(scene: Scene) -> None:
    scene.mounts(ROOT, mount(2, "/sys/fs/cgroup", "/docker/1", fstype=12, root_dev=0x100005))
    assert scene.change(remap_path, "/docker", "/x").touched == []


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ("", ""),
        ("rw,size=64k", "rw,size=64k"),
        (
            "lowerdir=/a/l1:/b:/a/l2,upperdir=/a/u,workdir=/a,",
            "lowerdir=/c/l1:/b:/c/l2,upperdir=/c/u,workdir=/c,",
        ),
        (r"lowerdir=/a/x\:/y:/a/z\,1,index=on", r"lowerdir=/c/x\:/y:/c/z\,1,index=on"),
        ("context=/a,lowerdir=/ab", "context=/a,lowerdir=/ab"),
    ],
)
def test_directories_of_overlays_move(options: str, after: str) -> None:
    assert moved_options(options, PathPrefix("/a", "/c")) == after


def test_files_are_on_the_mount_that_is_at_the_new_place(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/data")).files("/srv/a/x", mnt_id=1)
    outcome = scene.change(remap_path, "/srv/a", "/data/b")
    assert outcome.values == {
        "files.img entries[0].reg.name": ("/srv/a/x", "/data/b/x"),
        "files.img entries[0].reg.mnt_id": (1, 2),
    }


def test_files_stay_on_a_mount_that_moves(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/srv/a"), (3, 1, "/data")).files("/srv/a/x", mnt_id=2)
    outcome = scene.change(remap_path, "/srv/a", "/data/b")
    assert "files.img entries[0].reg.mnt_id" not in outcome.values


def test_real_containers_come_back_the_other_way(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    outcome = scene.change(remap_path, "/etc", "/conf")
    touched = {(item.what.split(" of ")[0], item.before) for item in outcome.touched}
    assert {("mountpoint", "/etc/hosts"), ("external key", "/etc/hosts")} <= touched
    assert outcome.after.change(remap_path, "/conf", "/etc").after.bytes() == scene.bytes()


def test_many_mounts_of_a_device_are_gone_through_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 300
    tops = (mount(number, f"/m/{number}", "/", root_dev=9) for number in range(1000, 1000 + count))
    bound = (mount(number, f"/b/{number}", "/a", root_dev=9) for number in range(2000, 2000 + count))
    scene.mounts(ROOT, *tops, *bound)
    seen = []
    join = mounts.join
    monkeypatch.setattr(mounts, "join", lambda *parts: seen.append(parts) or join(*parts))
    after = by_id(scene.change(remap_path, "/m/1150/a", "/m/1150/data").after, "root")
    assert {after[number] for number in range(2000, 2000 + count)} == {"/data"}
    assert len(seen) < 4 * count


@pytest.mark.parametrize(("own", "after"), [(3, 4), (1, None), (2, None)])
def test_only_files_on_the_topmost_mount_of_their_path_change_theirs(
    scene: Scene, own: int, after: int | None
) -> None:
    """Of mounts on one another the last is seen; a file that is on one below was opened before."""
    scene.mounts(ROOT, (2, 1, "/srv"), (3, 2, "/srv"), (4, 1, "/data")).files("/srv/a/x", mnt_id=own)
    values = scene.change(remap_path, "/srv/a", "/data/b").values
    expected = None if after is None else (own, after)
    assert values.get("files.img entries[0].reg.mnt_id") == expected


def test_files_of_namespaces_are_told_apart_by_their_mounts(scene: Scene) -> None:
    scene.mounts(ROOT, (2, 1, "/data")).mounts((11, 98, "/"), (12, 11, "/data"), number=8)
    scene.files("/srv/a/x", mnt_id=11)
    values = scene.change(remap_path, "/srv/a", "/data/b").values
    assert values["files.img entries[0].reg.mnt_id"] == (11, 12)
