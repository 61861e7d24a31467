"""Changes in archives: what engines wrote, and all that a tar file can have."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.storage.archive import open_archive
from dyncrit.checkpoint.storage.compression import compression_of
from dyncrit.checkpoint.writing import archive, commit
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.errors import DyncritError

ARCHIVES = [
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
]
PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "two gzip streams": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.fixture
def inventory(data: Path) -> bytes:
    return (data / "demo/tree/inventory.img").read_bytes()


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    info.mtime, info.mode, info.uid, info.gid = 1_600_000_000, 0o640, 12, 34
    info.uname, info.gname = "somebody", "some"
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def packed(*entries: tuple, kind: int = tarfile.PAX_FORMAT, end: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as file:
        for info, content in entries:
            file.addfile(info, io.BytesIO(content))
        offset = file.offset
    return buffer.getvalue() if end is None else buffer.getvalue()[:offset] + bytes(end)


def infos(path: Path) -> dict[str, dict]:
    """What tar says of each member; of equal names, of the last."""
    with tarfile.open(path) as file:
        return {member.name: member.get_info() | {"pax": member.pax_headers} for member in file}


def listing(path: Path) -> list[str]:
    command = ["tar", "--zstd"] if compression_of(memoryview(path.read_bytes())) == "zstd" else ["tar"]
    found = subprocess.run([*command, "-tvf", path], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


@pytest.mark.parametrize("name", ARCHIVES)
def test_real_archives_change_in_what_was_changed_and_in_nothing_else(
    corpus, tmp_path, change, contents, hidden, name
):
    path = tmp_path / name
    shutil.copyfile(corpus / "archives" / name, path)
    before, lines = contents(path), listing(path)
    new = {"inventory.img": before["inventory.img"] + b"and more", "seccomp.img": b""}
    new = {name: content for name, content in new.items() if name in before}
    outer = {"stats-dump": bytes(48)} if "outer/stats-dump" in before else {}
    change(path, new, outer)
    wanted = new | {f"outer/{name}": content for name, content in outer.items()}
    assert contents(path) == before | wanted
    assert compression_of(memoryview(path.read_bytes())) == compression_of(
        memoryview((corpus / "archives" / name).read_bytes())
    )
    if "oci" not in name:
        changed = {
            (old, line) for old, line in zip(lines, listing(path), strict=True) if old.split() != line.split()
        }
        assert len(changed) == len([key for key in wanted if len(wanted[key]) != len(before[key])])
        for old, line in changed:  # all but the size is as it was
            assert [*old.split()[:2], *old.split()[3:]] == [*line.split()[:2], *line.split()[3:]]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["podman-4.3-loop.tar", "podman-5.8-loop.tar.zst", "containerd-2.1-loop.tar"]
)
def test_real_archives_come_back_to_what_they_were_byte_for_byte(corpus, tmp_path, change, contents, name):
    path = tmp_path / name
    shutil.copyfile(corpus / "archives" / name, path)
    plain = unpacked(path)
    change(path, {"new.img": b"new", "inventory.img": bytes(5000)})
    old = contents(corpus / "archives" / name)["inventory.img"]
    assert unpacked(path) != plain
    change(path, {"new.img": None, "inventory.img": old})
    assert unpacked(path) == plain


def unpacked(path: Path) -> bytes:
    tree = open_archive(path)
    return bytes(tree.data)


@pytest.mark.parametrize("packer", PACKERS)
def test_an_archive_stays_compressed_as_it_was(tmp_path, change, contents, inventory, packer):
    path = tmp_path / "dump.tar"
    plain = packed(entry("inventory.img", inventory), entry("files.img", random.Random(1).randbytes(5000)))
    path.write_bytes(PACKERS[packer](plain))
    kind = compression_of(memoryview(path.read_bytes()))
    before = contents(path)
    change(path, {"files.img": b"other"})
    assert contents(path) == before | {"files.img": b"other"}
    assert compression_of(memoryview(path.read_bytes())) == kind


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 70_000])
def test_headers_keep_all_but_the_size(tmp_path, change, contents, inventory, kind, size):
    long_name = "checkpoint/" + "n" * 90 + ".img"
    path = tmp_path / "dump.tar"
    entries = [
        entry("checkpoint", kind=tarfile.DIRTYPE),
        entry("checkpoint/inventory.img", inventory, mode=0o4751),
        entry(long_name, b"long" * 300),
        entry("checkpoint/last.img", b"last"),
    ]
    path.write_bytes(packed(*entries, kind=FORMATS[kind]))
    before = infos(path)
    change(path, {long_name.partition("/")[2]: b"z" * size})
    after = infos(path)
    assert after[long_name].pop("size") == size
    before[long_name].pop("size")
    before[long_name]["chksum"] = after[long_name]["chksum"]
    assert after == before
    assert contents(path)["last.img"] == b"last"


def test_extended_attributes_and_fractions_of_seconds_in_pax_headers_stay(
    tmp_path, change, contents, inventory
):
    said = {
        "SCHILY.xattr.user.note": "ähm",
        "SCHILY.xattr.security.selinux": "label\0",
        "mtime": "1600000000.25",
    }
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a", pax_headers=said)))
    change(path, {"a.img": b"longer"})
    with tarfile.open(path) as file:
        assert file.getmember("a.img").pax_headers == said
    assert contents(path)["a.img"] == b"longer"


def test_a_size_in_a_pax_header_goes_as_the_header_has_it(tmp_path, change, contents, inventory):
    path = tmp_path / "dump.tar"
    said = {"size": "3", "comment": "of ours"}
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"abc", pax_headers=said)))
    change(path, {"a.img": b"longer"})
    assert contents(path)["a.img"] == b"longer"
    with tarfile.open(path) as file:
        assert file.getmember("a.img").pax_headers == {"comment": "of ours"}


@pytest.mark.parametrize("version", ["gnu", "0.0", "0.1", "1.0"])
@pytest.mark.parametrize("which", ["changed", "other", "linked"])
def test_sparse_files_become_plain_when_changed_and_stay_sparse_else(
    tmp_path, change, contents, inventory, version, which
):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inventory.img").write_bytes(inventory)
    with (folder / "pages-1.img").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(b"pages")
        file.seek(700_000)
        file.write(b"more")
    os.link(folder / "pages-1.img", folder / "pages-2.img")
    (folder / "z.img").write_bytes(b"z")
    path = tmp_path / "dump.tar"
    options = ["--format=gnu"] if version == "gnu" else ["--format=pax", f"--sparse-version={version}"]
    names = ["inventory.img", "pages-1.img", "pages-2.img", "z.img"]
    subprocess.run(["tar", "-cSf", path, *options, "-C", folder, *names], check=True)
    assert path.stat().st_size < 200_000
    before = contents(path)
    name = {"changed": "pages-1.img", "other": "z.img", "linked": "pages-2.img"}[which]
    change(path, {name: b"plain"})
    assert contents(path) == before | {name: b"plain"}
    unpack(path, tmp_path / "unpacked")
    for name, data in contents(path).items():
        assert (tmp_path / "unpacked" / name).read_bytes() == data


def unpack(path: Path, folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["tar", "-xf", path, "-C", folder, "--no-same-owner"], check=True)


def linked(inventory: bytes) -> bytes:
    return packed(
        entry("inventory.img", inventory),
        entry("a.img", b"content"),
        entry("b.img", kind=tarfile.LNKTYPE, linkname="a.img"),
        entry("c.img", kind=tarfile.LNKTYPE, linkname="b.img"),
        entry("s.img", kind=tarfile.SYMTYPE, linkname="a.img"),
    )


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"a.img": b"new"}, {"a.img": b"new", "s.img": b"new"}),
        ({"b.img": b"new"}, {"b.img": b"new"}),
        ({"c.img": b"new"}, {"c.img": b"new"}),
        ({"s.img": b"new"}, {"a.img": b"new", "s.img": b"new"}),
        ({"a.img": b"1", "b.img": b"2"}, {"a.img": b"1", "b.img": b"2", "s.img": b"1"}),
        ({"a.img": None}, {"a.img": None, "s.img": None}),
        ({"b.img": None}, {"b.img": None}),
        ({"s.img": None}, {"s.img": None}),
        ({"a.img": None, "b.img": None}, {"a.img": None, "b.img": None, "s.img": None}),
    ],
)
def test_hard_links_to_what_changes_keep_the_old_content_and_symbolic_ones_follow(
    tmp_path, change, contents, inventory, changes, result
):
    path = tmp_path / "dump.tar"
    path.write_bytes(linked(inventory))
    before = contents(path)
    change(path, changes)
    wanted = {name: content for name, content in (before | result).items() if content is not None}
    assert contents(path) == wanted
    unpack(path, tmp_path / "unpacked")
    found = {item.name: item.read_bytes() for item in (tmp_path / "unpacked").iterdir() if item.exists()}
    assert found == wanted


def test_two_names_of_one_file_are_not_changed_at_once(tmp_path, change, inventory):
    path = tmp_path / "dump.tar"
    path.write_bytes(linked(inventory))
    with pytest.raises(DyncritError, match="two changes of one file"):
        change(path, {"a.img": b"1", "s.img": b"2"})
    assert path.read_bytes() == linked(inventory)


def test_of_equal_names_the_last_is_changed_and_all_are_removed(tmp_path, change, contents, inventory):
    path = tmp_path / "dump.tar"
    entries = [entry("inventory.img", inventory), entry("a.img", b"first"), entry("./a.img", b"second")]
    path.write_bytes(packed(*entries))
    change(path, {"a.img": b"third"})
    with tarfile.open(path) as file:
        assert [file.extractfile(member).read() for member in file][1:] == [b"first", b"third"]
    change(path, {"a.img": None})
    assert list(contents(path)) == ["inventory.img"]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("prefix", ["", "./", "./checkpoint/", "checkpoint/", "one/checkpoint/"])
def test_a_new_file_is_like_its_neighbours(tmp_path, change, contents, inventory, kind, prefix):
    path = tmp_path / "dump.tar"
    beside = [entry("spec.dump", b"{}", uid=0)] if prefix == "checkpoint/" else []
    path.write_bytes(packed(*beside, entry(f"{prefix}inventory.img", inventory), kind=FORMATS[kind]))
    long = "x" * 150 + ".img"
    change(path, {"new.img": b"content", long: b"long"})
    with tarfile.open(path) as file:
        added = file.getmembers()[-2:]
    assert [member.name for member in added] == [f"{prefix}new.img", f"{prefix}{long}"]
    for member in added:
        assert (member.mode, member.uid, member.gid) == (0o640, 12, 34)
        assert (member.uname, member.gname) == ("somebody", "some")
    assert contents(path)["new.img"] == b"content"
    assert contents(path)[long] == b"long"


def test_a_new_file_where_there_are_only_folders_has_a_name_in_the_archives_style(
    tmp_path, change, contents, inventory
):
    path = tmp_path / "dump.tar"
    entries = [entry("./top", kind=tarfile.DIRTYPE), entry("./top/checkpoint/inventory.img", inventory)]
    path.write_bytes(packed(*entries))
    change(path, outer={"spec.dump": b"{}"})
    with tarfile.open(path) as file:
        assert file.getnames() == ["./top", "./top/checkpoint/inventory.img", "./top/spec.dump"]
    assert contents(path)["outer/spec.dump"] == b"{}"


@pytest.mark.parametrize("end", [512, 1024, 1536, 8704])
def test_the_end_of_the_archive_is_as_long_as_it_was(tmp_path, change, inventory, end):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a"), end=end))
    size = path.stat().st_size
    change(path, {"a.img": bytes(range(256)) * 10})
    assert path.stat().st_size == size + 2048
    assert path.read_bytes().endswith(bytes(end))


@pytest.mark.parametrize("size", [1, 9000, 9500, 20_000])
def test_the_blocking_factor_stays(tmp_path, change, contents, inventory, size):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a")))
    assert path.stat().st_size == 10240
    change(path, {"a.img": b"z" * size})
    assert path.stat().st_size % 10240 == 0
    assert path.stat().st_size <= 20480 + size
    assert contents(path)["a.img"] == b"z" * size


def test_what_stands_behind_the_end_stays(tmp_path, change, inventory):
    path = tmp_path / "dump.tar"
    entries = [entry("inventory.img", inventory), entry("a.img", b"a")]
    path.write_bytes(packed(*entries, end=1024) + b"signature")
    change(path, {"a.img": b"b"})
    assert path.read_bytes() == packed(entries[0], entry("a.img", b"b"), end=1024) + b"signature"


def test_global_pax_headers_stay_when_the_member_behind_them_goes(tmp_path, change, contents, inventory):
    buffer = io.BytesIO()
    said = {"comment": "for all"}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=said) as file:
        for info, data in (entry("a.img", b"a"), entry("inventory.img", inventory)):
            file.addfile(info, io.BytesIO(data))
    path = tmp_path / "dump.tar"
    path.write_bytes(buffer.getvalue())
    change(path, {"a.img": None})
    with tarfile.open(path) as file:
        assert file.getnames() == ["inventory.img"]
        assert file.pax_headers == said


def test_names_that_are_no_utf8_stay(tmp_path, change, contents, inventory):
    path = tmp_path / "dump.tar"
    name = os.fsdecode(b"\xff\xfe.img")
    path.write_bytes(packed(entry("inventory.img", inventory), entry(name, b"a"), kind=tarfile.GNU_FORMAT))
    change(path, {name: b"b"})
    assert contents(path)[name] == b"b"
    assert b"\xff\xfe.img\0" in path.read_bytes()


def test_the_archive_keeps_owner_mode_times_and_extended_attributes(tmp_path, change, inventory):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a")))
    path.chmod(0o604)
    os.utime(path, ns=(10**18 + 5, 10**18 + 7))
    owner = (123, 456) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    has_attributes = set_attribute(path)
    change(path, {"a.img": b"b"})
    status = path.stat()
    assert status.st_mode & 0o7777 == 0o604
    assert (status.st_uid, status.st_gid) == owner
    assert status.st_mtime_ns == 10**18 + 7
    if has_attributes:
        assert os.getxattr(path, "user.note") == b"kept"


def set_attribute(path: Path) -> bool:
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        return False
    return True


def test_a_symbolic_link_to_the_archive_stays_one(tmp_path, change, contents, inventory, hidden):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a")))
    link = tmp_path / "link.tar"
    link.symlink_to("elsewhere/dump.tar")
    change(link, {"a.img": b"b"})
    assert link.is_symlink()
    assert contents(path)["a.img"] == b"b"
    assert hidden(tmp_path) == []


def test_an_archive_of_a_directory_and_of_an_archive_in_between_stay_what_they_are(
    tmp_path, change, contents, inventory
):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("dump/inventory.img", inventory), entry("dump/a.img", b"a")))
    change(path, {"a.img": b"b"})
    assert contents(path)["a.img"] == b"b"
    with tarfile.open(path) as file:
        assert file.getnames() == ["dump/inventory.img", "dump/a.img"]


def test_a_link_out_of_what_is_there_is_not_written_to(tmp_path, change, inventory):
    path = tmp_path / "dump.tar"
    dangling = entry("a.img", kind=tarfile.SYMTYPE, linkname="nothing")
    path.write_bytes(packed(entry("inventory.img", inventory), dangling))
    before = path.read_bytes()
    with pytest.raises(DyncritError, match="a link, where a file is to be written"):
        change(path, {"a.img": b"b"})
    assert path.read_bytes() == before


def test_an_archive_that_was_replaced_meanwhile_is_left_alone(tmp_path, contents, inventory):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a")))
    location = locate(path)
    path.rename(tmp_path / "old.tar")
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"of others")))
    with commit.staging_folder(path, location) as staging:
        (staging / "x").write_bytes(b"ours")
        with pytest.raises(DyncritError, match="replaced or written over since it was read"):
            commit.commit(path, location, [FileChange(location.images, "a.img", staging / "x")], staging)
    location.root.close()
    assert contents(path)["a.img"] == b"of others"


@pytest.mark.parametrize("moment", ["before", "while it is rewritten"])
@pytest.mark.parametrize("packer", ["plain", "gzip"])
@pytest.mark.parametrize("is_time_kept", [True, False])
def test_an_archive_that_was_written_over_in_place_is_left_alone(
    tmp_path, change, contents, inventory, monkeypatch, hidden, moment, packer, is_time_kept
):
    path = tmp_path / "dump.tar"
    path.write_bytes(PACKERS[packer](packed(entry("inventory.img", inventory), entry("a.img", b"a"))))
    os.utime(path, ns=(1, 1))
    inode = path.stat().st_ino
    theirs = PACKERS[packer](packed(entry("inventory.img", inventory), entry("a.img", b"t")))

    def write_over() -> None:
        path.write_bytes(theirs)
        if is_time_kept:
            os.utime(path, ns=(1, 1))

    module, name = (commit, "locked") if moment == "before" else (commit, "_verify")
    right = getattr(module, name)

    def call(*arguments: object) -> object:
        given = right(*arguments)
        write_over()
        return given

    monkeypatch.setattr(module, name, call)
    with pytest.raises(DyncritError, match="replaced or written over since it was read"):
        change(path, {"a.img": b"ours"})
    assert path.read_bytes() == theirs
    assert path.stat().st_ino == inode
    assert contents(path)["a.img"] == b"t"
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("changed", [{"a.img": b"new"}, {"a.img": None}])
def test_a_file_too_many_in_the_new_archive_is_never_put_in_place(
    tmp_path, change, inventory, monkeypatch, hidden, changed
):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a")))
    before = path.read_bytes()
    right = commit.rewrite_archive

    def add_one(*arguments: object) -> object:
        written = right(*arguments)
        with tarfile.open(written.path, "a") as file:
            info, data = entry("a.img" if changed["a.img"] is None else "extra.img", b"x")
            file.addfile(info, io.BytesIO(data))
        return written

    monkeypatch.setattr(commit, "rewrite_archive", add_one)
    with pytest.raises(DyncritError, match="would be there, too"):
        change(path, changed)
    assert path.read_bytes() == before
    assert hidden(tmp_path) == []


def test_a_dangling_link_may_lead_to_a_new_file(tmp_path, change, contents, inventory):
    path = tmp_path / "dump.tar"
    dangling = entry("a.img", kind=tarfile.SYMTYPE, linkname="b.img")
    path.write_bytes(packed(entry("inventory.img", inventory), dangling))
    change(path, {"b.img": b"new"})
    found = contents(path)
    assert (found["a.img"], found["b.img"]) == (b"new", b"new")


def test_what_comes_out_wrong_is_never_put_in_place(tmp_path, change, inventory, monkeypatch, hidden):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"a"), entry("b.img", b"b")))
    before = path.read_bytes()
    right = archive._slices
    monkeypatch.setattr(
        archive, "_slices", lambda data: iter([bytes(len(data))]) if len(data) == 1024 else right(data)
    )
    with pytest.raises(DyncritError):
        change(path, {"a.img": b"new"})
    assert path.read_bytes() == before
    assert hidden(tmp_path) == []


def test_removing_the_images_that_make_it_a_checkpoint_is_refused(tmp_path, change, inventory, hidden):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(entry("inventory.img", inventory), entry("a.img", b"b")))
    before = path.read_bytes()
    with pytest.raises(DyncritError):
        change(path, {"inventory.img": None})
    assert path.read_bytes() == before
    assert hidden(tmp_path) == []


def test_memory_is_bounded(tmp_path, change, inventory):
    path = tmp_path / "dump.tar"
    with tarfile.open(path, "w") as file:
        for info, data in (entry("inventory.img", inventory), entry("a.img", b"a")):
            file.addfile(info, io.BytesIO(data))
        with Path("/dev/zero").open("rb") as zeros:
            info, _ = entry("pages-1.img")
            info.size = 300 << 20
            file.addfile(info, zeros)
    import tracemalloc

    tracemalloc.start()
    change(path, {"a.img": b"b"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.images.tree.size("pages-1.img") == 300 << 20
