"""Each rule on memory finds what it says, and nothing else does."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import Image, dump, load
from dyncrit.check.checking import check
from dyncrit.check.context import Context
from dyncrit.check.memory import CHECKS
from dyncrit.check.memory.runs import Runs, pagemaps
from dyncrit.checkpoint import open_checkpoint
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PID = 9834
_MM, _PAGEMAP, _PAGES = f"mm-{_PID}.img", f"pagemap-{_PID}.img", "pages-1.img"
_AIO_RING = 1 | 1 << 13
_GUARD = 1 | 1 << 16
_PARENT, _LAZY = 1, 2


def _rules(copy: Any, **options: Any) -> list[tuple[str, str]]:
    """The rule and file of each finding."""
    return [(finding.rule.id, finding.file) for finding in copy.check(**options)]


def _mm(image: Image) -> Any:
    return image.entries[0].message


def _run(image: Image, index: int = 0) -> Any:
    """An entry of a pagemap; the head is not counted."""
    return image.entries[1 + index].message


def test_healthy_memory_has_no_findings(tree: Any) -> None:
    assert tree.check(pages=True, deep=True) == ()


def test_every_rule_has_its_own_id() -> None:
    ids = [item.rule.id for item in CHECKS]
    assert len(ids) == len(set(ids))


# mappings


def test_a_mapping_that_ends_before_it_begins_is_found(tree: Any) -> None:
    def swap(image: Image) -> None:
        vma = _mm(image).vmas[5]
        vma.start, vma.end = vma.end, vma.start

    found = tree.change(_MM, swap).check()
    assert [(item.rule.id, item.file) for item in found] == [("mapping-bounds", _MM)]
    assert found[0].message == "mapping 0x55c615bbf000-0x55c615b9e000 ends before it begins"


def test_an_empty_mapping_is_found(tree: Any) -> None:
    def empty(image: Image) -> None:
        _mm(image).vmas[5].end = _mm(image).vmas[5].start

    assert _rules(tree.change(_MM, empty)) == [("mapping-bounds", _MM)]


def test_a_mapping_of_half_a_page_is_found(tree: Any) -> None:
    def cut(image: Image) -> None:
        _mm(image).vmas[6].end -= 2048

    assert _rules(tree.change(_MM, cut)) == [("mapping-bounds", _MM)]


def test_mappings_out_of_order_are_found(tree: Any) -> None:
    def swap(image: Image) -> None:
        vmas = _mm(image).vmas
        first = type(vmas[6]).FromString(vmas[6].SerializeToString())
        vmas[6].CopyFrom(vmas[7])
        vmas[7].CopyFrom(first)

    found = tree.change(_MM, swap).check()
    assert [(item.rule.id, item.file) for item in found] == [("mapping-order", _MM)]
    assert "stands behind" in found[0].message


def test_mappings_on_top_of_each_other_are_found(tree: Any) -> None:
    def grow(image: Image) -> None:
        _mm(image).vmas[6].end += 4096

    found = tree.change(_MM, grow).check()
    assert [(item.rule.id, item.file) for item in found] == [("mapping-order", _MM)]
    assert "overlaps" in found[0].message


def test_guards_within_a_mapping_are_no_mappings_of_their_own(tree: Any) -> None:
    def guard(image: Image) -> None:
        vmas = _mm(image).vmas
        inside = type(vmas[7]).FromString(vmas[7].SerializeToString())
        inside.start, inside.end, inside.status = vmas[7].start + 4096, vmas[7].start + 8192, _GUARD
        vmas.append(inside)

    assert tree.change(_MM, guard).check() == ()


@pytest.mark.parametrize("field", ["mm_end_code", "mm_end_data", "mm_brk", "mm_arg_end", "mm_env_end"])
def test_the_end_of_memory_before_its_beginning_is_found(tree: Any, field: str) -> None:
    found = tree.change(_MM, lambda image: setattr(_mm(image), field, 4096)).found()
    assert [(rule, file) for rule, file, _ in found] == [("memory-bounds", _MM)]


def test_code_of_no_bytes_is_found(tree: Any) -> None:
    def empty(image: Image) -> None:
        _mm(image).mm_end_code = _mm(image).mm_start_code

    assert _rules(tree.change(_MM, empty)) == [("memory-bounds", _MM)]


@pytest.mark.parametrize("field", ["mm_start_code", "mm_start_stack", "mm_arg_start", "mm_env_start"])
def test_memory_where_nothing_is_mapped_is_found(tree: Any, field: str) -> None:
    found = tree.change(_MM, lambda image: setattr(_mm(image), field, 8192)).check()
    assert [(item.rule.id, item.severity, item.place) for item in found] == [
        ("memory-addresses", "warning", field)
    ]


def test_a_heap_that_is_not_mapped_is_found_and_an_empty_one_is_not(tree: Any) -> None:
    tree.change(_MM, lambda image: setattr(_mm(image), "mm_start_brk", 8192))
    assert _rules(tree) == [("memory-addresses", _MM)]
    tree.change(_MM, lambda image: setattr(_mm(image), "mm_brk", 8192))
    assert tree.check() == ()


def test_a_program_that_is_not_mapped_is_noted(tree: Any) -> None:
    def unmap(image: Image) -> None:
        for vma in list(_mm(image).vmas)[:5]:
            vma.shmid = 2

    found = tree.change(_MM, unmap).check()
    assert [(item.rule.id, item.severity) for item in found] == [("executable-mapped", "note")]


def test_a_ring_without_a_mapping_is_found(tree: Any) -> None:
    def ring(image: Image) -> None:
        _mm(image).aios.add(id=0x1000, nr_req=1, ring_len=4096)

    assert _rules(tree.change(_MM, ring)) == [("aio-rings", _MM)]


@pytest.mark.parametrize(
    ("size", "found"), [(4096, []), (8192, [("aio-rings", _MM)]), (None, [("aio-rings", _MM)])]
)
def test_a_ring_is_as_large_as_its_mapping(tree: Any, size: int | None, found: list[tuple[str, str]]) -> None:
    def ring(image: Image) -> None:
        vma = _mm(image).vmas[6]
        vma.status = _AIO_RING
        if size:
            _mm(image).aios.add(id=vma.start, nr_req=1, ring_len=size)

    assert _rules(tree.change(_MM, ring)) == found


def test_processes_of_different_page_sizes_are_found(tree: Any) -> None:
    def tell(image: Image) -> None:
        vector = _mm(image).mm_saved_auxv
        vector[list(vector)[::2].index(6) * 2 + 1] = 16384

    assert _rules(tree.change("mm-9838.img", tell)) == [("page-size", "mm-9838.img")]


# pagemaps


def test_a_pagemap_without_a_head_is_found(copy: Callable[[str], Any]) -> None:
    name = "pagemap-shmem-514.img"
    dump = copy("criu-4.2/host/env00").change(name, lambda image: image.entries.clear())
    assert _rules(dump) == [("pagemap-head", name)]


@pytest.mark.parametrize("address", [0x55C60E026800, (1 << 64) - 4096])
def test_an_entry_that_is_not_of_pages_is_found(tree: Any, address: int) -> None:
    index = 0 if address < 1 << 63 else -1

    def move(image: Image) -> None:
        image.entries[1 if index == 0 else -1].message.vaddr = address

    assert _rules(tree.change(_PAGEMAP, move)) == [("pagemap-bounds", _PAGEMAP)]


def test_an_entry_of_no_pages_is_found(tree: Any) -> None:
    def empty(image: Image) -> None:
        image.add(vaddr=0x7FFE7DCC9000, compat_nr_pages=0, flags=4)

    found = tree.change(_PAGEMAP, empty).check(pages=True)
    assert [(item.rule.id, item.severity) for item in found] == [("pagemap-empty", "warning")]


def test_entries_out_of_order_are_found(tree: Any) -> None:
    def swap(image: Image) -> None:
        image.entries[1], image.entries[2] = image.entries[2], image.entries[1]

    found = tree.change(_PAGEMAP, swap).check(pages=True)
    assert [(item.rule.id, item.file) for item in found] == [("pagemap-order", _PAGEMAP)]
    assert found[0].message == "out of order: 1 entry, the first at 0x55c60e026000"


def test_entries_on_top_of_each_other_are_found(tree: Any) -> None:
    def repeat(image: Image) -> None:
        _run(image, 1).vaddr = _run(image).vaddr

    found = tree.change(_PAGEMAP, repeat).check(pages=True)
    assert [(item.rule.id, item.file) for item in found] == [("pagemap-order", _PAGEMAP)]
    assert found[0].message.startswith("on top of others")


def test_pages_that_are_nowhere_are_found(tree: Any) -> None:
    tree.change(_PAGEMAP, lambda image: setattr(_run(image), "flags", 0))
    assert _rules(tree) == [("pagemap-place", _PAGEMAP)]


def test_unknown_flags_are_noted(tree: Any) -> None:
    found = tree.change(_PAGEMAP, lambda image: setattr(_run(image), "flags", 4 | 64)).check(pages=True)
    assert [(item.rule.id, item.severity, item.message) for item in found] == [
        ("pagemap-flags", "note", "flags 0x40 have no name: 1 entry")
    ]


def test_pages_outside_of_mappings_are_found(tree: Any) -> None:
    found = tree.change(_PAGEMAP, lambda image: setattr(_run(image), "vaddr", 0x10000)).check(pages=True)
    assert [(item.rule.id, item.file) for item in found] == [("pages-mapped", _PAGEMAP)]
    assert found[0].message == "not mapped: 1 page, the first at 0x10000"


def test_pages_that_reach_over_the_end_of_a_mapping_are_found(tree: Any) -> None:
    tree.change(_MM, lambda image: setattr(_mm(image).vmas[19], "end", 0x7F6545DAF000))
    assert _rules(tree) == [("pages-mapped", _PAGEMAP)]


def test_pages_of_mappings_that_are_shared_are_found(tree: Any) -> None:
    def share(image: Image) -> None:
        _mm(image).vmas[5].status = 1  # VMA_AREA_REGULAR alone

    assert _rules(tree.change(_MM, share)) == [("pages-private", _PAGEMAP)]


def test_pages_left_at_the_host_are_noted(tree: Any) -> None:
    found = tree.change(_PAGEMAP, lambda image: setattr(_run(image), "flags", _LAZY)).check()
    assert [(item.rule.id, item.severity) for item in found] == [("pages-lazy", "note")]


def test_a_pages_image_of_two_pagemaps_is_found(tree: Any) -> None:
    tree.change("pagemap-9838.img", lambda image: setattr(image.entries[0].message, "pages_id", 1))
    assert _rules(tree) == [("pages-unique", "pagemap-9838.img"), ("pages-orphan", "pages-2.img")]


def test_a_pages_image_without_a_pagemap_is_found(tree: Any) -> None:
    shutil.copy(tree.folder / _PAGES, tree.folder / "pages-77.img")
    found = tree.check(pages=True)
    assert [(item.rule.id, item.file, item.severity) for item in found] == [
        ("pages-orphan", "pages-77.img", "warning")
    ]


def test_a_missing_pages_image_is_found(tree: Any) -> None:
    found = tree.remove(_PAGES).check(pages=True)
    assert [(item.rule.id, item.file) for item in found] == [("pages-present", _PAGEMAP)]
    assert found[0].message.startswith("pages-1.img is missing, which should hold")


def test_a_missing_pages_image_is_no_matter_without_pages(tree: Any) -> None:
    assert tree.remove(_PAGES).check(pages=False) == ()


def test_a_cut_pages_image_is_an_error(tree: Any) -> None:
    path = tree.folder / _PAGES
    path.write_bytes(path.read_bytes()[:-1])
    found = tree.check(pages=True)
    assert [(item.rule.id, item.file, item.severity) for item in found] == [("pages-cut", _PAGES, "error")]


def test_a_pages_image_with_more_is_a_warning(tree: Any) -> None:
    path = tree.folder / _PAGES
    path.write_bytes(path.read_bytes() + bytes(4096))
    found = tree.check(pages=True)
    assert [(item.rule.id, item.file, item.severity) for item in found] == [
        ("pages-surplus", _PAGES, "warning")
    ]


def test_a_damaged_pagemap_is_found_once(tree: Any) -> None:
    path = tree.folder / _PAGEMAP
    path.write_bytes(path.read_bytes()[:-1])
    assert _rules(tree, pages=True) == [("image-readable", _PAGEMAP)]


def test_runs_of_many_entries_are_joined_and_looked_up(tree: Any) -> None:
    def many(image: Image) -> None:
        image.entries = image.entries[:1]
        for index in range(100_000):
            image.add(
                vaddr=0x10000 + index * 4096, compat_nr_pages=0, nr_pages=1, flags=4 if index % 3 else 1
            )

    tree.change(_PAGEMAP, many)
    with open_checkpoint(tree.folder) as checkpoint:
        runs = Runs(checkpoint.images, _PAGEMAP, 4096)
    assert (runs.present, runs.in_parent, len(runs.starts)) == (66_666, 33_334, 66_667)
    assert list(runs.pieces(0xF000, 0x13000)) == [
        (0xF000, 0x10000, None),
        (0x10000, 0x11000, _PARENT),
        (0x11000, 0x13000, 4),
    ]


# parents


@pytest.fixture
def increment(data: Path, tmp_path: Path) -> Callable[..., Any]:
    """Makes a chain of copies of demo/tree: of each but the first, process 9834's first page is in its parent."""

    def make(length: int = 2) -> list[Path]:
        folders = [tmp_path / f"dump-{number}" for number in range(length)]
        for number, folder in enumerate(folders):
            shutil.copytree(data / "demo" / "tree", folder, symlinks=True)
            if number:
                (folder / "parent").symlink_to(f"../dump-{number - 1}")
                _edit(folder / _PAGEMAP, lambda image: setattr(_run(image), "flags", _PARENT))
                (folder / _PAGES).write_bytes((folder / _PAGES).read_bytes()[4096:])
        return folders

    return make


def _edit(path: Path, edit: Callable[[Image], object]) -> None:
    image = load(path)
    edit(image)
    dump(image, path)


def _found(folder: Path, **options: Any) -> list[tuple[str, str, str]]:
    with open_checkpoint(folder) as checkpoint:
        findings = check(checkpoint, **options).findings
    return [(finding.rule.id, finding.file, finding.message) for finding in findings]


def test_a_whole_chain_has_no_findings(increment: Callable[..., list[Path]]) -> None:
    assert _found(increment(4)[-1], deep=True) == []


def test_a_missing_parent_is_found_once(increment: Callable[..., list[Path]]) -> None:
    parent, child = increment()
    shutil.rmtree(parent)
    (rule, file, message), *others = _found(child, deep=True)
    assert (rule, file, others) == ("parent-present", "parent", [])
    assert message.startswith("in the parent: 1 page of pagemap-9834.img; parent -> ../dump-0 is not")


def test_a_missing_link_to_the_parent_is_found(increment: Callable[..., list[Path]]) -> None:
    child = increment()[-1]
    (child / "parent").unlink()
    assert [(rule, file) for rule, file, _ in _found(child)] == [("parent-present", "parent")]


def test_a_pagemap_that_the_parent_lacks_is_found(increment: Callable[..., list[Path]]) -> None:
    parent, child = increment()
    (parent / _PAGEMAP).unlink()
    (rule, file, message), *others = _found(child)
    assert (rule, file, others) == ("parent-pages", _PAGEMAP, [])
    assert message.endswith(f"{_PAGEMAP} is missing")


def test_a_page_that_a_grandparent_lacks_is_found(increment: Callable[..., list[Path]]) -> None:
    folders = increment(3)
    _edit(folders[0] / _PAGEMAP, lambda image: setattr(_run(image), "vaddr", 0x55C60E025000))
    (rule, file, message), *others = _found(folders[-1])
    assert (rule, file, others) == ("parent-pages", _PAGEMAP, [])
    assert message.startswith("in no parent: 1 page, the first at 0x55c60e026000: ")
    assert message.endswith("doesn't have it")


def test_a_chain_whose_first_dump_wants_a_parent_is_found(increment: Callable[..., list[Path]]) -> None:
    parent, child = increment()
    _edit(parent / _PAGEMAP, lambda image: setattr(_run(image), "flags", _PARENT))
    (rule, file, message), *others = _found(child)
    assert (rule, file, others) == ("parent-pages", _PAGEMAP, [])
    assert message.endswith("builds on no other")


def test_a_circular_chain_can_not_be_opened(increment: Callable[..., list[Path]]) -> None:
    parent, child = increment()
    (parent / "parent").symlink_to("../dump-1")
    with pytest.raises(ImageError, match="circular"):
        open_checkpoint(child)


def test_an_archive_is_whole_with_its_parent_only(corpus: Path) -> None:
    archive = corpus / "archives" / "podman-4.3-with-previous.tar"
    with open_checkpoint(archive) as checkpoint:
        assert [item.rule.id for item in check(checkpoint).findings] == ["parent-present"]
    with open_checkpoint(archive, parents=[corpus / "archives" / "podman-4.3-pre-checkpoint.tar"]) as whole:
        assert check(whole, deep=True).findings == ()


@pytest.mark.parametrize("name", ["1", "2", "3"])
@pytest.mark.parametrize("chain", ["maps00", "mem-touch"])
def test_chains_of_pre_dumps_are_whole(corpus: Path, chain: str, name: str) -> None:
    assert _found(corpus / "criu-4.2" / "pre-dump" / chain / name, pages=False) == []


# shared memory


def test_shared_memory_without_a_pagemap_is_found(copy: Callable[[str], Any]) -> None:
    found = copy("criu-4.2/host/env00").remove("pagemap-shmem-514.img").check()
    assert [(item.rule.id, item.file) for item in found] == [("segment-images", "memfd.img")]


def test_a_system_v_segment_without_a_pagemap_is_found(container: Any) -> None:
    found = container.remove("pagemap-shmem-3.img").check()
    assert [(item.rule.id, item.file) for item in found] == [("segment-images", "ipcns-shm-11.img")]


def test_a_pagemap_of_no_shared_memory_is_found(copy: Callable[[str], Any]) -> None:
    dump = copy("criu-4.2/host/env00")
    shutil.copy(dump.folder / "pagemap-shmem-514.img", dump.folder / "pagemap-shmem-515.img")
    found = dump.check()
    assert [(item.rule.id, item.file, item.severity) for item in found] == [
        ("segment-orphan", "pagemap-shmem-515.img", "note")
    ]


def test_pages_behind_the_end_of_shared_memory_are_found(copy: Callable[[str], Any]) -> None:
    def grow(image: Image) -> None:
        image.add(vaddr=1 << 30, compat_nr_pages=0, nr_pages=1, flags=4)

    name = "pagemap-shmem-514.img"
    assert _rules(copy("criu-4.2/host/env00").change(name, grow)) == [("segment-size", name)]


def test_a_mapping_of_an_unknown_system_v_segment_is_found(container: Any) -> None:
    def forget(image: Image) -> None:
        image.entries = [entry for entry in image.entries if entry.message.desc.id != 1]

    found = _rules(container.change("ipcns-shm-11.img", forget))
    assert found == [("segment-orphan", "pagemap-shmem-1.img"), ("segments-resolve", "mm-1.img")]


def test_a_memory_file_smaller_than_its_mapping_is_noted(copy: Callable[[str], Any]) -> None:
    dump = copy("criu-4.2/host/env00")
    dump.change("pagemap-shmem-514.img", lambda image: image.entries.__delitem__(slice(1, None)))
    dump.change("memfd.img", lambda image: setattr(image.entries[0].message, "size", 0))
    assert [(item.rule.id, item.severity) for item in dump.check()] == [("memory-file-size", "note")]


def test_page_size_is_told_by_pages_images_where_no_process_was_told(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pre-dump"
    folder.mkdir()
    image = Image.new("INVENTORY")
    image.add(img_version=2)
    dump(image, folder / "inventory.img")
    image = Image.new("PAGEMAP")
    image.add(pages_id=1)
    image.add(vaddr=0x10000, compat_nr_pages=0, nr_pages=2, flags=4)
    dump(image, folder / "pagemap-5.img")
    (folder / "pages-1.img").write_bytes(bytes(2 * 65536))
    with open_checkpoint(folder) as checkpoint:
        assert pagemaps(Context(checkpoint)).page_size == 65536
        assert check(checkpoint, deep=True).findings == ()
