"""``dyncrit drop-apparmor``: processes without AppArmor's profiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, load

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Process 9840 has a profile, and there are policies."""
    folder = shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)
    core = load(folder / "core-9840.img")
    core.entries[0].message.thread_core.creds.lsm_profile = ":lxd-web:web"
    dump(core, folder / "core-9840.img")
    policies = Image.new("APPARMOR")
    policies.add(namespaces=[{"name": "lxd-web"}])
    dump(policies, folder / "apparmor.img")
    return folder


def test_profiles_and_policies_are_dropped_and_told(run: Run, data: Path, folder: Path) -> None:
    assert run("drop-apparmor", folder) == (
        0,
        (
            b"process 9840: AppArmor profile: :lxd-web:web removed\n"
            b"apparmor.img: policies: those of lxd-web removed\n"
        ),
        "",
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (data / "demo/tree").iterdir()
    }


def test_a_dry_run_tells_which_image_goes(run: Run, folder: Path) -> None:
    code, out, err = run("drop-apparmor", "--dry-run", folder)
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        f'apparmor.img: "{(folder / "apparmor.img").stat().st_size} bytes" removed',
        'core-9840.img entries[0].thread_core.creds.lsm_profile: ":lxd-web:web" removed',
    ]


def test_labels_of_selinux_are_an_error_that_names_them(run: Run, folder: Path) -> None:
    inventory = load(folder / "inventory.img")
    inventory.entries[0].message.lsmtype = 1
    dump(inventory, folder / "inventory.img")
    code, out, err = run("drop-apparmor", folder)
    assert (code, out) == (1, b"")
    assert err.count("\n") == 1
    assert "are of SELinux, not of AppArmor (:lxd-web:web); nothing was changed" in err


def test_nothing_to_drop_is_said_and_no_error(run: Run, folder: Path) -> None:
    assert run("drop-apparmor", folder)[0] == 0
    assert run("drop-apparmor", folder) == (
        0,
        b"",
        f"dyncrit: {folder}: there is nothing to drop: no process has a profile of AppArmor\n",
    )


def test_the_help_has_an_example(run: Run) -> None:
    assert b"Example: dyncrit drop-apparmor checkpoint/" in run("drop-apparmor", "--help")[1]
