from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.engine import listing
from dyncrit.checkpoint.engine.listing import Contents, ListedFile, Listing, list_contents
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.archive import open_archive, open_archive_view
from dyncrit.checkpoint.storage.compression import Limits

if TYPE_CHECKING:
    from pathlib import Path


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", mtime: int = 0
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mtime, info.uid = kind, len(data), target, mtime, 1000
    return info, data


def packed(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def listed(limits: Limits | None = None, /, **files: bytes) -> tuple[Contents, Problems]:
    names = {
        "rootfs": "rootfs-diff.tar",
        "shm": "devshm-checkpoint.tar",
        "volume": "volumes/v.tar",
        "deleted": "deleted.files",
    }
    data = packed(*(entry(names[key], value) for key, value in files.items()))
    problems = Problems()
    return list_contents(open_archive_view(memoryview(data), "x.tar", ("x",)), problems, limits), problems


def names(found: Listing | None) -> list[str]:
    assert found is not None
    return [file.name for file in found.files]


def test_podmans_volumes_and_shared_memory_are_listed(corpus: Path) -> None:
    problems = Problems()
    contents = list_contents(open_archive(corpus / "archives" / "podman-4.3-volumes.tar"), problems)
    assert list(problems) == []
    assert [*contents.volumes] == ["demovol"]
    assert names(contents.volumes["demovol"]) == [".", "sub", "sub/link", "v.txt"]
    assert contents.volumes["demovol"].files[2].target == "v.txt"
    time = "2026-11-23T13:20:59Z"
    assert contents.shared_memory == Listing((
        ListedFile(".", "folder", 0, 0o1777, "root:root", time),
        ListedFile("note.txt", "file", 11, 0o644, "root:root", time),
        ListedFile("rand", "file", 4096, 0o644, "root:root", time),
    ))  # fmt: skip
    assert names(contents.changes) == ["data", "scratch", "vol"]
    assert contents.deleted == ()


def test_containerds_gzipped_changes_tell_deletions_by_whiteouts(corpus: Path) -> None:
    problems = Problems()
    contents = list_contents(open_archive(corpus / "archives" / "containerd-2.1-loop.tar"), problems)
    assert list(problems) == []
    assert names(contents.changes) == [
        "etc", "etc/demo-release", "etc/hostname", "etc/hosts", "etc/new.conf", "etc/resolv.conf"
    ]  # fmt: skip
    assert contents.deleted == ("/etc/motd",)
    assert contents.volumes == {}
    assert contents.shared_memory is None


def test_every_real_archive_is_listed_without_problems(corpus: Path) -> None:
    for path in sorted((corpus / "archives").iterdir()):
        if path.suffix in {".md", ".txt"}:
            continue
        problems = Problems()
        contents = list_contents(open_archive(path), problems)
        assert list(problems) == []
        assert ("podman" in path.name and "oci" not in path.name) == (contents.shared_memory is not None), (
            path.name
        )


def test_deleted_files_and_whiteouts_are_deletions() -> None:
    rootfs = packed(entry("a/.wh.b"), entry("c/.wh..wh..opq"), entry("./d/e"), entry(".wh.f"))
    contents, problems = listed(rootfs=rootfs, deleted=json.dumps(["/x", "/y"]).encode())
    assert contents.deleted == ("/x", "/y", "/a/b", "/c/", "/f")
    assert names(contents.changes) == ["d/e"]
    assert not problems


def test_what_would_be_refused_elsewhere_is_listed() -> None:
    entries = [
        entry("../../etc/passwd", b"x"),
        entry("/etc/shadow", b"xy"),
        entry("dev/sda", kind=tarfile.BLKTYPE),
        entry("dev/tty", kind=tarfile.CHRTYPE),
        entry("fifo", kind=tarfile.FIFOTYPE),
        entry("link", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        entry("hard", kind=tarfile.LNKTYPE, target="../x"),
        entry("hard"),
    ]
    contents, problems = listed(volume=packed(*entries))
    found = contents.volumes["v"]
    assert [(file.name, file.kind, file.target) for file in found.files] == [
        ("../../etc/passwd", "file", ""),
        ("/etc/shadow", "file", ""),
        ("dev/sda", "block device", ""),
        ("dev/tty", "character device", ""),
        ("fifo", "fifo", ""),
        ("link", "link", "/etc/passwd"),
        ("hard", "hard link", "../x"),
        ("hard", "file", ""),
    ]
    assert found.files[0].owner == "1000:0"
    assert not found.is_cut
    assert not problems


def test_long_listings_are_cut_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 3)
    three, four = (packed(*(entry(str(number)) for number in range(count))) for count in (3, 4))
    contents, problems = listed(volume=three, shm=four, deleted=b'["1", "2", "3", "4"]')
    assert not contents.volumes["v"].is_cut
    assert contents.shared_memory is not None
    assert contents.shared_memory.is_cut
    assert names(contents.shared_memory) == ["0", "1", "2"]
    assert (contents.deleted, contents.is_deleted_cut) == (("1", "2", "3"), True)
    assert not problems


def test_a_damaged_archive_is_a_problem_and_what_stands_before_is_listed() -> None:
    whole = packed(entry("a", b"1"), entry("b", bytes(2000)))
    contents, problems = listed(shm=whole[:2500])
    assert names(contents.shared_memory) == ["a"]
    assert contents.shared_memory is not None
    assert contents.shared_memory.is_cut
    assert [(problem.severity, problem.place) for problem in problems] == [("error", "devshm-checkpoint.tar")]
    assert "1 of its files are listed" in str(*problems)
    contents, problems = listed(rootfs=gzip.compress(whole)[:-8], volume=b"garbage")
    assert contents.volumes["v"] == contents.changes == Listing((), is_cut=True)
    assert [problem.place for problem in problems] == ["rootfs-diff.tar", "volumes/v.tar"]


def test_a_bomb_among_them_is_a_problem() -> None:
    contents, problems = listed(
        Limits(max_total=1 << 20), rootfs=gzip.compress(packed(entry("a", bytes(2 << 20))))
    )
    assert contents.changes == Listing((), is_cut=True)
    assert "--max-size" in str(*problems)


@pytest.mark.parametrize("text", [b"{", b"{}", b'"x"', b"\xff", b"[" * 100_000])
def test_damaged_deleted_files_are_a_problem(text: bytes) -> None:
    contents, problems = listed(deleted=text)
    assert contents.deleted == ()
    assert [problem.place for problem in problems] == ["deleted.files"]


def test_times_that_are_none_are_empty() -> None:
    contents, _ = listed(
        volume=packed(*(entry("a", mtime=time) for time in (-5, 0, 253402300799, 253402300800, 2**62)))
    )
    assert [file.modified for file in contents.volumes["v"].files] == [
        "", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", ""
    ]  # fmt: skip


_SAMPLE = packed(entry("a", b"data"), entry("b" * 150, b"x"), entry("l", kind=tarfile.SYMTYPE, target="a"))


@given(
    changes=st.lists(st.tuples(st.integers(0, len(_SAMPLE) - 1), st.integers(0, 255)), max_size=6),
    is_packed=st.booleans(),
)
def test_mutated_archives_are_problems_at_most(changes: list[tuple[int, int]], is_packed: bool) -> None:
    data = bytearray(_SAMPLE)
    for place, value in changes:
        data[place] = value
    contents, problems = listed(
        rootfs=gzip.compress(bytes(data)) if is_packed else bytes(data), deleted=bytes(data[:200])
    )
    assert contents.changes is not None
    assert contents.changes.is_cut or all(problem.place == "deleted.files" for problem in problems)
