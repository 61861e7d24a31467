"""Directories as trees: what is in them, and what stays out."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import ImageError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "dump"
    folder.mkdir()
    return folder


def test_names_and_folders_are_sorted_and_told_apart(folder):
    for name in ("b", "a", "c.img"):
        (folder / name).write_bytes(b"x")
    (folder / "checkpoint.img").mkdir()
    tree = DirectoryTree(folder)
    assert (tree.names(), tree.folders()) == (["a", "b", "c.img"], ["checkpoint.img"])
    assert "checkpoint.img" not in tree
    assert "a" in tree


def test_a_folder_is_no_file_and_a_file_no_folder(folder):
    (folder / "core-1.img").mkdir()
    (folder / "file").write_bytes(b"x")
    tree = DirectoryTree(folder)
    for method in (tree.open, tree.size, tree.view):
        with pytest.raises(FileNotFoundError):
            method("core-1.img")
    with pytest.raises(FileNotFoundError):
        tree.folder("file")


@pytest.mark.parametrize("name", ["..", ".", "../secret", "/etc/passwd", "", "sub/file", "a\0b"])
def test_only_names_that_are_listed_can_be_opened(folder, name):
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_bytes(b"x")
    tree = DirectoryTree(folder)
    for method in (tree.open, tree.size, tree.view, tree.folder):
        with pytest.raises((FileNotFoundError, ImageError)):
            method(name)


def test_links_within_the_directory_are_followed(folder):
    (folder / "real").write_bytes(b"content")
    (folder / "sub").mkdir()
    (folder / "sub" / "deep").write_bytes(b"deep")
    (folder / "near").symlink_to("real")
    (folder / "far").symlink_to("sub/deep")
    tree = DirectoryTree(folder)
    assert tree.names() == ["far", "near", "real"]
    assert bytes(tree.view("near")) == b"content"
    assert tree.open("far").read() == b"deep"
    assert tree.size("near") == 7


def test_links_of_a_subfolder_may_lead_up_to_the_root(folder):
    (folder / "real").write_bytes(b"content")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("../real")
    assert bytes(DirectoryTree(folder).folder("sub").view("up")) == b"content"


def test_links_out_are_not_listed_and_opening_one_says_where_it_leads(folder):
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "absolute").symlink_to(folder.parent / "secret")
    (folder / "relative").symlink_to("../secret")
    (folder / "twice").symlink_to("relative")
    tree = DirectoryTree(folder)
    assert tree.names() == []
    for name in ("absolute", "relative", "twice"):
        for method in (tree.open, tree.size, tree.view):
            with pytest.raises(ImageError, match="link out of the directory"):
                method(name)


def test_folders_that_are_links_out_are_not_listed(folder):
    (folder / "out").symlink_to(folder.parent)
    assert DirectoryTree(folder).folders() == []


def test_dangling_links_are_not_there(folder):
    (folder / "gone").symlink_to("nothing")
    tree = DirectoryTree(folder)
    assert tree.names() == []
    with pytest.raises(FileNotFoundError):
        tree.open("gone")


def test_links_in_a_circle_are_not_there(folder):
    (folder / "self").symlink_to("self")
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    tree = DirectoryTree(folder)
    assert tree.names() == tree.folders() == []
    with pytest.raises((FileNotFoundError, ImageError)):
        tree.open("self")


def test_what_is_no_regular_file_is_not_opened(folder):
    os.mkfifo(folder / "fifo.img")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket.img"))
        (folder / "link.img").symlink_to("fifo.img")
        (folder / "null.img").symlink_to("/dev/null")
        tree = DirectoryTree(folder)
        assert tree.names() == []
        for name in ("fifo.img", "socket.img", "link.img", "null.img"):
            with pytest.raises((FileNotFoundError, ImageError)):
                tree.open(name)


def test_a_file_that_becomes_a_fifo_is_refused_without_waiting(folder):
    (folder / "core-1.img").write_bytes(b"x")
    tree = DirectoryTree(folder)
    (folder / "core-1.img").unlink()
    os.mkfifo(folder / "core-1.img")
    with pytest.raises(ImageError, match="no regular file"):
        tree.open("core-1.img")


def test_names_with_newlines_and_other_bytes_are_names_like_others(folder):
    names = [b"new\nline", b"\xff\xfe", "ä".encode()]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)
    tree = DirectoryTree(folder)
    assert sorted(map(os.fsencode, tree.names())) == sorted(names)
    assert all(bytes(tree.view(name)) == os.fsencode(name) for name in tree.names())


def test_an_empty_file_has_an_empty_view(folder):
    (folder / "empty").write_bytes(b"")
    tree = DirectoryTree(folder)
    assert (bytes(tree.view("empty")), tree.size("empty")) == (b"", 0)


def test_more_views_than_are_kept_open_stay_valid(folder):
    for number in range(200):
        (folder / f"f{number}").write_bytes(str(number).encode())
    tree = DirectoryTree(folder)
    views = {name: tree.view(name) for name in tree.names()}
    assert all(bytes(view) == name[1:].encode() for name, view in views.items())
    assert all(bytes(tree.view(name)) == bytes(view) for name, view in views.items())


def test_views_outlive_the_tree(folder):
    (folder / "file").write_bytes(b"content")
    tree = DirectoryTree(folder)
    view = tree.view("file")
    tree.close()
    assert bytes(view) == b"content"


def test_views_are_read_only(folder):
    (folder / "file").write_bytes(b"content")
    assert DirectoryTree(folder).view("file").readonly


def test_a_link_tells_its_text_and_is_not_followed(folder):
    (folder / "parent").symlink_to("../1")
    assert DirectoryTree(folder).link("parent") == "../1"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"../1", "../1"),
        (b"../1\n", "../1"),
        (b"../\xff", "../\udcff"),
        (b"", None),
        (b"\n", None),
        (b"../1\nmore", None),
        (b"../1\0", None),
        (b"x" * 5000, None),
    ],
)
def test_a_file_of_one_short_line_stands_for_a_link(folder, content, text):
    (folder / "parent").write_bytes(content)
    assert DirectoryTree(folder).link("parent") == text


def test_what_is_no_link_has_no_text(folder):
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    tree = DirectoryTree(folder)
    assert [tree.link(name) for name in ("folder", "fifo", "nothing")] == [None, None, None]


def test_a_link_leads_to_a_folder_beside_this_one(folder):
    (folder.parent / "1").mkdir()
    (folder.parent / "1" / "file").write_bytes(b"x")
    tree = DirectoryTree(folder).linked_folder("../1")
    assert tree.names() == ["file"]
    assert tree.identity == DirectoryTree(folder.parent / "1").identity
    assert str(tree.directory) == str(folder.parent / "1")


def test_a_link_is_read_from_where_the_directory_really_is(folder, tmp_path):
    (tmp_path / "chain" / "1").mkdir(parents=True)
    (tmp_path / "chain" / "1" / "right").write_bytes(b"x")
    (tmp_path / "chain" / "2").mkdir()
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "wrong").write_bytes(b"x")
    (tmp_path / "latest").symlink_to("chain/2")
    assert DirectoryTree(tmp_path / "latest").linked_folder("../1").names() == ["right"]


@pytest.mark.parametrize("link", ["../nothing", "file", "x" * 3000, "loop"])
def test_a_link_to_no_folder_is_an_error_of_the_system(folder, link):
    (folder / "file").write_bytes(b"x")
    (folder / "loop").symlink_to("loop") if link == "loop" else None
    with pytest.raises(OSError, match=re.escape(link[:20])):
        DirectoryTree(folder).linked_folder(link)


def test_identity_is_the_folders_whatever_its_path(folder):
    (folder.parent / "alias").symlink_to("dump")
    assert DirectoryTree(folder).identity == DirectoryTree(folder.parent / "alias").identity
    assert DirectoryTree(folder).identity != DirectoryTree(folder.parent).identity


def test_errors_call_files_by_their_whole_path(folder):
    tree = DirectoryTree(folder)
    assert tree.path("core-1.img") == f"{folder}/core-1.img"


@pytest.fixture
def as_nobody():
    """A block within which nothing is allowed that an ordinary user may not do."""

    @contextmanager
    def block():
        if os.geteuid():
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return block


def test_a_file_that_may_not_be_read_is_a_permission_error(as_nobody):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secret").write_bytes(b"x")
        (folder / "secret").chmod(0)
        with as_nobody():
            tree = DirectoryTree(folder)
            assert (tree.names(), tree.size("secret")) == (["secret"], 1)
            for method in (tree.open, tree.view):
                with pytest.raises(PermissionError, match="secret"):
                    method("secret")
