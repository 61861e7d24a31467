"""AppArmor's profiles and policies, taken out of the images."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, load, loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.apparmor import drop_apparmor
from dyncrit.edit.touched import Touched
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

NO_LSM, SELINUX, APPARMOR = 0, 1, 2


def set_type(folder: Path, number: int) -> None:
    inventory = load(folder / "inventory.img")
    inventory.entries[0].message.lsmtype = number
    dump(inventory, folder / "inventory.img")


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A checkpoint of an AppArmor host: profiles in two threads of three, and in 9840, and a namespace."""
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    set_type(folder, APPARMOR)
    for tid in (9834, 9836, 9840):
        core = load(folder / f"core-{tid}.img")
        core.entries[0].message.thread_core.creds.lsm_profile = "docker-default"
        dump(core, folder / f"core-{tid}.img")
    policies = Image.new("APPARMOR")
    policies.add(namespaces=[{"name": "lxd-web", "policies": [{"name": "web", "blob": b"\1\2"}]}])
    dump(policies, folder / "apparmor.img")
    return folder


def test_every_profile_goes_and_the_policies_with_them(data: Path, folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_apparmor(edit) == [
            Touched("process 9834", "thread 9834: AppArmor profile", "docker-default"),
            Touched("process 9834", "thread 9836: AppArmor profile", "docker-default"),
            Touched("process 9840", "AppArmor profile", "docker-default"),
            Touched("apparmor.img", "policies", "those of lxd-web"),
        ]
        assert "apparmor.img" not in edit.images
        for tid in (9834, 9836, 9840):
            name = f"core-{tid}.img"
            assert bytes(edit.images.view(name)) == (data / "demo/tree" / name).read_bytes()
        assert {change.name for change in edit.changes} == {
            "apparmor.img",
            *(f"core-{tid}.img" for tid in (9834, 9836, 9840)),
        }
        assert drop_apparmor(edit) == []


def test_all_that_is_of_apparmor_in_the_credentials_goes(folder: Path) -> None:
    core = load(folder / "core-9840.img")
    creds = core.entries[0].message.thread_core.creds
    creds.lsm_sockcreate, creds.apparmor_data = "label", b"12345"
    dump(core, folder / "core-9840.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        touched = [item[1:3] for item in drop_apparmor(edit) if item.place == "process 9840"]
        after = loads(bytes(edit.images.view("core-9840.img"))).entries[0].message.thread_core.creds
    assert touched == [
        ("AppArmor profile", "docker-default"),
        ("label of new sockets", "label"),
        ("AppArmor data", "5 bytes"),
    ]
    assert not any(after.HasField(name) for name in ("lsm_profile", "lsm_sockcreate", "apparmor_data"))
    assert after.cap_bnd == creds.cap_bnd
    assert creds.cap_bnd


def test_profiles_go_from_the_images_of_credentials_that_criu_wrote_up_to_1_8(
    data: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(data / "criu-1.1/programs/ns-ipc", tmp_path / "copy")
    credentials = load(folder / "creds-1.img")
    before = (folder / "creds-1.img").read_bytes()
    credentials.entries[0].message.lsm_profile = "lxc-container"
    dump(credentials, folder / "creds-1.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_apparmor(edit) == [Touched("process 1", "AppArmor profile", "lxc-container")]
        assert bytes(edit.images.view("creds-1.img")) == before


def test_labels_of_selinux_are_left_alone_and_named(folder: Path) -> None:
    set_type(folder, SELINUX)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(ImageError, match="are of SELinux, not of AppArmor"):
            drop_apparmor(edit)
        assert edit.changes == []


@pytest.mark.parametrize("number", [NO_LSM, APPARMOR])
def test_the_type_in_the_inventory_stays(folder: Path, number: int) -> None:
    set_type(folder, number)
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_apparmor(edit)
        assert "inventory.img" not in {change.name for change in edit.changes}


def test_policies_alone_are_removed_since_a_restore_loads_them(data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    policies = Image.new("APPARMOR")
    policies.add()
    dump(policies, folder / "apparmor.img")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_apparmor(edit) == [Touched("apparmor.img", "policies", "an empty image")]
        assert [(change.name, change.content) for change in edit.changes] == [("apparmor.img", None)]


def test_check_finds_nothing_new(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        known = {str(finding) for finding in check(checkpoint, pages=False).findings}
        assert drop_apparmor(edit)
        assert {str(finding) for finding in check(edit.preview(), pages=False).findings} <= known


@pytest.mark.parametrize("name", ["demo/tree", "criu-1.1/programs/ns-ipc", "criu-2.12/programs/seccomp"])
def test_nothing_is_changed_where_there_are_no_profiles(data: Path, name: str) -> None:
    with open_checkpoint(data / name) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert drop_apparmor(edit) == []
        assert edit.changes == []
