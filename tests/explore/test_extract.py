"""Extraction of what images carry: from real ones, and from ones made to do harm."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import Image, dump, load
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.errors import DyncritError
from dyncrit.explore.extract import LISTING, Extraction, Item, extract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint.problems import Problem

PAGE = 4096
BOUND = 1 << 20


class Extracted:
    """A checkpoint that was extracted: its items, its problems, and the folder."""

    def __init__(self, checkpoint: Path, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        with open_checkpoint(checkpoint) as opened:
            self.extraction: Extraction = extract(opened, folder, limits)
            self.problems: list[Problem] = list(opened.problems)

    def items(self, kind: str) -> list[Item]:
        return [item for item in self.extraction.items if item.kind == kind]

    def content(self, item: Item) -> bytes:
        assert item.file is not None
        return (self.folder / item.file).read_bytes()

    def contents(self, kind: str) -> dict[str, bytes]:
        return {item.name: self.content(item) for item in self.items(kind) if item.file}

    @property
    def errors(self) -> str:
        return "\n".join(str(problem) for problem in self.problems if problem.severity == "error")


@pytest.fixture
def extracted(tmp_path: Path) -> Callable[..., Extracted]:
    def run(checkpoint: Path, limits: Limits | None = None) -> Extracted:
        return Extracted(checkpoint, tmp_path / "out", limits)

    return run


@pytest.fixture
def images(tmp_path: Path, data: Path) -> Path:
    """A folder that is taken for a checkpoint, with nothing in it but an inventory."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    shutil.copy(data / "demo/tree/inventory.img", folder)
    return folder


def ghost(folder: Path, *chunks: tuple[int, bytes], ghost_id: int = 1, **fields: Any) -> Path:
    """A ghost file in chunks, each at its offset."""
    image = Image.new("GHOST_FILE")
    image.add(**{"uid": 0, "gid": 0, "mode": 0o100644, "chunks": True, **fields})
    for offset, content in chunks:
        image.add(content, len=len(content), off=offset)
    path = folder / f"ghost-file-{ghost_id:x}.img"
    dump(image, path)
    return path


def tmpfs(
    folder: Path, *members: tuple[tarfile.TarInfo, bytes], name: str = "tmpfs-dev-51.tar.gz.img"
) -> Path:
    """The image of a tmpfs, with members as they are given, harmless or not."""
    with tarfile.open(folder / name, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return folder / name


def member(name: str, content: bytes = b"", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def below(folder: Path) -> dict[str, os.stat_result]:
    """All that stands in a folder, links not followed."""
    return {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}


# What the demo programs and CRIU's tests left behind.


def test_ghost_files_have_their_content_name_and_owner(
    data: Path, extracted: Callable[..., Extracted]
) -> None:
    found = extracted(data / "demo/tree")
    (item,) = found.items("ghost-file")
    assert found.content(item) == b"ghost data\n"
    assert (item.name, item.mode, item.uid, item.gid, item.size) == ("/srv/demo/deleted.txt", 0o600, 0, 0, 11)
    assert item.modified == 1795438695.786069
    assert item.file == "ghost-files/1-deleted.txt"
    assert found.problems == []


def test_holes_of_ghost_files_stay_holes(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-4.2/host-32bit/ghost_holes02")
    (item,) = found.items("ghost-file")
    content = found.content(item)
    chunks = load(corpus / "criu-4.2/host-32bit/ghost_holes02/ghost-file-1.img").entries[1:]
    assert len(content) == item.size == 4 * PAGE
    assert content == bytes(PAGE) + chunks[0].data + bytes(PAGE) + chunks[1].data
    assert (found.folder / str(item.file)).stat().st_blocks * 512 == 2 * PAGE


def test_ghosts_that_are_no_files_are_only_listed(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    (item,) = extracted(corpus / "criu-4.2/host-32bit/unlink_fifo_wronly").items("ghost-file")
    assert (item.type, item.file, item.mode) == ("fifo", None, 0o600)


def test_ghosts_of_old_releases_have_their_names(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-1.1/host/memfd00")
    assert found.contents("ghost-file").keys() == {"/memfd:somename (deleted)"}


@pytest.mark.parametrize("dump_name", ["1", "2"])
def test_memory_files_and_shared_memory_are_whole(
    dump_name: str, corpus: Path, extracted: Callable[..., Extracted]
) -> None:
    found = extracted(corpus / "demo/memory" / dump_name)
    (memfd,) = found.items("memfd")
    (shared,) = found.items("shared-memory")
    assert found.content(memfd) == b"memfd text".rjust(8192 + 10, b"\0").ljust(4 * PAGE, b"\0")
    assert found.content(shared)[PAGE:].rstrip(b"\0") == b"shared anonymous text"
    assert memfd.name == "scratch"
    assert (memfd.size, shared.size) == (4 * PAGE, 8 * PAGE)
    assert (found.folder / str(memfd.file)).stat().st_blocks * 512 == PAGE
    assert found.problems == []


def test_pipes_carry_what_was_in_them(data: Path, extracted: Callable[..., Extracted]) -> None:
    assert list(extracted(data / "demo/tree").contents("pipe").values()) == [b"in the pipe"]


def test_queues_of_sockets_carry_what_was_unread(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "demo/sockets")
    assert [found.content(item) for item in found.items("socket-packet")] == [b"queued in a socketpair"]
    assert found.contents("tcp-stream") == {
        "127.0.0.1:41504 -> 127.0.0.1:18080": b"from server to client",
        "127.0.0.1:18080 -> 127.0.0.1:41504": b"from client to server, not read yet",
    }


def test_terminals_carry_what_was_unread(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-4.2/host-32bit/pty00")
    assert found.contents("terminal") == {"/dev/pts/0": b"hello\n" * 10, "/dev/ptmx": b"hello\r\n" * 10}


def test_bpf_maps_become_keys_and_values(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-4.2/host/bpf_hash")
    keys, values = (found.content(item) for item in found.items("bpf-map"))
    (entry,) = load(corpus / "criu-4.2/host/bpf_hash/bpfmap-data.img").entries
    assert keys + values == entry.data
    assert len(keys) == len(values) == 40


def test_sysv_messages_become_a_file_each(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-4.2/programs/uns-ipc")
    queues = load(corpus / "criu-4.2/programs/uns-ipc/ipcns-msg-11.img").entries
    wanted = [message.data for queue in queues for message in queue.payload or []]
    assert [found.content(item) for item in found.items("sysv-message")] == wanted
    assert [item.notes for item in found.items("sysv-message")][:2] == [("type 1",), ("type 2",)]


def test_sysv_segments_of_old_releases_are_payloads(
    corpus: Path, extracted: Callable[..., Extracted]
) -> None:
    found = extracted(corpus / "criu-2.12/programs/uns-ipc")
    segments = load(corpus / "criu-2.12/programs/uns-ipc/ipcns-shm-10.img").entries
    items = found.items("sysv-shared-memory")
    assert [found.content(item) for item in items] == [segment.data for segment in segments]
    assert [item.name for item in items] == ["key 0x1001", "key 0x1002", "key 0x0", "key 0x2000"]


def test_rules_of_the_firewall_are_text(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "criu-2.12/programs/uns-ipc")
    texts = [found.content(item) for item in found.items("firewall")]
    assert texts
    assert all(text.startswith(b"# Generated by ip") for text in texts)


def test_a_tmpfs_in_an_archive_becomes_files(corpus: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(corpus / "archives/podman-4.3-volumes.tar")
    (scratch,) = [item for item in found.items("tmpfs") if item.name == "/scratch/s.txt"]
    assert found.content(scratch) == b"scratch\n"
    (null,) = [item for item in found.items("tmpfs") if item.name == "/dev/null"]
    assert (null.type, null.file) == ("character device", None)
    assert found.problems == []


# The folder and its listing.


def test_the_listing_tells_of_every_file(data: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(data / "demo/tree")
    listing = json.loads((found.folder / LISTING).read_text())
    assert listing == found.extraction.to_dict()
    assert listing["items"][0]["mode"] == "0600"
    written = {name for name, status in below(found.folder).items() if stat.S_ISREG(status.st_mode)}
    assert written == {LISTING, *(item["file"] for item in listing["items"])}


def test_a_new_folder_is_for_the_user_alone(data: Path, extracted: Callable[..., Extracted]) -> None:
    found = extracted(data / "demo/tree")
    assert stat.S_IMODE(found.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(status.st_mode) & 0o077 for status in below(found.folder).values()} == {0}


def test_folders_that_hold_a_tree_are_for_the_user_alone(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    tmpfs(images, member("a/b/c/file", b"x", mode=0o777), member("d", type=tarfile.DIRTYPE, mode=0o777))
    made = below(extracted(images).folder)
    assert len(made) == 8
    assert {stat.S_IMODE(status.st_mode) & 0o077 for status in made.values()} == {0}


def test_an_empty_folder_is_filled_and_kept(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir(mode=0o750)
    before = folder.stat().st_ino
    Extracted(data / "demo/tree", folder)
    assert (folder.stat().st_ino, stat.S_IMODE(folder.stat().st_mode)) == (before, 0o750)
    assert sorted(path.name for path in folder.iterdir()) == [LISTING, "ghost-files", "pipes"]


@pytest.mark.parametrize("name", ["full", "file"])
def test_a_folder_that_is_not_empty_is_refused_and_left(name: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/kept").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DyncritError, match=r"name (a|one)\b.* new"):
        Extracted(data / "demo/tree", tmp_path / name)
    assert sorted(below(tmp_path)) == ["file", "full", "full/kept"]


def test_nothing_is_left_where_the_disk_fails(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "there").mkdir()
    monkeypatch.setattr(os, "pwrite", full)
    for name in ("new", "there"):
        with pytest.raises(OSError, match="No space left"):
            Extracted(data / "demo/tree", tmp_path / name)
    assert below(tmp_path).keys() == {"there"}


# Damage.


def test_a_truncated_payload_gives_what_is_there_and_says_so(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    path = ghost(images, (0, b"a" * PAGE), (2 * PAGE, b"b" * PAGE), size=4 * PAGE)
    path.write_bytes(path.read_bytes()[:-10])
    found = extracted(images)
    (item,) = found.items("ghost-file")
    assert found.content(item) == b"a" * PAGE + bytes(3 * PAGE)
    assert "incomplete" in item.notes[-1]
    assert "payload of 4096 bytes, 4086 left" in found.errors


def test_a_ghost_file_whose_own_entry_is_damaged_is_said(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    path = ghost(images, (0, b"a" * PAGE), size=PAGE)
    content = bytearray(path.read_bytes())
    content[12] = 0xFF  # in the first record: a field of a number that there isn't
    path.write_bytes(content)
    found = extracted(images)
    assert found.items("ghost-file") == []
    assert "ghost-file-1.img: entry 0" in found.errors


def test_a_truncated_queue_leaves_the_packets_before(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    image = Image.new("PIPES_DATA")
    image.add(b"whole", pipe_id=1, bytes=5)
    image.add(b"cut off", pipe_id=2, bytes=7)
    dump(image, images / "pipes-data.img")
    content = (images / "pipes-data.img").read_bytes()
    (images / "pipes-data.img").write_bytes(content[:-3])
    found = extracted(images)
    assert found.contents("pipe") == {"pipe:[1]": b"whole"}
    assert "pipes-data.img" in found.errors


def test_segments_without_their_pages_are_listed_and_said(
    corpus: Path, tmp_path: Path, extracted: Callable[..., Extracted]
) -> None:
    shutil.copytree(corpus / "demo/memory/1", tmp_path / "copy")
    for name in ("pages-1.img", "pages-2.img", "pages-3.img"):
        (tmp_path / "copy" / name).unlink()
    found = extracted(tmp_path / "copy")
    assert [item.file for item in found.extraction.items] == [None, None]
    assert all("pages image" in item.notes[-1] for item in found.extraction.items)
    assert "memfd scratch: not written" in found.errors


def test_missing_pages_of_a_parent_are_holes_and_said(
    corpus: Path, tmp_path: Path, extracted: Callable[..., Extracted]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(corpus / "demo/memory/1", folder)
    image = load(folder / "pagemap-shmem-33083.img")
    image.add(vaddr=0, nr_pages=1, compat_nr_pages=0, flags=1)
    dump(image, folder / "pagemap-shmem-33083.img")
    found = extracted(folder)
    (memfd,) = found.items("memfd")
    assert found.content(memfd)[8192:8202] == b"memfd text"
    assert memfd.notes == (
        "0x0-0x1000 is missing, a hole here: in the parent image, but there is no link to a parent",
    )
    assert "memfd scratch: 0x0-0x1000 is missing" in found.errors


# What is made to do harm.


def test_a_ghost_file_of_an_absurd_size_is_refused(images: Path, extracted: Callable[..., Extracted]) -> None:
    ghost(images, (0, b"x"), (1 << 62, b"y"), size=(1 << 63) + 5)
    ghost(images, (0, b"x"), (1 << 62, b"y"), ghost_id=2)
    ghost(images, (0, b"fine"), ghost_id=3, size=4)
    found = extracted(images)
    absurd, unsized, fine = found.items("ghost-file")
    assert absurd.file is None
    assert "--max-size" in absurd.notes[-1]
    assert found.content(unsized) == b"x"
    assert "incomplete" in unsized.notes[-1]
    assert found.content(fine) == b"fine"
    assert str((1 << 63) + 5) in found.errors


def test_chunks_far_apart_stay_sparse_up_to_the_bound(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    ghost(images, (0, b"x"), ((8 << 30) - 1, b"y"), size=8 << 30)
    found = extracted(images)
    status = (found.folder / str(found.items("ghost-file")[0].file)).stat()
    assert status.st_size == 8 << 30
    assert status.st_blocks * 512 <= 4 * PAGE
    assert found.problems == []


def test_what_is_written_in_all_is_bounded(images: Path, extracted: Callable[..., Extracted]) -> None:
    for number in range(1, 5):
        ghost(images, *((PAGE * 2 * index, b"x") for index in range(100)), ghost_id=number, size=PAGE * 200)
    found = extracted(images, Limits(max_total=BOUND))
    taken = sum(
        status.st_blocks * 512 for status in below(found.folder).values() if stat.S_ISREG(status.st_mode)
    )
    assert taken <= BOUND + 4 * PAGE
    assert "more than 1048576 bytes" in found.errors


def test_a_memory_file_of_an_absurd_size_is_refused(
    corpus: Path, tmp_path: Path, extracted: Callable[..., Extracted]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(corpus / "demo/memory/1", folder)
    image = load(folder / "memfd.img")
    for entry in image.entries:
        entry.message.size = (1 << 64) - 1
    dump(image, folder / "memfd.img")
    found = extracted(folder)
    assert [item.file for item in found.extraction.items] == [None, None]
    assert found.errors.count("is the bound") == 2


def test_names_of_images_never_lead_out(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(data / "demo/tree", folder)
    image = load(folder / "files.img")
    for entry in image.entries:
        if entry.message.HasField("reg"):
            entry.message.reg.name = "/../../../\x1b[2J/.."
    dump(image, folder / "files.img")
    (tmp_path / "deep").mkdir()
    found = Extracted(folder, tmp_path / "deep/out")
    (item,) = found.items("ghost-file")
    assert item.file == "ghost-files/1-_"
    assert item.name == "/../../../\x1b[2J/.."
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}


HOSTILE = {
    "absolute": member("/etc/evil", b"x"),
    "parent": member("../evil", b"x"),
    "hidden parent": member("./a/../../evil", b"x"),
    "link": member("link", type=tarfile.SYMTYPE, linkname="/etc"),
    "hard link": member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "fifo": member("fifo", type=tarfile.FIFOTYPE),
    "too deep": member("/".join(["d"] * 70), b"x"),
    "long name": member("n" * 300, b"x"),
    "itself": member(".", b"x"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_are_listed_and_not_made(
    kind: str, images: Path, tmp_path: Path, extracted: Callable[..., Extracted]
) -> None:
    tmpfs(images, HOSTILE[kind], member("fine", b"fine"))
    found = extracted(images)
    hostile, fine = found.items("tmpfs")
    assert hostile.file is None
    assert hostile.notes
    assert found.content(fine) == b"fine"
    made = below(tmp_path / "out")
    assert {name for name in made if stat.S_ISREG(made[name].st_mode)} == {LISTING, "tmpfs/dev-51/fine"}
    assert all(stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) for status in made.values())
    assert not (tmp_path / "evil").exists()


def test_files_below_a_link_are_not_written_through_it(
    images: Path, tmp_path: Path, extracted: Callable[..., Extracted]
) -> None:
    (tmp_path / "victim").mkdir()
    link = member("a", type=tarfile.SYMTYPE, linkname=str(tmp_path / "victim"))
    tmpfs(images, link, member("a/evil", b"x"))
    found = extracted(images)
    assert list((tmp_path / "victim").iterdir()) == []
    assert found.items("tmpfs")[1].file == "tmpfs/dev-51/a/evil"
    assert (found.folder / "tmpfs/dev-51/a").is_dir()
    assert not (found.folder / "tmpfs/dev-51/a").is_symlink()


def test_set_user_id_bits_are_listed_and_not_set(images: Path, extracted: Callable[..., Extracted]) -> None:
    tmpfs(images, member("su", b"#!", mode=0o6755))
    found = extracted(images)
    (item,) = found.items("tmpfs")
    assert item.mode == 0o6755
    assert stat.S_IMODE((found.folder / str(item.file)).stat().st_mode) == 0o600


def test_a_name_that_comes_twice_means_the_last_one(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    tmpfs(images, member("a", b"first"), member("./a", b"second"))
    found = extracted(images)
    assert (found.folder / "tmpfs/dev-51/a").read_bytes() == b"second"
    assert "more than once" in found.items("tmpfs")[1].notes[0]


def test_a_file_in_the_place_of_a_folder_is_refused(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    tmpfs(images, member("a", b"file"), member("a/b", b"below"), member("c/d", b"x"), member("c", b"x"))
    found = extracted(images)
    assert [item.file is not None for item in found.items("tmpfs")] == [True, False, True, False]
    assert "is a file already" in found.errors
    assert "is a folder already" in found.errors


def test_names_that_are_not_text_keep_their_bytes(images: Path, extracted: Callable[..., Extracted]) -> None:
    tmpfs(images, member(os.fsdecode(b"caf\xe9"), b"latin"), member("es\x1b[2Jcape", b"x"))
    found = extracted(images)
    names = sorted(os.fsencode(path.name) for path in (found.folder / "tmpfs/dev-51").iterdir())
    assert names == [b"caf\xe9", b"es%1b[2Jcape"]
    assert json.loads((found.folder / LISTING).read_text())["items"][0]["name"] == "caf\udce9"


def test_a_decompression_bomb_is_refused(images: Path, extracted: Callable[..., Extracted]) -> None:
    with gzip.open(images / "tmpfs-dev-51.tar.gz.img", "wb") as file:
        info, _ = member("zeros")
        info.size = 200 << 20
        file.write(info.tobuf())
        for _ in range(200):
            file.write(bytes(1 << 20))
    found = extracted(images)
    assert found.items("tmpfs") == []
    assert "--max-ratio" in found.errors


def test_a_sparse_member_of_an_absurd_size_is_refused(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    info, content = member("sparse", b"x")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 62), "GNU.sparse.name": "sparse"}
    with tarfile.open(images / "tmpfs-dev-51.tar.gz.img", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(content))
    found = extracted(images)
    (item,) = found.items("tmpfs")
    assert (item.file, item.size) == (None, 1 << 62)
    assert "is the bound" in found.errors


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8b\x08 no gzip", b"neither", gzip.compress(b"no tar")],
    ids=["no gzip", "neither", "no tar"],
)
def test_a_damaged_archive_is_said(content: bytes, images: Path, extracted: Callable[..., Extracted]) -> None:
    (images / "tmpfs-dev-51.tar.gz.img").write_bytes(content)
    found = extracted(images)
    assert found.extraction.items == ()
    assert "tmpfs-dev-51.tar.gz.img" in found.errors


def test_more_items_than_any_checkpoint_has_are_refused(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyncrit.explore.extract.output.MAX_ITEMS", 3)
    image = Image.new("PIPES_DATA")
    for number in range(5):
        image.add(b"x", pipe_id=number, bytes=1)
    dump(image, images / "pipes-data.img")
    with pytest.raises(DyncritError, match="more than 3 files"):
        Extracted(images, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]


def test_equal_names_get_numbers(images: Path, extracted: Callable[..., Extracted]) -> None:
    image = Image.new("PIPES_DATA")
    image.add(b"one", pipe_id=7, bytes=3)
    image.add(b"two", pipe_id=7, bytes=3)
    dump(image, images / "pipes-data.img")
    found = extracted(images)
    assert [(item.file, found.content(item)) for item in found.items("pipe")] == [
        ("pipes/7.bin", b"one"),
        ("pipes/7.bin~2", b"two"),
    ]


def test_links_and_devices_without_a_name_are_told_of(
    images: Path, extracted: Callable[..., Extracted]
) -> None:
    ghost(images, mode=0o120777, symlnk_target="/etc/passwd")
    ghost(images, mode=0o020600, rdev=os.makedev(1, 3), ghost_id=2)
    link, device = extracted(images).items("ghost-file")
    assert (link.type, link.target, link.file) == ("link", "/etc/passwd", None)
    assert (device.type, device.notes, device.file) == ("character device", ("device 1:3",), None)
