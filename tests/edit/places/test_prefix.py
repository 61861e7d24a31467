"""Prefixes of paths: whole components, and what is refused."""

from __future__ import annotations

import pytest

from dyncrit.edit.places.prefix import (
    MAX_PATH,
    AbstractPrefix,
    PathPrefix,
    ancestors,
    below,
    join,
    parse_prefix,
)
from dyncrit.errors import DyncritError


@pytest.mark.parametrize(
    ("old", "new", "path", "moved"),
    [
        ("/srv/a", "/data", "/srv/a", "/data"),
        ("/srv/a", "/data", "/srv/a/b/c", "/data/b/c"),
        ("/srv/a", "/data", "/srv/ab", None),
        ("/srv/a", "/data", "/srv", None),
        ("/srv/a", "/data", "srv/a", None),
        ("/srv/a", "/data", "", None),
        ("/srv//a/", "/data/", "/srv/a/x", "/data/x"),
        ("/", "/jail", "/srv", "/jail/srv"),
        ("/", "/jail", "/", "/jail"),
        ("/jail", "/", "/jail/srv", "/srv"),
        ("/jail", "/", "/jail", "/"),
        ("/a", "/a/b", "/a/b", "/a/b/b"),
        ("/a\udcff", "/b", "/a\udcff/x\udcfe", "/b/x\udcfe"),
    ],
)
def test_only_whole_components_move(old: str, new: str, path: str, moved: str | None) -> None:
    assert PathPrefix.of(old, new).moved(path) == moved


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("srv", "/a", "absolute"),
        ("/a", "", "absolute"),
        ("/a", "/a/../b", "without . and .."),
        ("/a", "/a/", "the same"),
        ("/a\0", "/b", "zero byte"),
        ("/a", "/" + "b" * MAX_PATH, "as long as"),
        ("@a", "/b", "two abstract names"),
        ("/a", "@b", "two abstract names"),
        ("@a", "@a", "differ"),
        ("@", "@a", "differ"),
        ("/a", "/\ud800", "characters that are none"),
        ("/\ud800", "/a", "characters that are none"),
        ("@a", "@\ud800", "characters that are none"),
    ],
)
def test_what_is_no_pair_of_paths_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises(DyncritError, match=problem):
        parse_prefix(old, new)


def test_abstract_names_are_told_from_paths() -> None:
    assert parse_prefix("@bus", "@other") == AbstractPrefix("bus", "other")
    assert parse_prefix("/bus", "/other") == PathPrefix("/bus", "/other")


def test_below_and_join_are_each_others_inverse() -> None:
    for path, folder in (("/a/b", "/a"), ("/a", "/a"), ("/a/b", "/"), ("/", "/")):
        rest = below(path, folder)
        assert rest is not None
        assert join(folder, rest) == path


def test_ancestors_end_at_the_root_and_leave_out_what_is_no_path() -> None:
    assert list(ancestors("/a/b/c")) == ["/a/b/c", "/a/b", "/a", "/"]
    assert list(ancestors("/")) == ["/"]
    assert list(ancestors("/a" * MAX_PATH)) == []
