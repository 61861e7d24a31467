"""Filling: the same size, the same zeros, nothing else."""

from __future__ import annotations

import io
import os

from dyncrit.edit.anonymity.fill import Filled, FillerFile, fill_old_pages, fill_pages

PAGE = 4096


def filled(tmp_path, content, kept=0, *, real=True):
    before = tmp_path / "before"
    before.write_bytes(content)
    after = tmp_path / "after"
    file = before.open("rb") if real else io.BytesIO(content)
    with file, after.open("x+b") as output:
        count = fill_pages(file, len(content), output, kept)
    return count, after.read_bytes()


def test_pages_are_filled_and_pages_of_zeros_stay(tmp_path):
    content = b"secret".ljust(PAGE, b"\0") + bytes(PAGE) + os.urandom(PAGE)
    for real in (True, False):
        count, after = filled(tmp_path, content, real=real)
        assert count == 2 * PAGE
        assert after == b"x" * PAGE + bytes(PAGE) + b"x" * PAGE
        (tmp_path / "after").unlink()


def test_a_cut_page_is_filled_to_its_end(tmp_path):
    assert filled(tmp_path, bytes(PAGE) + b"ab") == (2, bytes(PAGE) + b"xx")


def test_nothing_is_filled_of_an_empty_file(tmp_path):
    assert filled(tmp_path, b"") == (0, b"")


def test_what_is_to_be_kept_stays(tmp_path):
    assert filled(tmp_path, b"12345678secret", 8) == (6, b"12345678xxxxxx")
    (tmp_path / "after").unlink()
    assert filled(tmp_path, b"1234", 8) == (0, b"1234")


def test_many_pieces_are_filled_where_they_stand(tmp_path):
    content = b"".join((b"a" * PAGE if page % 3 else bytes(PAGE)) for page in range(900))
    count, after = filled(tmp_path, content)
    assert after == content.replace(b"a", b"x")
    assert count == after.count(b"x")


def test_holes_stay_holes(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    with before.open("xb") as file:
        for gigabyte in range(3):
            file.seek(gigabyte << 30)
            file.write(b"secret")
        file.truncate(4 << 30)
    with before.open("rb") as file, after.open("x+b") as output:
        assert fill_pages(file, 4 << 30, output) == 3 * PAGE
    assert after.stat().st_size == 4 << 30
    assert after.stat().st_blocks * 512 < 1 << 20
    with after.open("rb") as file:
        for gigabyte in range(3):
            file.seek(gigabyte << 30)
            assert file.read(PAGE + 1) == b"x" * PAGE + b"\0"


def test_old_pages_keep_their_addresses(tmp_path):
    record = (0x400000).to_bytes(8, "little")
    content = b"\x25\x40\x08\x56" + record + b"s" * PAGE + record + bytes(PAGE)
    with (tmp_path / "after").open("x+b") as output:
        assert fill_old_pages(io.BytesIO(content), len(content), output) == PAGE
        output.seek(0)
        assert output.read() == content.replace(b"s", b"x")


def test_filler_comes_in_pieces():
    pieces = list(Filled(5 << 19).pieces())
    assert b"".join(pieces) == b"x" * (5 << 19)
    assert max(map(len, pieces)) == 1 << 20
    assert list(Filled(0).pieces()) == []
    file = FillerFile(10)
    assert (file.read(4), file.read(), file.read(3)) == (b"xxxx", b"xxxxxx", b"")
