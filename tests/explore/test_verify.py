"""Whether images come back byte for byte, and where they don't."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.codec.writer import ImageWriter
from dyncrit.explore.verify import Difference, Verdict, verify_image, verify_paths
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = Schema.default()


def verify(data: bytes, name: str = "image", *, pretty: bool = False) -> Verdict:
    return verify_image(io.BytesIO(data), name, SCHEMA, pretty=pretty)


def kinds(verdicts: Iterator[Verdict]) -> set[str]:
    return {verdict.kind for verdict in verdicts}


@pytest.fixture
def pstree() -> bytes:
    image = dyncrit.Image.new("PSTREE")
    for pid in range(1, 4):
        image.add(pid=pid, ppid=0, pgid=1, sid=1, threads=[pid, 100 + pid])
    return dyncrit.dumps(image)


@pytest.fixture
def pipes() -> bytes:
    image = dyncrit.Image.new("PIPES_DATA")
    for payload in (b"abc", b"defg"):
        image.add(payload, pipe_id=1, bytes=len(payload), size=4096)
    return dyncrit.dumps(image)


def break_encoding(monkeypatch: pytest.MonkeyPatch, offset: int, *, pretty_only: bool = False) -> None:
    """Have the encoder write another byte at ``offset`` of each image (in the second run of it)."""
    encode, head = ImageWriter.encode, ImageWriter.head
    runs = []

    def begin(self: ImageWriter) -> bytes:
        runs.append(self)
        self.written = 0  # type: ignore[attr-defined]
        return changed(self, head(self))

    def changed(self: Any, piece: bytes) -> bytes:
        at, self.written = offset - self.written, self.written + len(piece)
        if not 0 <= at < len(piece) or (pretty_only and len(runs) < 2):
            return piece
        return piece[:at] + bytes((piece[at] ^ 1,)) + piece[at + 1 :]

    def encode_changed(self: ImageWriter, first: int, documents: list[Any]) -> Iterator[bytes]:
        return (changed(self, piece) for piece in encode(self, first, documents))

    monkeypatch.setattr(ImageWriter, "head", begin)
    monkeypatch.setattr(ImageWriter, "encode", encode_changed)


def test_every_image_of_the_corpus_comes_back(corpus: Path) -> None:
    folders = [corpus / name for name in ("criu-1.1", "criu-2.12", "criu-4.2", "demo")]
    verdicts = list(verify_paths(folders, SCHEMA, pretty=True))
    assert [verdict for verdict in verdicts if not verdict.is_good] == []
    assert sum(verdict.kind == "same" for verdict in verdicts) > 1000


def test_the_images_in_archives_of_engines_come_back(corpus: Path) -> None:
    paths = sorted(path for path in (corpus / "archives").iterdir() if ".tar" in path.name)
    verdicts = list(verify_paths(paths, SCHEMA))
    assert [verdict for verdict in verdicts if not verdict.is_good] == []
    assert sum(verdict.kind == "same" for verdict in verdicts) > 100
    assert any("/checkpoint/" in verdict.file for verdict in verdicts)


def test_the_images_that_the_project_ships_come_back(data: Path) -> None:
    verdicts = list(verify_paths([data / "demo", data / "criu-1.1"], SCHEMA, pretty=True))
    assert kinds(iter(verdicts)) == {"same", "skipped"}
    raw = {verdict.file for verdict in verdicts if "memory pages" in verdict.message}
    assert str(data / "demo" / "tree" / "pages-1.img") in raw


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("framing", ["v1.0", "common"])
def test_any_head_comes_back(order: str, framing: str) -> None:
    image = dyncrit.Image.new("PSTREE", byte_order=order, framing=framing)
    image.add(pid=1, ppid=0, pgid=1, sid=1, threads=[1])
    assert verify(dyncrit.dumps(image), pretty=True).kind == "same"


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(bytes.fromhex("0801 0801 1000 1801 2001 2801"), id="a field that stands twice"),
        pytest.param(bytes.fromhex("1000 0801"), id="fields out of order"),
        pytest.param(bytes.fromhex("08818000"), id="an over-long varint"),
        pytest.param(bytes.fromhex("f2ff0702c3ff"), id="an unknown field"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_records_that_no_encoder_would_write_come_back(pstree: bytes, record: bytes) -> None:
    data = pstree + len(record).to_bytes(4, "little") + record
    assert verify(data, pretty=True).kind == "same"


def test_an_unknown_magic_comes_back() -> None:
    assert verify(bytes.fromhex("19435654 78563412 01000000 00")).kind == "failed"
    assert verify(bytes.fromhex("19435654 78563412 02000000 0801")).kind == "same"


def test_a_long_payload_comes_back(tmp_path: Path) -> None:
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(bytes(range(256)) * (12 << 12), uid=0, gid=0, mode=0o100644, dev=1, ino=2)
    path = tmp_path / "ghost-file-1.img"
    dyncrit.dump(image, path)
    assert kinds(verify_paths([path], SCHEMA, pretty=True)) == {"same"}


@pytest.mark.parametrize(
    ("offset", "entry", "part"),
    [
        (4, None, "head"),
        (8, 0, "length"),
        (13, 0, "pid"),
        (21, 0, "threads[0]"),
        (23, 0, "threads[1]"),
        (24, 1, "length"),
        (37, 1, "threads[0]"),
    ],
)
def test_the_first_difference_is_told_with_entry_and_field(
    pstree: bytes, monkeypatch: pytest.MonkeyPatch, offset: int, entry: int | None, part: str
) -> None:
    break_encoding(monkeypatch, offset)
    verdict = verify(pstree)
    assert (verdict.kind, verdict.difference) == ("differs", Difference(offset, entry, part))
    assert verdict.message == str(verdict.difference)


def test_a_field_within_messages_is_told_by_its_path(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "demo" / "tree" / "core-9834.img"
    content = path.read_bytes()
    break_encoding(monkeypatch, content.index(b"tree"))
    (verdict,) = verify_paths([path], SCHEMA)
    assert verdict.difference is not None
    assert (verdict.difference.entry, verdict.difference.part) == (0, "tc.comm")


def test_a_difference_in_a_payload_is_told_by_its_byte(pipes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = pipes.index(b"defg") + 2
    break_encoding(monkeypatch, offset)
    assert verify(pipes).difference == Difference(offset, 1, "payload byte 2")


def test_a_difference_of_the_pretty_form_is_told_as_such(
    pstree: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_encoding(monkeypatch, 13, pretty_only=True)
    assert verify(pstree).kind == "same"
    monkeypatch.undo()
    break_encoding(monkeypatch, 13, pretty_only=True)
    verdict = verify(pstree, pretty=True)
    assert verdict.message == "entry 0: pid: byte 13 comes back different (pretty)"


@pytest.mark.parametrize(
    ("longer", "expected"), [(True, Difference(56, None, "end")), (False, Difference(55, 2, "threads[1]"))]
)
def test_an_image_that_comes_back_longer_or_shorter_differs(
    pstree: bytes, monkeypatch: pytest.MonkeyPatch, longer: bool, expected: Difference
) -> None:
    encode = ImageWriter.encode

    def other(self: ImageWriter, first: int, documents: list[Any]) -> Iterator[bytes]:
        is_last = first + len(documents) == 3
        for piece in encode(self, first, documents):
            yield piece if not is_last else piece + b"x" if longer else piece[:-1]

    monkeypatch.setattr(ImageWriter, "encode", other)
    assert len(pstree) == 56
    assert verify(pstree).difference == expected


def test_what_cannot_be_decoded_failed_and_stops_no_other(pstree: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(pstree[:-1])
    (tmp_path / "b.img").write_bytes(pstree)
    (tmp_path / "c").symlink_to("b.img")
    verdicts = list(verify_paths([tmp_path], SCHEMA))
    assert [verdict.kind for verdict in verdicts] == ["failed", "same", "skipped"]
    assert verdicts[0].message.startswith("entry 2 at byte ")
    assert verdicts[0].file == str(tmp_path / "a.img")


def test_a_missing_file_failed(tmp_path: Path) -> None:
    (verdict,) = verify_paths([tmp_path / "absent"], SCHEMA)
    assert (verdict.kind, verdict.message) == ("failed", "No such file or directory")


def test_an_archive_that_is_damaged_or_holds_no_checkpoint_failed(data: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as tar:
        tar.add(data / "demo" / "tree", "checkpoint")
    assert kinds(verify_paths([whole], SCHEMA)) == {"same", "skipped"}
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:5000])
    empty = tmp_path / "other.tar"
    with tarfile.open(empty, "w") as tar:
        tar.add(__file__, "some.py")
    for path in (cut, empty):
        (verdict,) = verify_paths([path], SCHEMA)
        assert (verdict.kind, verdict.file) == ("failed", str(path))


def test_no_more_is_unpacked_than_is_allowed(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(data / "demo" / "tree", "checkpoint")
    (verdict,) = verify_paths([path], SCHEMA, limits=Limits(max_total=1000))
    assert verdict.kind == "failed"
    assert "--max-size" in verdict.message


def test_an_archive_that_criu_made_is_raw_and_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "tmpfs-dev-5.tar.gz.img"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(__file__, "some.py")
    (verdict,) = verify_paths([path], SCHEMA)
    assert verdict.kind == "skipped"
    assert "raw image" in verdict.message


def test_a_difference_in_json_has_all_that_is_known(pstree: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(pstree, "x").to_dict() == {"file": "x", "kind": "same", "message": None, "difference": None}
    break_encoding(monkeypatch, 13)
    assert verify(pstree, "x").to_dict()["difference"] == {
        "offset": 13,
        "entry": 0,
        "part": "pid",
        "pretty": False,
    }
