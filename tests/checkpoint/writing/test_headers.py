"""Headers of tar members, read back by the standard library."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.storage.tar import members
from dyncrit.checkpoint.writing.headers import Header, as_file, headers_of, retargeted

GIB = 1 << 30
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def headers(info: tarfile.TarInfo, kind: int) -> list[Header]:
    data = info.tobuf(kind, "utf-8", "surrogateescape") + bytes(1024)
    (member,) = members(memoryview(data), "x.tar")
    return headers_of(memoryview(data), member)


def read(found: list[Header]) -> tarfile.TarInfo:
    data = b"".join(header.pack() for header in found)
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024))) as archive:
        return archive.next()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [0, 8 * GIB - 1, 8 * GIB, 100 * GIB])
def test_a_size_may_be_larger_than_octal_digits_tell(kind, size):
    info = tarfile.TarInfo("pages-1.img")
    assert read(as_file(headers(info, kind), size)).size == size


@pytest.mark.parametrize("kind", FORMATS[1:])
@pytest.mark.parametrize("target", ["../OLD.tar", "x" * 120 + "/OLD.tar"])
def test_links_get_other_targets(kind, target):
    info = tarfile.TarInfo("OLD/layer.tar")
    info.type, info.linkname = tarfile.SYMTYPE, target
    found = read(retargeted(headers(info, kind), "OLD", "NEW"))
    assert (found.name, found.linkname) == ("OLD/layer.tar", target.replace("OLD", "NEW"))


@pytest.mark.parametrize("kind", FORMATS[1:])
@pytest.mark.parametrize("target", ["a.img", "x" * 150])
def test_a_hard_link_that_becomes_a_file_says_nothing_of_a_target(kind, target):
    info = tarfile.TarInfo("n" * 130)
    info.type, info.linkname = tarfile.LNKTYPE, target
    found = read(as_file(headers(info, kind), 7))
    assert (found.type, found.linkname, found.size) == (tarfile.REGTYPE, "", 7)
    assert found.name == "n" * 130


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(max_size=120), max_size=5))
def test_records_of_pax_headers_stay_when_the_size_goes(records):
    records = {f"SCHILY.xattr.{key}": value for key, value in records.items()}
    info = tarfile.TarInfo("a.img")
    info.pax_headers = {"size": "0", **records}
    found = read(as_file(headers(info, tarfile.PAX_FORMAT), 3))
    assert found.pax_headers == records
    assert found.size == 3
