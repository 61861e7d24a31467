"""Namespaces and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.namespaces import (
    Clocks,
    IdRange,
    Namespace,
    Net,
    Pid,
    User,
    Uts,
    host_clocks,
    read_namespaces,
)
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path


def image_set(folder: Path) -> ImageSet:
    return ImageSet(DirectoryTree(folder), Schema.default(), Problems())


def own(folder: Path) -> dict[str, Namespace]:
    """The namespaces of the tasks that aren't the host's, by kind."""
    return {found.kind: found for found in read_namespaces(image_set(folder)) if not found.host}


def write(folder: Path, name: str, type_name: str, **fields: object) -> None:
    image = Image.new(type_name)
    image.add(**fields)
    dump(image, folder / name)


@pytest.mark.parametrize(
    ("folder", "kinds"),
    [
        ("criu-1.1/programs/ns-ipc", ["pid", "net", "ipc", "uts", "mnt"]),
        ("criu-2.12/programs/uns-ipc", ["pid", "net", "ipc", "uts", "mnt", "user"]),
        ("criu-4.2/user-namespaces/maps02", ["pid", "net", "ipc", "uts", "mnt", "user", "time"]),
        ("criu-4.2/host/env00", []),
        ("criu-2.12/host/proc-self", []),
    ],
)
def test_kinds_that_tasks_have_of_their_own_are_told(corpus, folder, kinds):
    assert list(own(corpus / folder)) == kinds


def test_tasks_are_in_their_namespaces(corpus):
    found = read_namespaces(image_set(corpus / "criu-2.12/namespaces/tun"))
    assert {entry.pids for entry in found if not entry.host} == {(1, 5)}
    host = {entry.kind: entry.pids for entry in found if entry.host}
    assert (host["pid"], host["user"], host["cgroup"]) == ((), (1, 5), (1, 5))


def test_only_the_tasks_asked_for_count(corpus):
    images = image_set(corpus / "criu-2.12/namespaces/tun")
    assert {entry.pids for entry in read_namespaces(images, [5]) if not entry.host} == {(5,)}


def test_host_names_and_maps_of_users_are_read(corpus):
    assert own(corpus / "criu-1.1/programs/ns-ipc")["uts"].details == Uts("zhost", "(none)")
    assert own(corpus / "criu-4.2/user-namespaces/maps02")["user"].details == User(
        (IdRange(0, 20000, 20000), IdRange(100000, 200000, 50000)),
        (IdRange(0, 400000, 50000), IdRange(50000, 500000, 100000)),
    )


def test_clocks_are_those_of_the_namespace_or_of_the_host(corpus):
    folder = corpus / "criu-4.2/user-namespaces/maps02"
    assert own(folder)["time"].details == Clocks(865103346767477, 1729103346767547)
    assert host_clocks(image_set(folder)) is None
    assert host_clocks(image_set(corpus / "criu-4.2/programs/ext-pidns")) == Clocks(
        2518053649742, 2518053649792
    )


def test_external_namespaces_have_their_names(corpus):
    found = own(corpus / "criu-4.2/programs/ext-pidns")
    assert found["pid"].details == Pid("extpid")
    assert found["net"].details == Net((), "extnet")


def test_network_devices_are_read(corpus):
    net = own(corpus / "criu-2.12/namespaces/tun")["net"].details
    assert isinstance(net, Net)
    assert [(device.name, device.kind, device.mtu, device.up) for device in net.devices] == [
        ("lo", "loopback", 65536, True),
        ("tunx0", "tun", 1500, False),
        ("tunx1", "tun", 1500, False),
        ("tunx2", "tun", 1500, False),
        ("tapx0", "tun", 1500, False),
    ]
    assert [device.address for device in net.devices] == ["", "", "", "", "d2:08:e5:08:38:7a"]
    new = own(corpus / "criu-4.2/namespaces/tun")["net"].details
    assert isinstance(new, Net)
    assert [device.peer for device in new.devices] == [None] * 5


@pytest.mark.parametrize(
    "folder", ["criu-1.1/programs/ns-ipc", "criu-2.12/programs/uns-ipc", "criu-4.2/programs/uns-ipc"]
)
def test_system_v_objects_are_summed_up_alike_in_all_releases(corpus, folder):
    ipc = own(corpus / folder)["ipc"].details
    assert [segment.size for segment in ipc.shared_memory] == [4096, 100000, 5000, 8192]
    assert [segment.key for segment in ipc.shared_memory] == [4097, 4098, 0, 8192]
    assert [queue.messages for queue in ipc.message_queues] == [0, 4, 5]
    assert [len(semaphores.values) for semaphores in ipc.semaphores] == [1, 7, 250]
    assert ipc.semaphores[1].values == (0, 3, 6, 9, 12, 15, 18)


def test_before_0_8_images_of_namespaces_are_by_pid(tmp_path):
    ids = {"vm_id": 1, "files_id": 1, "fs_id": 1, "sighand_id": 1}
    write(tmp_path, "inventory.img", "INVENTORY", img_version=1, root_ids={**ids, "uts_ns_id": 4})
    write(tmp_path, "ids-42.img", "IDS", **ids, uts_ns_id=9)
    write(tmp_path, "utsns-42.img", "UTSNS", nodename="old", domainname="")
    assert own(tmp_path)["uts"].details == Uts("old", "")


def test_ids_in_core_images_count_where_there_is_no_ids_image(tmp_path):
    ids = {"vm_id": 1, "files_id": 1, "fs_id": 1, "sighand_id": 1, "uts_ns_id": 9}
    write(tmp_path, "core-42.img", "CORE", mtype="X86_64", ids=ids)
    (found,) = read_namespaces(image_set(tmp_path), [42])
    assert (found.kind, found.id, found.pids) == ("uts", 9, (42,))


def test_what_is_missing_leaves_the_rest(tmp_path, corpus):
    for path in (corpus / "criu-1.1/programs/ns-ipc").glob("*.img"):
        if not path.name.startswith(("utsns", "ipcns-sem", "inventory")):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    found = {entry.kind: entry for entry in read_namespaces(image_set(tmp_path))}
    assert found["uts"].details is None
    assert found["ipc"].details.semaphores == ()
    assert len(found["ipc"].details.shared_memory) == 4


def test_an_empty_folder_has_none(tmp_path):
    assert read_namespaces(image_set(tmp_path)) == []


def test_all_directories_of_the_corpus_are_read_without_problems(corpus):
    folders = {path.parent for path in corpus.rglob("inventory.img")}
    assert len(folders) > 60
    for folder in folders:
        images = image_set(folder)
        found = read_namespaces(images)
        assert len({(entry.kind, entry.id) for entry in found}) == len(found)
        assert list(images.problems) == []
