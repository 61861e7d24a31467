"""A path that stands for all below it, replaced by another; only whole components count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PATH = 4096
"""PATH_MAX of the kernel, in bytes, the zero at the end included."""


class PathPrefix(NamedTuple):
    """An absolute path and the one that takes its place; neither ends in a slash, but ``/`` itself.

    >>> prefix = PathPrefix.of("/srv/a/", "/data")
    >>> prefix.moved("/srv/a"), prefix.moved("/srv/a/b"), prefix.moved("/srv/ab")
    ('/data', '/data/b', None)
    """

    old: str
    new: str

    @classmethod
    def of(cls, old: str, new: str) -> PathPrefix:
        """Both as a person gives them.

        Raises DyncritError for one that isn't absolute or has . or .. in it, and if both are the same.
        """
        prefix = cls(_clean(old), _clean(new))
        if prefix.old == prefix.new:
            raise DyncritError(f"the old and the new path are the same: {prefix.old!r}")
        return prefix

    def moved(self, path: str) -> str | None:
        """Where a path is then; None if it isn't the old one or below it."""
        rest = below(path, self.old)
        return None if rest is None else join(self.new, rest)


class AbstractPrefix(NamedTuple):
    """An abstract name of unix sockets and the one that takes its place, without the @ in front.

    >>> AbstractPrefix.of("@/tmp/bus", "@bus").moved("/tmp/bus/1")
    'bus/1'
    """

    old: str
    new: str

    @classmethod
    def of(cls, old: str, new: str) -> AbstractPrefix:
        """Both as a person gives them, @NAME; raises DyncritError for others, and if both are the same."""
        if not (old.startswith("@") and new.startswith("@")):
            raise DyncritError(
                f"expected two paths, or two abstract names of sockets (@NAME), found {old!r} and {new!r}"
            )
        if old == new or "@" in {old, new}:
            raise DyncritError(f"expected two abstract names that differ, found {old!r} and {new!r}")
        for name in (old, new):
            _size(name, "a name")
        return cls(old[1:], new[1:])

    def moved(self, name: str) -> str | None:
        """What a name is then; None if it isn't the old one or below it."""
        rest = below(name, self.old)
        return None if rest is None else join(self.new, rest)


def parse_prefix(old: str, new: str) -> PathPrefix | AbstractPrefix:
    """Two paths, or two abstract names; raises DyncritError as their classes do."""
    is_abstract = old.startswith("@") or new.startswith("@")
    return AbstractPrefix.of(old, new) if is_abstract else PathPrefix.of(old, new)


def below(path: str, folder: str) -> str | None:
    """A path relative to a folder; "" for the folder itself, None if it isn't below it.

    >>> below("/a/b", "/a"), below("/a", "/a"), below("/ab", "/a"), below("/a", "/")
    ('b', '', None, 'a')
    """
    if path == folder:
        return ""
    start = folder if folder.endswith("/") else f"{folder}/"
    return path[len(start) :] if path.startswith(start) else None


def join(folder: str, rest: str) -> str:
    """A path below a folder, by what :func:`below` gives.

    >>> join("/a", "b"), join("/", "b"), join("/a", "")
    ('/a/b', '/b', '/a')
    """
    return f"{folder.rstrip('/')}/{rest}" if rest else folder


def ancestors(path: str) -> Iterator[str]:
    """An absolute path and the folders that it is in, the nearest first; nothing for one over PATH_MAX.

    >>> list(ancestors("/a/b"))
    ['/a/b', '/a', '/']
    """
    if len(path) > MAX_PATH:
        return
    while path not in {"", "/"}:
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def _clean(path: str) -> str:
    if not path.startswith("/"):
        raise DyncritError(f"expected an absolute path, found {path!r}")
    if "\0" in path:
        raise DyncritError(f"no path has a zero byte in it, as {path!r} has")
    parts = [part for part in path.split("/") if part]
    if {".", ".."} & set(parts):
        raise DyncritError(f"expected a path without . and .., found {path!r}")
    if _size(path, "a path") >= MAX_PATH:
        raise DyncritError(f"no path is as long as {len(path)} characters")
    return "/" + "/".join(parts)


def _size(text: str, what: str) -> int:
    """The bytes of a text; raises DyncritError for one that has none."""
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise DyncritError(f"{text!r} can't be {what}: it has characters that are none") from None
