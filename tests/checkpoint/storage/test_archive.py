from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.storage import archive
from dyncrit.checkpoint.storage.archive import ArchiveTree, open_archive, open_archive_view
from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.checkpoint.storage.tree import DirectoryTree, FileTree
from dyncrit.errors import DyncritError, ImageError

PAGES = random.Random(1).randbytes(3 * 4096)

ARCHIVES = (
    "containerd-2.1-ctr-blob.tar",
    "containerd-2.1-loop.tar",
    "docker-28-loop-directory.tar.gz",
    "podman-4.3-app-criu-4.1.1.tar.gz",
    "podman-4.3-app.tar.gz",
    "podman-4.3-loop-misnamed.tar.gz",
    "podman-4.3-loop.tar",
    "podman-4.3-pre-checkpoint.tar",
    "podman-4.3-volumes.tar",
    "podman-4.3-with-previous.tar",
    "podman-5.8-image.oci-archive.tar",
    "podman-5.8-loop.tar.zst",
    "podman-5.8-tree.tar.gz",
)


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), target
    return info, data


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.DIRTYPE)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.LNKTYPE, target=target)


def packed(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def opened(*entries: tuple[tarfile.TarInfo, bytes], limits: Limits | None = None) -> ArchiveTree:
    return opened_bytes(packed(*entries), limits)


def opened_bytes(data: bytes, limits: Limits | None = None) -> ArchiveTree:
    return open_archive_view(memoryview(data), "x.tar", ("x",), limits)


def contents(tree: FileTree, prefix: str = "") -> dict[str, bytes]:
    found = {f"{prefix}{name}": bytes(tree.view(name)) for name in tree.names()}
    for name in tree.folders():
        found |= contents(tree.folder(name), f"{prefix}{name}/")
    return found


def test_the_corpus_has_these_archives(corpus: Path) -> None:
    found = {path.name for path in (corpus / "archives").iterdir() if path.suffix not in {".md", ".txt"}}
    assert found == set(ARCHIVES)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_real_archive_has_the_files_that_tar_unpacks(name: str, corpus: Path, tmp_path: Path) -> None:
    source = corpus / "archives" / name
    data = source.read_bytes()
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    subprocess.run(["tar", "xf", "-", "-C", tmp_path], input=data, check=True)
    tree = open_archive(source)
    expected = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert contents(tree) == expected
    assert tree.folders() == sorted(path.name for path in tmp_path.iterdir() if path.is_dir())


@pytest.mark.parametrize(
    "name", ["podman-4.3-loop.tar", "docker-28-loop-directory.tar.gz", "podman-5.8-loop.tar.zst"]
)
def test_a_real_archive_cut_off_anywhere_is_refused(name: str, corpus: Path) -> None:
    data = (corpus / "archives" / name).read_bytes()
    # Go's and GNU's tar end with two blocks of zeros; the first one is enough to know the end.
    ends = range(0, len(data) - 1024 if name.endswith(".tar") else len(data), max(len(data) // 150, 1))
    for end in ends:
        with pytest.raises(ImageError, match=r"^x\.tar: "):
            opened_bytes(data[:end])


def test_members_of_a_plain_tar_are_read_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("checkpoint/pages-1.img", PAGES)))
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    tree = open_archive(path)
    assert tree.unpacked == 0
    view = tree.folder("checkpoint").view("pages-1.img")
    assert view == PAGES
    assert view.readonly
    assert view.obj is tree.folder("checkpoint").view("pages-1.img").obj


def test_a_compressed_archive_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = packed(entry("pages-1.img", PAGES))
    tree = opened_bytes(gzip.compress(data))
    assert tree.view("pages-1.img") == PAGES
    assert tree.unpacked == len(data)
    assert list(tmp_path.iterdir()) == []


def test_a_file_reads_and_seeks() -> None:
    with opened(entry("a", b"0123456789")).open("a") as file:
        assert file.read(3) == b"012"
        assert file.seek(-2, io.SEEK_END) == 8
        assert file.read() == b"89"
        file.seek(4)
        assert file.read(2) == b"45"
        file.seek(100)
        assert file.read() == b""
        with pytest.raises(OSError, match="before the beginning"):
            file.seek(-1)


def test_what_isnt_there_is_not_found() -> None:
    tree = opened(entry("a/b", b"x"))
    for call in (tree.size, tree.open, tree.view, tree.folder):
        with pytest.raises(FileNotFoundError):
            call("c")
    with pytest.raises(FileNotFoundError):
        tree.open("a/b")
    assert "c" not in tree
    assert "a" not in tree
    assert tree.link("c") is None


def test_names_sizes_and_folders() -> None:
    tree = opened(
        folder("./"), entry("./b", b"12"), entry("./a", b""), folder("./c/"), entry("./d/e/f", b"x")
    )
    assert tree.names() == ["a", "b"]
    assert tree.folders() == ["c", "d"]
    assert (tree.size("a"), tree.size("b")) == (0, 2)
    inner = tree.folder("d").folder("e")
    assert inner.path("f") == "x.tar/d/e/f"
    assert "f" in inner
    assert tree.folder("c").names() == []


def test_long_names_and_pax_headers_are_read() -> None:
    name = "checkpoint/" + "n" * 200 + "-ü.img"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        tree = opened_bytes(packed(entry(name, b"data"), link("l" * 150, name), form=form))
        assert contents(tree) == {name: b"data", "l" * 150: b"data"}


def test_names_that_arent_utf8_are_kept() -> None:
    data = bytearray(packed(entry("aXb", b"1"), form=tarfile.USTAR_FORMAT))
    data[1] = 0xFF
    set_checksum(data, 0)
    assert opened_bytes(bytes(data)).names() == ["a\udcffb"]


def test_of_two_files_of_one_name_the_last_one_counts() -> None:
    assert contents(opened(entry("a", b"1"), entry("b", b"2"), entry("./a", b"3"))) == {"a": b"3", "b": b"2"}
    assert contents(opened(folder("a"), entry("a/b", b"1"), folder("a"))) == {"a/b": b"1"}


def test_links_within_the_archive_are_followed() -> None:
    tree = opened(
        entry("images/a", b"data"),
        hard_link("hard", "./images/a"),
        hard_link("images/a", "images/a"),
        link("soft", "images/a"),
        link("images/up", "../soft"),
        link("folder", "images"),
        link("deep", "folder/up"),
        link("dangling", "nowhere"),
    )
    assert tree.names() == ["deep", "hard", "soft"]
    assert {bytes(tree.view(name)) for name in tree.names()} == {b"data"}
    assert tree.folder("images").names() == ["a", "up"]
    assert tree.folders() == ["images"]
    assert tree.linked_folder("folder").identity == tree.folder("images").identity
    assert tree.link("soft") == "images/a"


def test_a_parent_link_is_told_and_never_followed_out() -> None:
    for target in ("../../pre", "/etc", "parent", "../gone"):
        tree = opened(entry("checkpoint/a", b""), link("checkpoint/parent", target)).folder("checkpoint")
        assert tree.link("parent") == target
        assert tree.names() == ["a"]
        with pytest.raises(FileNotFoundError, match=r"x\.tar"):
            tree.linked_folder(target)


def test_a_parent_link_leads_to_a_folder_of_the_archive() -> None:
    tree = opened(entry("pre/a", b"1"), entry("checkpoint/a", b"2"), link("checkpoint/parent", "../pre"))
    parent = tree.folder("checkpoint").linked_folder("../pre")
    assert contents(parent) == {"a": b"1"}
    assert parent.identity == tree.folder("pre").identity
    assert parent.identity != tree.folder("checkpoint").identity
    with pytest.raises(FileNotFoundError):
        tree.folder("checkpoint").linked_folder("../pre/a")


def test_a_file_of_one_line_stands_for_a_link() -> None:
    tree = opened(
        entry("parent", b"../pre\n"), entry("two", b"a\nb\n"), entry("empty", b""), entry("long", b"a" * 5000)
    )
    assert [tree.link(name) for name in ("parent", "two", "empty", "long")] == ["../pre", None, None, None]


def test_identity_tells_archives_and_folders_apart(tmp_path: Path) -> None:
    for name in ("1.tar", "2.tar"):
        (tmp_path / name).write_bytes(packed(entry("a/b", b"")))
    (tmp_path / "again.tar").symlink_to("1.tar")
    first, second, again = (open_archive(tmp_path / name) for name in ("1.tar", "2.tar", "again.tar"))
    assert first.identity == again.identity
    assert first.identity != second.identity
    assert first.identity != first.folder("a").identity


def test_what_was_given_out_stays_readable_after_close(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(packed(entry("a/b", PAGES)))
    tree = open_archive(path)
    view = tree.folder("a").view("b")
    tree.folder("a").close()
    assert tree.folder("a").view("b") == PAGES
    tree.close()
    assert view == PAGES
    with pytest.raises(ValueError, match="closed"):
        tree.folder("a").view("b")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (entry("/etc/passwd", b"x"), r"/etc/passwd: an absolute name"),
        (entry("../../etc/passwd", b"x"), r"\.\./\.\./etc/passwd: a name that leads out"),
        (entry("a/../../b", b"x"), r"leads out"),
        (folder(".."), r"leads out"),
        (link("l", "/etc/passwd"), r"x\.tar: l: a link to '/etc/passwd': an absolute path"),
        (link("l", "../x"), r"x\.tar: l: a link to '\.\./x': it leads out"),
        (link("a/l", "../../x"), r"leads out"),
        (link("l", "l"), r"a circle of links"),
        (hard_link("h", "/etc/passwd"), r"a hard link to '/etc/passwd': an absolute path"),
        (hard_link("h", "../x"), r"a hard link to '\.\./x': it leads out"),
        (hard_link("h", "missing"), r"which is no file before it"),
        (hard_link("h", "h"), r"which is no file before it"),
        (hard_link("h", "there"), r"which is no file before it"),
        (entry("d", kind=tarfile.CHRTYPE), r"x\.tar: d: its kind is character device"),
        (entry("d", kind=tarfile.BLKTYPE), r"its kind is block device"),
        (entry("f", kind=tarfile.FIFOTYPE), r"its kind is fifo"),
        (entry("m", kind=b"M"), r"its kind is other"),
        (entry("there", b"file"), r"two things of different kinds"),
        (entry("file/below", b"x"), r"stands below 'file', which is no folder"),
        (link("file", "there"), r"two things of different kinds"),
        (entry("."), r"leaves nothing to call it by"),
        (entry("d/" * 65 + "x"), r"more than 64 folders deep"),
    ],
)
def test_members_that_dont_belong_in_a_checkpoint_are_refused(
    member: tuple[tarfile.TarInfo, bytes], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        opened(entry("there/a", b"1"), entry("file", b"2"), member)


def test_a_circle_of_two_links_and_a_chain_without_end_are_refused() -> None:
    with pytest.raises(ImageError, match="a circle of links"):
        opened(link("a", "b"), link("b", "a"))
    with pytest.raises(ImageError, match="a circle of links"):
        opened(
            link("a", "b/../b/../b"),
            *(link("b" * n, f"{'b' * (n + 1)}/../{'b' * (n + 1)}") for n in range(1, 40)),
            folder("b" * 40),
        )


def test_too_many_members_folders_links_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_BOUNDS", {"members": 10, "links": 2, "runs": 1})
    with pytest.raises(ImageError, match="more than 10 members"):
        opened(*(entry(f"{n}") for n in range(11)))
    with pytest.raises(ImageError, match="more than 10 members"):
        opened(*(entry(f"{n}/{n}/x") for n in range(5)))
    with pytest.raises(ImageError, match="more than 2 links"):
        opened(*(link(f"{n}", "x") for n in range(3)))


def set_checksum(data: bytearray, start: int) -> None:
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"7" * 11 + b"\0", r"a' of 8589934591 bytes, \d+ left in the archive"),
        (b"\xff" * 12, r"'a' has a size of '-1'"),
        (b"\x80" + b"\x7f" * 11, r"a' of \d+ bytes, \d+ left"),
        (b"-0000000010\0", r"'a' has a size of '-8'"),
        (b"not number\0\0", r"no tar archive: it begins with no header"),
    ],
)
def test_sizes_that_cant_be_are_refused(field: bytes, message: str) -> None:
    data = bytearray(packed(entry("a", b"x" * 600), form=tarfile.USTAR_FORMAT))
    data[124:136] = field
    set_checksum(data, 0)
    with pytest.raises(ImageError, match=message):
        opened_bytes(bytes(data))


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 511, b"x" * 5120, os.urandom(5120), b"{}" * 3000])
def test_garbage_is_no_tar_archive(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"x\.tar: no tar archive"):
        opened_bytes(data)


def test_a_damaged_header_in_the_middle_is_told_with_its_place() -> None:
    data = bytearray(packed(entry("a", b"1"), entry("b", b"2"), form=tarfile.USTAR_FORMAT))
    data[1024] ^= 1
    with pytest.raises(ImageError, match=r"x\.tar: byte 1024: damaged: expected the header of a member"):
        opened_bytes(bytes(data))


def test_an_archive_without_its_end_was_cut() -> None:
    data = packed(entry("a", b"1"), form=tarfile.USTAR_FORMAT)
    assert opened_bytes(data[:1536]).names() == ["a"]
    with pytest.raises(ImageError, match=r"byte 1024: cut off"):
        opened_bytes(data[:1024])


def pax(records: bytes, *, size: int | None = None, kind: bytes = tarfile.XHDTYPE) -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = kind, len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (pax(b"", size=1 << 30), "an extended header of 1073741824 bytes, more than the 1048576"),
        (pax(b"", size=1 << 30, kind=tarfile.GNUTYPE_LONGNAME), "more than the 4097"),
        (pax(b"", size=1 << 19), "an extended header of 524288 bytes, .* left"),
        (pax(b"99 path=x\n"), "a damaged record at byte 0"),
        (pax(b"9999999999999999999999999 path=x\n"), "a damaged record"),
        (pax(b"0 path=x\n"), "a damaged record"),
        (pax(b"1" * 5000), "a damaged record"),
        (pax(b"9 path=x\n" * 3 + b"junk"), "a damaged record at byte 27"),
        (pax(b"11 size=-5\n"), "has a size of '-5'"),
        (pax(b"17 size=99999999\n"), "of 99999999 bytes, .* left"),
        (pax(b"12 path=/et\n"), "an absolute name"),
        (pax(b"15 path=../../x\n".replace(b"15", b"16")), "leads out"),
        (pax(b"12 path=a\0b\n"), "a name of 3 characters"),
        (pax(b"26 GNU.sparse.map=5,5,1,1\n"), "a sparse file whose map doesn't fit|has a size of ''"),
        (pax(b"22 GNU.sparse.major=1\n"), "has a size of ''"),
    ],
)
def test_extended_headers_that_cant_be_are_refused(header: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        opened_bytes(header + packed(entry("a", b"1"), form=tarfile.USTAR_FORMAT))


def test_many_extended_headers_are_read_and_thousands_refused() -> None:
    data = pax(b"9 path=x\n") * 20 + packed(entry("a", b"1"), form=tarfile.USTAR_FORMAT)
    assert contents(opened_bytes(data)) == {"x": b"1"}
    with pytest.raises(ImageError, match="more than 32 extended headers of one member"):
        opened_bytes(pax(b"9 path=x\n") * 5000)
    with pytest.raises(ImageError, match="an extended header without a member"):
        opened_bytes(pax(b"9 path=x\n") + bytes(1024))


def sparse_archive(tmp_path: Path, *options: str) -> tuple[bytes, bytes]:
    if shutil.which("tar") is None:
        pytest.skip("no GNU tar")
    path = tmp_path / "pages-1.img"
    with path.open("wb") as file:
        for number in range(40):
            file.seek(number * 65536)
            file.write(random.Random(number).randbytes(4096))
        file.truncate(4 << 20)
    subprocess.run(["tar", "-S", *options, "-cf", "x.tar", "pages-1.img"], cwd=tmp_path, check=True)
    return (tmp_path / "x.tar").read_bytes(), path.read_bytes()


SPARSE = [
    ("--format=gnu",),
    ("--format=posix", "--sparse-version=0.0"),
    ("--format=posix", "--sparse-version=0.1"),
    ("--format=posix", "--sparse-version=1.0"),
]


@pytest.mark.parametrize("options", SPARSE)
def test_sparse_members_have_their_holes_back(options: tuple[str, ...], tmp_path: Path) -> None:
    data, expected = sparse_archive(tmp_path, *options)
    if len(data) > len(expected) // 2:
        pytest.skip("the file system has no holes")
    tree = opened_bytes(data)
    assert tree.size("pages-1.img") == len(expected)
    assert tree.view("pages-1.img") == expected
    with pytest.raises(ImageError, match=r"pages-1\.img: more than 1048576 bytes come out"):
        opened_bytes(data, Limits(max_total=1 << 20))


@pytest.mark.parametrize("options", SPARSE)
def test_damaged_sparse_maps_give_nothing_but_our_errors(options: tuple[str, ...], tmp_path: Path) -> None:
    data, _ = sparse_archive(tmp_path, *options)
    chance = random.Random(7)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[chance.randrange(4096)] = chance.randrange(256)
        for start in range(0, 4096, 512):
            if damaged[start + 257 : start + 262] == b"ustar":
                set_checksum(damaged, start)
        try:
            contents(opened_bytes(bytes(damaged), Limits(max_total=64 << 20)))
        except DyncritError:
            refused += 1
    assert refused


def test_a_sparse_bomb_is_refused_before_it_takes_room() -> None:
    header = pax(b"26 GNU.sparse.map=0,1,1,0\n" + b"36 GNU.sparse.realsize=999999999999\n")
    with pytest.raises(ImageError, match="--max-size"):
        opened_bytes(header + packed(entry("a", b"1"), form=tarfile.USTAR_FORMAT))
    header = pax(b"26 GNU.sparse.map=0,1,1,0\n" + b"34 GNU.sparse.realsize=9999999999\n")
    with pytest.raises(ImageError, match="--max-ratio"):
        opened_bytes(header + packed(entry("a", b"1"), form=tarfile.USTAR_FORMAT))


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ImageError, match="no regular file"):
            open_archive(path)
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "missing")


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar"
    path.write_bytes(gzip.compress(packed(entry("a", bytes(80 << 20)))))
    with pytest.raises(ImageError, match=r"bomb\.tar: more than 200 times"):
        open_archive(path)
    with pytest.raises(ImageError, match=r"bomb\.tar: more than 1000 bytes"):
        open_archive(path, Limits(max_total=1000))


def test_nothing_is_written_where_the_archive_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree = opened_bytes(gzip.compress(packed(entry("checkpoint/a", b"1"), link("checkpoint/parent", "/etc"))))
    contents(tree)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_and_its_unpacked_directory_are_alike(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "archives" / "podman-4.3-with-previous.tar"
    subprocess.run(["tar", "xf", source, "-C", tmp_path], check=True)
    tree, directory = open_archive(source), DirectoryTree(tmp_path)
    assert contents(tree) == contents(directory)
    one, other = tree.folder("checkpoint"), directory.folder("checkpoint")
    assert one.link("parent") == other.link("parent") == "../pre-checkpoint"
    for images in (one, other):
        with pytest.raises(FileNotFoundError):
            images.linked_folder("../pre-checkpoint")


SAMPLE = packed(
    folder("checkpoint"),
    entry("checkpoint/pages-1.img", PAGES[:700]),
    entry("checkpoint/" + "n" * 120, b"data"),
    link("checkpoint/parent", "../pre"),
    link("l", "checkpoint/pages-1.img"),
    hard_link("h", "checkpoint/pages-1.img"),
)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6
    ),
    mend=st.booleans(),
    pack=st.sampled_from([bytes, zstandard.compress, gzip.compress]),
    end=st.integers(0, 2 * len(SAMPLE)),
)
def test_mutated_archives_give_nothing_but_our_errors(
    changes: list[tuple[int, bytes]], mend: bool, pack, end: int
) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place : place + len(value)] = value
    if mend:
        for start in range(0, len(data) - 511, 512):
            if data[start + 257 : start + 262] == b"ustar":
                set_checksum(data, start)
    try:
        tree = opened_bytes(pack(bytes(data[:end])), Limits(max_total=1 << 22))
        contents(tree)
        with pytest.raises(FileNotFoundError):
            tree.linked_folder("../..")
    except DyncritError:
        pass
