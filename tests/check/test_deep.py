"""What only --deep reads: pages through the chain, and files that other programs wrote."""

from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pytest

from dyncrit import dump, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.storage.tree import DirectoryTree

if TYPE_CHECKING:
    from pathlib import Path

_TMPFS = "tmpfs-dev-58.tar.gz.img"


def _rules(copy: Any, **options: Any) -> list[tuple[str, str]]:
    return [(finding.rule.id, finding.file) for finding in copy.check(deep=True, **options)]


@pytest.fixture
def chain(data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of demo/tree; the second finds process 9834's first page in the first."""
    parent, child = tmp_path / "parent-dump", tmp_path / "child-dump"
    for folder in (parent, child):
        shutil.copytree(data / "demo" / "tree", folder, symlinks=True)
    (child / "parent").symlink_to("../parent-dump")
    image = load(child / "pagemap-9834.img")
    image.entries[1].message.flags = 1
    dump(image, child / "pagemap-9834.img")
    (child / "pages-1.img").write_bytes((child / "pages-1.img").read_bytes()[4096:])
    return parent, child


def _found(folder: Path, **options: Any) -> list[tuple[str, str, str]]:
    with open_checkpoint(folder) as checkpoint:
        findings = check(checkpoint, **options).findings
    return [(finding.rule.id, finding.file, finding.message) for finding in findings]


@pytest.mark.parametrize("name", ["tree", "memory/1", "memory/2", "memory/2-full", "sockets"])
def test_all_pages_of_the_demos_can_be_read(corpus: Path, name: str) -> None:
    assert _found(corpus / "demo" / name, deep=True) == []


def test_archives_of_engines_are_whole(data: Path) -> None:
    for name in ("podman-4.3-app.tar.gz", "podman-5.8-loop.tar.zst"):
        rules = {rule for rule, _, _ in _found(data / "archives" / name, deep=True)}
        assert rules <= {"stale-images"}


def test_pages_that_a_parent_has_can_be_read_there(chain: tuple[Path, Path]) -> None:
    assert _found(chain[1], deep=True) == []


def test_a_parent_whose_pages_are_missing_is_found_only_when_they_are_read(chain: tuple[Path, Path]) -> None:
    parent, child = chain
    (parent / "pages-1.img").unlink()
    assert _found(child) == []
    (rule, file, message), *others = _found(child, deep=True)
    assert (rule, file, others) == ("parent-pages-readable", "pagemap-9834.img", [])
    assert message.startswith("can't be read: 1 page, the first at 0x55c60e026000: the pages image")


def test_a_parent_whose_pages_are_cut_is_found(chain: tuple[Path, Path]) -> None:
    parent, child = chain
    (parent / "pages-1.img").write_bytes(b"")
    assert [(rule, file) for rule, file, _ in _found(child, deep=True)] == [
        ("parent-pages-readable", "pagemap-9834.img")
    ]


def test_what_a_dump_does_not_want_of_its_parent_may_be_missing(chain: tuple[Path, Path]) -> None:
    parent, child = chain
    (parent / "pages-2.img").unlink()
    assert _found(child, deep=True) == []


class _Failing:
    """A file that can't be read from its second piece on, as of a broken disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, _size: int) -> bytes:
        raise OSError(5, "Input/output error")


def test_pages_that_the_disk_can_not_give_are_found(tree: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DirectoryTree.open

    def broken(self: DirectoryTree, name: str) -> Any:
        file = whole(self, name)
        return _Failing(file) if name == "pages-1.img" else file

    monkeypatch.setattr(DirectoryTree, "open", broken)
    found = tree.check(pages=True, deep=True)
    assert [(item.rule.id, item.file, item.message) for item in found] == [
        ("pages-readable", "pages-1.img", "Input/output error")
    ]
    assert tree.check(pages=True) == ()


@pytest.mark.parametrize(
    "name",
    ["iptables-10.img", "ifaddr-10.img", "route-10.img", "route6-10.img", "rule-10.img", "nftables-10.img"],
)
def test_a_raw_image_that_is_something_else_is_found(container: Any, name: str) -> None:
    assert (container.folder / name).exists()
    (container.folder / name).write_bytes(b"\0\xffnot this")
    assert _rules(container) == [("raw-formats", name)]
    assert container.check() == ()


def test_a_raw_image_may_be_empty(container: Any) -> None:
    (container.folder / "iptables-10.img").write_bytes(b"")
    assert _rules(container) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bytes.fromhex("14000000") + bytes(16), []),
        (bytes.fromhex("00000014") + bytes(16), []),
        (bytes.fromhex("15000000") + bytes(16), [("raw-formats", "netns-ct-10.img")]),
        (bytes.fromhex("00000000") + bytes(16), [("raw-formats", "netns-ct-10.img")]),
    ],
)
def test_netlink_messages_fill_their_file(
    container: Any, content: bytes, found: list[tuple[str, str]]
) -> None:
    (container.folder / "netns-ct-10.img").write_bytes(content)
    assert _rules(container) == found


def test_text_is_read_in_pieces(container: Any) -> None:
    text = "#" + "ä" * (1 << 19) + "\n"  # a letter lies across the border of the first piece
    (container.folder / "iptables-10.img").write_text(text, encoding="utf-8")
    assert _rules(container) == []
    (container.folder / "iptables-10.img").write_bytes(text.encode() + b"\xc3")
    assert _rules(container) == [("raw-formats", "iptables-10.img")]


def test_a_cut_archive_of_a_tmpfs_is_found(container: Any) -> None:
    path = container.folder / _TMPFS
    path.write_bytes(path.read_bytes()[:-20])
    assert _rules(container) == [("tmpfs-archives", _TMPFS)]
    assert container.check() == ()


def test_an_archive_that_is_damaged_below_its_compression_is_found(container: Any) -> None:
    path = container.folder / _TMPFS
    path.write_bytes(gzip.compress(b"X" + gzip.decompress(path.read_bytes())[1:]))
    assert _rules(container) == [("tmpfs-archives", _TMPFS)]


def test_an_archive_that_unpacks_to_far_too_much_is_refused(container: Any) -> None:
    (container.folder / _TMPFS).write_bytes(gzip.compress(bytes(65 << 20)))
    found = container.check(deep=True)
    assert [(item.rule.id, item.file) for item in found] == [("tmpfs-archives", _TMPFS)]
    assert "decompression bomb" in found[0].message


def test_the_rules_that_read_pages_are_left_out_without_pages(tree: Any) -> None:
    path = tree.folder / "pages-1.img"
    path.write_bytes(path.read_bytes()[:100])
    assert _rules(tree, pages=False) == []


def test_a_cut_pages_image_is_found_once_also_when_it_is_read(tree: Any) -> None:
    path = tree.folder / "pages-1.img"
    path.write_bytes(path.read_bytes()[:100])
    assert _rules(tree, pages=True) == [("pages-cut", "pages-1.img")]
