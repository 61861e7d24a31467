"""Rules of open files: each broken once, and nothing else is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Copy

    from dyncrit import Image


def _set(index: int, field: str, value: object):
    def edit(image: Image) -> None:
        setattr(image.entries[index].message, field, value)

    return edit


def test_a_descriptor_without_a_file_is_found(tree: Copy) -> None:
    found = tree.change("fdinfo-2.img", _set(0, "id", 99)).check()
    assert [str(finding) for finding in found] == [
        "fdinfo-2.img: entry 0: id: error: descriptor 0: there is no REG file 0x63 [descriptors-resolve]"
    ]


def test_a_descriptor_of_another_type_than_its_file_is_found(tree: Copy) -> None:
    tree.change("fdinfo-2.img", _set(0, "type", 2))
    assert tree.found() == [("descriptors-resolve", "fdinfo-2.img", "entry 0: id")]


@pytest.mark.parametrize("field", ["cwd_id", "root_id"])
def test_a_directory_that_is_no_file_is_found(tree: Copy, field: str) -> None:
    tree.change("fs-9840.img", _set(0, field, 99))
    assert tree.found() == [("paths-resolve", "fs-9840.img", field)]


def test_a_program_that_is_no_file_is_found(tree: Copy) -> None:
    tree.change("mm-9834.img", _set(0, "exe_file_id", 99))
    assert ("paths-resolve", "mm-9834.img", "exe_file_id") in tree.found()


def test_a_mapping_of_no_file_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.vmas[1].shmid = 99

    assert ("mappings-resolve", "mm-9834.img", "vmas[1].shmid") in tree.change("mm-9834.img", edit).found()


def test_a_ghost_file_whose_image_is_missing_is_found(tree: Copy) -> None:
    assert tree.remove("ghost-file-1.img").found() == [
        ("remaps-resolve", "remap-fpath.img", "entry 0: remap_id")
    ]


def test_a_remap_of_no_file_is_found(tree: Copy) -> None:
    tree.change("remap-fpath.img", _set(0, "orig_id", 99))
    assert tree.found() == [("remaps-resolve", "remap-fpath.img", "entry 0: orig_id")]


def test_a_link_to_no_file_is_found(tree: Copy) -> None:
    tree.change("remap-fpath.img", lambda image: image.add(orig_id=6, remap_id=99, remap_type="LINKED"))
    assert tree.found() == [("remaps-resolve", "remap-fpath.img", "entry 1: remap_id")]


def test_remaps_of_releases_without_a_type_are_understood(tree: Copy) -> None:
    tree.change("remap-fpath.img", lambda image: image.entries[0].message.ClearField("remap_type"))
    tree.change("remap-fpath.img", _set(0, "remap_id", 1 | 1 << 31))
    assert tree.found() == []


def test_a_file_that_is_there_twice_is_found(tree: Copy) -> None:
    tree.change("files.img", lambda image: image.entries.append(image.entries[2]))
    assert tree.found() == [("file-ids-unique", "files.img", "entry 17: id")]


def test_a_descriptor_that_is_there_twice_is_found(tree: Copy) -> None:
    tree.change("fdinfo-3.img", lambda image: image.entries.append(image.entries[0]))
    assert [rule for rule, _, _ in tree.found()] == ["file-ids-unique"]


def test_a_file_without_the_part_of_its_type_is_found(tree: Copy) -> None:
    tree.change("files.img", lambda image: image.add(type="FIFO", id=77))
    assert tree.found() == [("file-types", "files.img", "entry 17")]


def test_a_file_whose_part_has_another_id_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        image.entries[3].message.reg.id = 77

    assert tree.change("files.img", edit).found() == [("file-types", "files.img", "entry 3: reg.id")]


def test_nothing_is_missing_in_an_image_of_files_that_is_damaged(tree: Copy) -> None:
    path = tree.folder / "files.img"
    path.write_bytes(path.read_bytes()[:200])
    assert [(rule, name) for rule, name, _ in tree.found()] == [("image-readable", "files.img")]


def test_a_mapping_of_no_packet_socket_is_found(tree: Copy) -> None:
    def edit(image: Image) -> None:
        vma = image.entries[0].message.vmas[0]
        vma.status, vma.shmid = 1 | 1 << 11, 99

    found = tree.change("mm-9834.img", edit).check(rules=["mappings-resolve"])
    assert [finding.message.partition(": ")[2] for finding in found] == ["there is no packet socket 0x63"]
