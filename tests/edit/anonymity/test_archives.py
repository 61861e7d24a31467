"""Archives of tmpfs: the same members, under other names, without what was in them."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.edit.anonymity.archives import rewrite_archive
from dyncrit.edit.anonymity.treatments import Pseudonyms
from dyncrit.errors import ImageError


def packed(*members):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content, fields in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            info.pax_headers = {"SCHILY.xattr.user.note": "secretattr"}
            for field, value in {
                "uname": "alice",
                "mode": 0o640,
                "uid": 1000,
                "mtime": 1234,
                **fields,
            }.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return memoryview(output.getvalue())


def rewritten(data, **options):
    after = io.BytesIO()
    done = rewrite_archive(data, after, Pseudonyms(b"key").names, "archive", **options)
    return done, after.getvalue()


def test_members_keep_kind_size_mode_owner_and_time():
    data = packed(
        ("./", tarfile.DIRTYPE, b"", {}),
        ("./tmp/", tarfile.DIRTYPE, b"", {}),
        ("./tmp/secretname.log", tarfile.REGTYPE, b"secretcontent", {}),
        ("./tmp/link", tarfile.SYMTYPE, b"", {"linkname": "/home/secretuser/x"}),
        ("./tmp/hard", tarfile.LNKTYPE, b"", {"linkname": "./tmp/secretname.log"}),
        ("./tmp/fifo", tarfile.FIFOTYPE, b"", {}),
    )
    done, after = rewritten(data)
    assert done == (6, 13)
    assert after.startswith(b"\x1f\x8b\x08")
    for secret in (b"secret", b"alice"):
        assert secret not in gzip.decompress(after)
    with tarfile.open(fileobj=io.BytesIO(after)) as archive:
        found = archive.getmembers()
        assert [item.type for item in found] == [b"5", b"5", b"0", b"2", b"1", b"6"]
        assert found[2].name.startswith("./tmp/")
        assert found[2].name.endswith(".log")
        assert (found[2].size, found[2].mode, found[2].uid, found[2].mtime) == (13, 0o640, 1000, 1234)
        assert archive.extractfile(found[2]).read() == b"x" * 13
        assert found[4].linkname == found[2].name
        assert found[3].linkname.startswith("/home/")


def test_long_names_stay_long():
    name = "/".join(["a-long-folder-name"] * 20)
    _, after = rewritten(packed((name, tarfile.REGTYPE, b"1", {})))
    with tarfile.open(fileobj=io.BytesIO(after)) as archive:
        assert [len(item.name) for item in archive.getmembers()] == [len(name)]


def test_an_archive_is_the_same_whenever_it_is_made():
    data = packed(("one", tarfile.REGTYPE, b"1", {}))
    assert rewritten(data) == rewritten(data)


def test_an_empty_file_becomes_an_empty_archive():
    done, after = rewritten(memoryview(b""))
    assert done == (0, 0)
    with tarfile.open(fileobj=io.BytesIO(after)) as archive:
        assert archive.getmembers() == []


def test_damage_and_bombs_are_errors():
    data = packed(("one", tarfile.REGTYPE, b"1" * 10_000, {}))
    with pytest.raises(ImageError, match="archive"):
        rewritten(data[: len(data) // 2])
    with pytest.raises(ImageError, match="bound"):
        rewritten(data, limits=Limits(max_total=1000))
