"""Another id for a container, in images and in the files of its engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.places.container_id import remap_container_id
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene

PODMAN = "b0e70ca5e0e4f76eb0850be8299270bc52794addd55ee770d86f1298985e84e9"
NEW = "0123456789abcdef" * 4


def test_a_real_container_goes_by_another_id(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    outcome = scene.change(remap_container_id, PODMAN, NEW)
    images = {item.place.split()[0] for item in outcome.touched}
    assert images == {"cgroup.img", "mountpoints-13.img", "config.dump", "spec.dump"}
    with outcome.after.open() as checkpoint:
        assert checkpoint.container is not None
        assert checkpoint.container.id == NEW
        assert checkpoint.container.hostname != NEW
        groups = {path for process in checkpoint.processes for path in process.cgroups.values()}
        assert groups == {f"/libpod_parent/libpod-{NEW}"}
    assert all(PODMAN.encode() not in outcome.after.bytes()[name] for name in ("config.dump", "spec.dump"))


def test_the_other_way_gives_the_old_bytes(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    there = scene.change(remap_container_id, PODMAN, "web-1").after
    assert there.change(remap_container_id, "web-1", PODMAN).after.bytes() == scene.bytes()


def test_files_that_are_no_json_stay(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    (scene.folder / "ctr.log").write_text(f'{{"id": "{PODMAN}"}}\n{{"id": "{PODMAN}"}}\n')
    (scene.folder / "broken.json").write_text(f'{{"id": "{PODMAN}"')
    (scene.folder / "bytes.json").write_bytes(b'{"id": "' + PODMAN.encode() + b'\xff"}')
    (scene.folder / "deep.json").write_text("[" * 100_000 + f'"{PODMAN}"' + "]" * 100_000)
    after = scene.change(remap_container_id, PODMAN, NEW).after
    for name in ("ctr.log", "broken.json", "bytes.json", "deep.json"):
        assert after.bytes()[name] == scene.bytes()[name]


def test_json_beside_the_images_changes_in_place(real: Callable[[str], Scene]) -> None:
    scene = real("archives/podman-4.3-app.tar.gz")
    text = f'{{ "{PODMAN}" :\n ["x\\/{PODMAN}\\/y", "{PODMAN}0"] }}\n'
    (scene.images / "descriptors.json").write_text(text)
    outcome = scene.change(remap_container_id, PODMAN, NEW)
    changed = (outcome.after.images / "descriptors.json").read_text()
    assert changed == text.replace(PODMAN, NEW).replace(f"{NEW}0", f"{PODMAN}0")
    assert json.loads(changed)
    (item,) = (item for item in outcome.touched if item.place == "descriptors.json")
    assert item.what == "container id in JSON, 2 times"


def test_everything_that_can_name_a_container_is_changed(scene: Scene) -> None:
    scene.mounts(
        (1, 99, "/"),
        {
            "mnt_id": 2,
            "parent_mnt_id": 1,
            "mountpoint": "/m/old",
            "root": "/r/old/x",
            "source": "/s/old",
            "options": "upperdir=/o/old/diff",
            "ext_key": "k-old",
        },
    )
    scene.files("/f/old/log", "/f/older")
    scene.write("netns-9.img", "NETNS", {"ext_key": "net-old"})
    scene.write("pidns-9.img", "PIDNS", {"ext_key": "pid-old"})
    scene.write("irmap-cache", "IRMAP_CACHE", {"dev": 1, "inode": 2, "path": "/i/old"})
    outcome = scene.change(remap_container_id, "old", "new")
    assert {item.after for item in outcome.touched} == {
        "/m/new",
        "/r/new/x",
        "/s/new",
        "upperdir=/o/new/diff",
        "k-new",
        "/f/new/log",
        "net-new",
        "pid-new",
        "/i/new",
    }
    assert outcome.after.change(remap_container_id, "new", "old").after.bytes() == scene.bytes()


def test_names_that_are_no_places_stay(scene: Scene) -> None:
    scene.write("utsns-9.img", "UTSNS", {"nodename": "old", "domainname": "old"})
    scene.write(
        "memfd.img",
        "MEMFD_INODE",
        {"name": "old", "uid": 0, "gid": 0, "size": 0, "shmid": 0, "inode_id": 1, "seals": 0},
    )
    assert scene.change(remap_container_id, "old", "new").touched == []


def test_sockets_of_both_kinds_change(scene: Scene) -> None:
    scene.sockets(
        {"name": b"/run/old/s\0"}, {"name": b"\0cri-old\0old"}, {"name": b"s\0", "name_dir": "/run/old"}
    )
    outcome = scene.change(remap_container_id, "old", "new")
    assert [(item.before, item.after) for item in outcome.touched] == [
        ("/run/old/s", "/run/new/s"),
        ("@cri-old@old", "@cri-new@new"),
        ("/run/old", "/run/new"),
    ]


def test_names_of_sockets_that_get_too_long_are_refused(scene: Scene) -> None:
    scene.sockets({"name": b"/run/" + b"x" * 60 + b"/old\0"})
    with pytest.raises(DyncritError, match="108 bytes at most"):
        scene.change(remap_container_id, "old", NEW)


def test_what_a_namespace_hides_is_counted_anew(scene: Scene) -> None:
    member = {"name": "pids", "path": "/d/old/init", "cgns_prefix": 6}
    scene.write("cgroup.img", "CGROUP", {"sets": [{"id": 1, "ctls": [member]}]})
    (entry,) = scene.change(remap_container_id, "old", "longer").after.entries("cgroup.img")
    assert entry["sets"][0]["ctls"] == [{"name": "pids", "path": "/d/longer/init", "cgns_prefix": 9}]


def test_a_directory_takes_no_other_ones_place(scene: Scene) -> None:
    directories = [{"dir_name": "d/old"}, {"dir_name": "d/new"}]
    scene.write("cgroup.img", "CGROUP", {"controllers": [{"cnames": ["pids"], "dirs": directories}]})
    with pytest.raises(DyncritError, match="'/d/new' is already there"):
        scene.change(remap_container_id, "old", "new")


def test_an_abbreviated_id_is_another(scene: Scene) -> None:
    scene.files(f"/a/{PODMAN}", f"/a/{PODMAN[:12]}")
    outcome = scene.change(remap_container_id, PODMAN[:12], "short")
    assert [item.after for item in outcome.touched] == ["/a/short"]


def test_large_json_changes(scene: Scene) -> None:
    (scene.folder / "big.json").write_text('{"id": "old", "pad": "' + "x" * (17 << 20) + '"}')
    (item,) = scene.change(remap_container_id, "old", "new").touched
    assert item.place == "big.json"


def test_json_that_is_too_large_is_an_error_before_anything_is_changed(scene: Scene) -> None:
    scene.files("/a/old")
    path = scene.folder / "big.json"
    path.write_text('{"id": "other", "pad": "' + "x" * (64 << 20) + '"}')
    assert len(scene.change(remap_container_id, "old", "new").touched) == 1
    path.write_text('{"id": "old", "pad": "' + "x" * (64 << 20) + '"}')
    with scene.open() as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(DyncritError, match=r"big\.json: has the id 'old' in JSON of 671\d+ bytes"):
            remap_container_id(edit, "old", "new")
        assert edit.changes == []
