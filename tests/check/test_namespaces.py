"""Rules of namespaces, control groups and filters: each broken once, and nothing else is found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Copy

    from dyncrit import Image

_NETWORK = ["ifaddr", "ip6tables", "iptables", "netdev", "netns", "nftables", "route", "route6", "rule"]


def test_namespaces_with_their_images_are_clean(container: Copy) -> None:
    assert container.found() == []


@pytest.mark.parametrize("name", ["mountpoints-13.img", "utsns-12.img", "ipcns-var-11.img", "userns-14.img"])
def test_a_namespace_without_its_image_is_found(container: Copy, name: str) -> None:
    assert container.remove(name).found() == [("namespace-images", name, "")]


@pytest.mark.parametrize("name", ["netns-10.img", "netdev-10.img"])
def test_a_network_without_settings_or_devices_is_found(container: Copy, name: str) -> None:
    found = container.remove(name).check()
    assert [(finding.rule.id, finding.file, finding.severity) for finding in found] == [
        ("network-images", name, "warning")
    ]


def test_a_network_that_was_left_out_on_purpose_is_fine(container: Copy) -> None:
    for stem in _NETWORK:
        container.remove(f"{stem}-10.img")
    assert container.found() == []


def test_a_network_that_comes_from_outside_needs_no_devices(container: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.ext_key = "outside"

    assert container.change("netns-10.img", edit).remove("netdev-10.img").found() == []


@pytest.mark.parametrize("part", ["tc", "thread_core"])
def test_a_set_of_control_groups_that_is_missing_is_found(tree: Copy, part: str) -> None:
    def edit(image: Image) -> None:
        getattr(image.entries[0].message, part).cg_set = 99

    assert tree.change("core-9838.img", edit).found() == [
        ("cgroup-sets-resolve", "core-9838.img", f"{part}.cg_set")
    ]


def test_a_set_of_control_groups_that_is_there_is_fine(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.thread_core.cg_set = 99

    tree.write("cgroup.img", "CGROUP", {"sets": [{"id": 99, "ctls": [{"name": "", "path": "/"}]}]})
    assert tree.change("core-9838.img", edit).found() == []


@pytest.mark.parametrize(("part", "mode"), [("thread_core", "seccomp_mode"), ("tc", "old_seccomp_mode")])
def test_a_filter_that_is_missing_is_found(tree: Copy, part: str, mode: str) -> None:
    def edit(image: Image) -> None:
        holder = getattr(image.entries[0].message, part)
        setattr(holder, mode, 2)
        setattr(holder, mode.replace("mode", "filter"), 7)

    field = mode.replace("mode", "filter")
    assert tree.change("core-9838.img", edit).found() == [
        ("seccomp-filters-resolve", "core-9838.img", f"{part}.{field}")
    ]


def test_a_filter_that_builds_on_a_later_one_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.seccomp_filters.add(filter=b"", prev=3)

    assert tree.change("seccomp.img", edit).found() == [
        ("seccomp-filters-resolve", "seccomp.img", "seccomp_filters[0].prev")
    ]


@pytest.mark.parametrize("stem", ["ifaddr", "route"])
def test_lost_addresses_and_routes_of_a_network_are_found(corpus: Path, tmp_path: Path, stem: str) -> None:
    folder = tmp_path / "dump"
    shutil.copytree(corpus / "criu-4.2" / "namespaces" / "shm-mp", folder)
    folder.chmod(0o755)
    (folder / f"{stem}-10.img").unlink()
    with open_checkpoint(folder) as checkpoint:
        found = check(checkpoint, pages=False).findings
    assert [(finding.rule.id, finding.file) for finding in found] == [("network-images", f"{stem}-10.img")]
