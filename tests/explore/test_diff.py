"""Comparison of two checkpoints: real ones, copies with one thing changed, and damaged ones."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit import Image, dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.explore.diff import Comparison, compare
from dyncrit.explore.diff.pages import PageComparison, PageRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.types import JsonObject

PAGE = 4096
COUNTER = 0x10000003F000


def compared(before: Path, after: Path, **options: Any) -> Comparison:
    with open_checkpoint(before) as first, open_checkpoint(after) as second:
        return compare(first, second, **options)


@pytest.fixture
def copies(tmp_path: Path, corpus: Path) -> Callable[..., tuple[Path, Path]]:
    """A demo checkpoint and a copy of it, in which ``edit`` changed the entries of one image."""

    def make(demo: str, image: str, edit: Callable[[Image], object]) -> tuple[Path, Path]:
        copy = tmp_path / "copy"
        shutil.copytree(corpus / "demo" / demo, copy, symlinks=True)
        edited = load(copy / image)
        edit(edited)
        dump(edited, copy / image)
        return corpus / "demo" / demo, copy

    return make


def only(comparison: Comparison, part: str) -> JsonObject:
    """The changes of one part, where all others have none."""
    shown = comparison.to_dict()
    changed = {name for name in ("processes", "files", "sockets", "mounts") if any(shown[name].values())}
    if shown["memory"]:
        changed.add("memory")
    assert changed == {part}
    return shown[part]


def ranges(comparison: Comparison) -> list[tuple[int, int, str]]:
    """All page ranges."""
    return [
        (found.start, found.end, found.change)
        for memory in comparison.memory
        for mapping in memory.pages or ()
        for found in mapping.ranges
    ]


# Real checkpoints.


@pytest.mark.parametrize("name", ["tree", "sockets", "memory/1", "memory/2"])
def test_a_checkpoint_is_like_itself(name: str, corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus / "demo/memory", tmp_path / "memory", symlinks=True)
    for other in ("tree", "sockets"):
        shutil.copytree(corpus / "demo" / other, tmp_path / other)
    assert not compared(corpus / "demo" / name, corpus / "demo" / name)
    assert not compared(corpus / "demo" / name, tmp_path / name)


def test_an_increment_and_a_full_dump_of_one_moment_are_alike(corpus: Path) -> None:
    assert not compared(corpus / "demo/memory/2", corpus / "demo/memory/2-full")


@pytest.mark.parametrize("after", ["2", "2-full"])
def test_pages_that_a_program_wrote_to_are_found(after: str, corpus: Path) -> None:
    comparison = compared(corpus / "demo/memory/1", corpus / "demo/memory" / after)
    (memory,) = comparison.memory
    assert (COUNTER, COUNTER + PAGE, "contents") in ranges(comparison)
    assert (memory.changed, memory.unknown, memory.page_size, memory.left_out) == (3, 0, PAGE, 0)
    assert not any((comparison.processes, comparison.files, comparison.sockets, memory.mappings))


def test_every_changed_page_and_no_other_is_told(corpus: Path) -> None:
    comparison = compared(corpus / "demo/memory/1", corpus / "demo/memory/2-full")
    told = {page for start, end, _ in ranges(comparison) for page in range(start, end, PAGE)}
    with (
        open_checkpoint(corpus / "demo/memory/1") as before,
        open_checkpoint(corpus / "demo/memory/2-full") as after,
    ):
        first, second = before.processes[9899].memory, after.processes[9899].memory
        differ = {
            page
            for region in first.regions()
            if region.state in (State.DATA, State.ZERO)
            for page in range(region.start, region.end, PAGE)
            if first.read(page, PAGE) != second.read(page, PAGE)
        }
    assert told == differ


def test_what_stands_in_the_parent_is_not_read(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    view = Piece.view

    def counted(piece: Piece) -> memoryview:
        sizes.append(piece.size)
        return view(piece)

    with (
        open_checkpoint(corpus / "demo/memory/1") as before,
        open_checkpoint(corpus / "demo/memory/2") as after,
    ):
        for checkpoint in (before, after):  # command lines are read from memory, too
            assert checkpoint.processes[9899].command_line
            assert checkpoint.processes[9899].environment
        monkeypatch.setattr(Piece, "view", counted)
        assert compare(before, after).memory[0].changed == 3
    assert sum(sizes) < 2 * 8 * PAGE


def test_pages_are_left_out_on_request(corpus: Path) -> None:
    comparison = compared(corpus / "demo/memory/1", corpus / "demo/memory/2", pages=False)
    assert not comparison
    assert comparison.memory == ()


def test_processes_of_another_tree_appear_and_are_gone(corpus: Path) -> None:
    comparison = compared(corpus / "demo/tree", corpus / "demo/sockets")
    assert [label["pid"] for label in comparison.processes.appeared] == [9860]
    assert [label["comm"] for label in comparison.processes.gone] == ["tree", "child", "grandchild", "tree"]
    assert {label["name"] for label in comparison.sockets.appeared} >= {
        "@abstract-name",
        "/srv/demo/dgram.sock",
    }
    assert not comparison.files  # of processes that are in both


def test_a_pre_dump_has_nothing_but_memory(corpus: Path) -> None:
    folder = corpus / "criu-4.2/pre-dump/mem-touch"
    comparison = compared(folder / "2", folder / "3")
    assert comparison.memory_only
    assert comparison.memory[0].comm == "mem-touch"
    assert comparison.memory[0].unknown > 0  # their pages images are left out
    assert not comparison.processes


def test_archives_are_compared_like_folders(corpus: Path) -> None:
    path = corpus / "archives/podman-4.3-loop.tar"
    assert not compared(path, path)
    other = compared(path, corpus / "archives/podman-5.8-loop.tar.zst")
    assert other.processes
    assert other.mounts


# One thing changed.


def changed(label: JsonObject, **fields: tuple[object, object]) -> JsonObject:
    return {**label, "fields": {name: {"before": old, "after": new} for name, (old, new) in fields.items()}}


def test_a_changed_field_of_a_process_is_told(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.tc.comm = "renamed"

    (found,) = only(compared(*copies("tree", "core-9838.img", edit)), "processes")["changed"]
    assert found["pid"] == 9838
    assert found["fields"]["comm"] == {"before": "child", "after": "renamed"}


def test_changed_credentials_have_a_path(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        image.entries[0].message.thread_core.creds.euid = 1000

    found = only(compared(*copies("tree", "core-9840.img", edit)), "processes")["changed"]
    label = {"pid": 9840, "comm": "grandchild"}
    assert found == [changed(label, **{"credentials.euid": (0, 1000)})]


def test_a_new_thread_is_told_as_one_field(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        del image.entries[0].message.threads[-1]

    after, before = copies("tree", "pstree.img", edit)
    (found,) = only(compared(before, after), "processes")["changed"]
    (values,) = [values for name, values in found["fields"].items() if name.startswith("threads.")]
    assert values["before"] is None
    assert values["after"]["comm"] == "worker-b"


def test_a_process_that_ended_is_gone(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        del image.entries[-1]

    before, after = copies("tree", "pstree.img", edit)
    assert compared(before, after).processes.gone == [{"pid": 9839, "comm": "tree"}]
    assert compared(after, before).processes.appeared == [{"pid": 9839, "comm": "tree"}]


def test_a_changed_working_directory_is_told(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        message = image.entries[0].message
        message.cwd_id = message.root_id

    found = only(compared(*copies("tree", "fs-9834.img", edit)), "processes")["changed"]
    assert found == [changed({"pid": 9834, "comm": "tree"}, cwd=("/srv/demo", "/"))]


def test_a_moved_position_is_told_for_each_process(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        for entry in image.entries:
            if entry.message.HasField("reg") and entry.message.reg.name == "/srv/demo/log.txt":
                entry.message.reg.pos = 4711

    found = only(compared(*copies("tree", "files.img", edit)), "files")["changed"]
    assert [item["pid"] for item in found] == [9834, 9838, 9840]
    assert {item["fd"] for item in found} == {3}
    assert found[0]["fields"] == {"position": {"before": 5, "after": 4711}}


def test_closed_and_opened_descriptors_are_told(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        image.entries[-1].message.fd = 40

    found = only(compared(*copies("tree", "fdinfo-2.img", edit)), "files")
    (opened,), (closed,) = found["appeared"], found["gone"]
    assert (opened["fd"], closed["fd"]) == (40, 251)
    assert opened["name"] == closed["name"]


def test_ids_of_criu_are_no_change(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        for entry in image.entries:
            if entry.message.HasField("efd"):
                entry.message.id = entry.message.efd.id = 999

    before, after = copies("sockets", "files.img", edit)
    fdinfo = load(after / "fdinfo-2.img")
    kinds = load(before / "files.img").entries
    (eventfd,) = [entry.message.id for entry in kinds if entry.message.HasField("efd")]
    for entry in fdinfo.entries:
        if entry.message.id == eventfd:
            entry.message.id = 999
    dump(fdinfo, after / "fdinfo-2.img")
    assert not compared(before, after)


def test_a_changed_queue_of_a_socket_is_told(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        (entry,) = image.entries
        entry.message.length = 3
        entry.payload = b"abc"

    (found,) = only(compared(*copies("sockets", "sk-queues.img", edit)), "sockets")["changed"]
    assert found["fields"] == {"received": {"before": [22], "after": [3]}}


def test_a_socket_made_anew_is_matched_by_its_name(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        for entry in image.entries:
            if entry.message.HasField("usk") and entry.message.usk.name.startswith(b"/srv"):
                entry.message.usk.ino = 4711

    before, after = copies("sockets", "files.img", edit)
    comparison = compared(before, after)
    assert comparison.sockets.appeared == comparison.sockets.gone == []
    (found,) = comparison.sockets.changed
    assert found["fields"] == {"ino": {"before": 6238915, "after": 4711}}


def test_mounts_appear_are_gone_and_change(tmp_path: Path, corpus: Path) -> None:
    before = corpus / "criu-4.2/programs/uns-ipc"
    shutil.copytree(before, tmp_path / "copy")
    (path,) = (tmp_path / "copy").glob("mountpoints-*.img")
    image = load(path)
    image.entries[0].message.options = "size=1m"
    changed_at = image.entries[0].message.mountpoint
    removed = image.entries.pop(1).message.mountpoint
    dump(image, path)
    found = compared(before, tmp_path / "copy").mounts
    assert [label["mountpoint"] for label in found.gone] == [removed]
    assert [label["mountpoint"] for label in found.changed] == [changed_at]
    assert found.changed[0]["fields"]["options"]["after"] == "size=1m"
    assert compared(tmp_path / "copy", before).mounts.appeared == found.gone


@pytest.mark.parametrize(
    ("field", "value", "name", "after"),
    [("prot", 1, "permissions", "r--p"), ("end", 0x100000041000, "end", 0x100000041000)],
)
def test_a_changed_mapping_is_told(
    field: str, value: int, name: str, after: object, copies: Callable[..., tuple[Path, Path]]
) -> None:
    def edit(image: Image) -> None:
        (vma,) = [vma for vma in image.entries[0].message.vmas if vma.start == 0x100000022000]
        setattr(vma, field, value)

    (memory,) = only(compared(*copies("memory/1", "mm-9899.img", edit)), "memory")
    (found,) = memory["mappings"]["changed"]
    assert found["start"] == 0x100000022000
    assert found["fields"][name]["after"] == after
    assert memory["pages"]["changed"] == 0


def test_new_and_gone_mappings_are_told_and_their_pages_not(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        message = image.entries[0].message
        kept = [vma for vma in message.vmas if vma.start != 0x100000022000]
        del message.vmas[:]
        message.vmas.extend(kept)

    before, after = copies("memory/1", "mm-9899.img", edit)
    (memory,) = only(compared(before, after), "memory")
    assert [label["start"] for label in memory["mappings"]["gone"]] == [0x100000022000]
    assert memory["pages"]["changed"] == 0
    (memory,) = only(compared(after, before), "memory")
    assert [label["start"] for label in memory["mappings"]["appeared"]] == [0x100000022000]


def test_a_stack_that_grew_is_the_same_mapping(copies: Callable[..., tuple[Path, Path]]) -> None:
    def edit(image: Image) -> None:
        (vma,) = [vma for vma in image.entries[0].message.vmas if vma.start == 0x7FFE9F79F000]
        vma.start -= PAGE

    (memory,) = only(compared(*copies("memory/1", "mm-9899.img", edit)), "memory")
    (found,) = memory["mappings"]["changed"]
    assert found["fields"] == {"start": {"before": 0x7FFE9F79F000, "after": 0x7FFE9F79E000}}


def test_a_single_changed_byte_of_memory_is_found(tmp_path: Path, corpus: Path) -> None:
    for name in ("1", "2"):
        shutil.copytree(corpus / "demo/memory/2-full", tmp_path / name)
    with open_checkpoint(tmp_path / "1") as checkpoint:
        piece = next(iter(checkpoint.processes[9899].memory.pieces(COUNTER, COUNTER + PAGE)))
    path = tmp_path / "2" / Path(piece.pages.name).name  # type: ignore[union-attr]
    content = bytearray(path.read_bytes())
    content[piece.offset + PAGE - 1] ^= 1
    path.write_bytes(content)
    assert ranges(compared(tmp_path / "1", tmp_path / "2")) == [(COUNTER, COUNTER + PAGE, "contents")]


def test_a_changed_page_of_shared_memory_is_found(tmp_path: Path, corpus: Path) -> None:
    shutil.copytree(corpus / "demo/memory/1", tmp_path / "copy")
    image = load(tmp_path / "copy/pagemap-shmem-33083.img")
    del image.entries[1:]
    dump(image, tmp_path / "copy/pagemap-shmem-33083.img")
    found = ranges(compared(corpus / "demo/memory/1", tmp_path / "copy"))
    assert found == [(0x120000002000, 0x120000003000, "contents")]


def test_a_page_of_a_file_that_was_written_to_is_new(tmp_path: Path, corpus: Path) -> None:
    shutil.copytree(corpus / "demo/memory/1", tmp_path / "copy")
    image = load(tmp_path / "copy/pagemap-9899.img")
    dirty = 0x130000001000
    (entry,) = [entry for entry in image.entries[1:] if entry.message.vaddr == dirty]
    entry.message.vaddr = dirty + PAGE
    dump(image, tmp_path / "copy/pagemap-9899.img")
    found = ranges(compared(corpus / "demo/memory/1", tmp_path / "copy"))
    assert found == [(dirty, dirty + PAGE, "dropped"), (dirty + PAGE, dirty + 2 * PAGE, "new")]


# Damage.


def test_missing_pages_are_unknown_and_not_changed(tmp_path: Path, corpus: Path) -> None:
    shutil.copytree(corpus / "demo/memory/1", tmp_path / "copy")
    head = load(tmp_path / "copy/pagemap-9899.img").entries[0].message
    (tmp_path / f"copy/pages-{head.pages_id}.img").unlink()
    comparison = compared(corpus / "demo/memory/1", tmp_path / "copy")
    (memory,) = comparison.memory
    assert memory.changed == 0
    assert memory.unknown > 40
    assert {change for _, _, change in ranges(comparison)} == {"unknown"}
    assert "pages image" in memory.pages[0].ranges[0].reason  # type: ignore[index]
    assert not comparison.processes  # command lines can't be read, which is no change


def test_a_process_without_mappings_is_said_and_others_compared(tmp_path: Path, corpus: Path) -> None:
    shutil.copytree(corpus / "demo/tree", tmp_path / "copy")
    (tmp_path / "copy/mm-9838.img").unlink()
    with open_checkpoint(corpus / "demo/tree") as before, open_checkpoint(tmp_path / "copy") as after:
        comparison = compare(before, after)
        assert not comparison.memory
        assert any("is not compared" in problem.text for problem in after.problems.errors)


def test_ranges_to_list_are_bounded_and_all_are_counted(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyncrit.explore.diff.memory._MAX_RANGES", 1)
    (memory,) = compared(corpus / "demo/memory/1", corpus / "demo/memory/2").memory
    assert (memory.changed, memory.left_out) == (3, 1)
    assert sum(len(mapping.ranges) for mapping in memory.pages or ()) == 1


# The comparison of pieces, against one that does it page by page.


class Bytes:
    """A pages file in memory, as far as pieces look at one."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.content = content

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.content)[offset : offset + size]


KINDS = st.sampled_from(["a", "b", "zero", "hole", "missing"])
"""What a page holds; zeros may stand in a file, too."""


def pieces_of(pages: list[str], bounds: set[int], name: str) -> list[Piece]:
    """Pieces with these pages, cut at bounds and wherever the kind changes."""
    stored = Bytes(name, b"".join(kind.encode() * PAGE if len(kind) == 1 else bytes(PAGE) for kind in pages))
    cuts = sorted({0, len(pages), *(cut for cut in bounds if cut < len(pages))})
    cuts = sorted({*cuts, *(index for index in range(1, len(pages)) if pages[index] != pages[index - 1])})
    found = []
    for first, last in pairwise(cuts):
        kind = pages[first]
        state = {"zero": State.ZERO, "hole": State.HOLE, "missing": State.MISSING}.get(kind, State.DATA)
        file: Any = stored if state is State.DATA else None
        found.append(Piece(first * PAGE, last * PAGE, state, file, first * PAGE if file else 0))
    return found


def difference(one: str, other: str) -> str | None:
    if "missing" in (one, other):
        return "unknown"
    if one == other:
        return None
    if one == "hole":
        return "new"
    return "dropped" if other == "hole" else "contents"


@given(
    st.lists(st.tuples(KINDS, KINDS), min_size=1, max_size=200),
    st.sets(st.integers(0, 199)),
    st.sets(st.integers(0, 199)),
)
def test_pieces_are_compared_as_pages_are(
    pages: list[tuple[str, str]], one_cuts: set[int], other_cuts: set[int]
) -> None:
    before = pieces_of([one for one, _ in pages], one_cuts, "one")
    after = pieces_of([other for _, other in pages], other_cuts, "other")
    found = list(PageComparison(PAGE).ranges(before, after))
    told = {page // PAGE: item.change for item in found for page in range(item.start, item.end, PAGE)}
    assert told == {
        index: change for index, (one, other) in enumerate(pages) if (change := difference(one, other))
    }
    assert all(one.end < other.start or one.change != other.change for one, other in pairwise(found))


def test_one_place_of_one_file_is_like_itself_without_a_look() -> None:
    class Unreadable(Bytes):
        def view(self, offset: int, size: int) -> memoryview:
            raise AssertionError

    files: list[Any] = [Unreadable("/x/../pages-1.img", b""), Unreadable("/pages-1.img", b"")]
    before, after = ([Piece(0, 1 << 40, State.DATA, file, PAGE)] for file in files)
    assert list(PageComparison(PAGE).ranges(before, after)) == []


def test_large_pages_are_counted_as_such() -> None:
    found = PageRange(0, 3 << 16, "contents")
    assert found.pages(1 << 16) == 3
