"""Schemas out of a git repository's objects: no checkout, and nothing of it is run.

Only git's plumbing is called, with every transport forbidden, so that a repository of someone else's can
neither run a program nor fetch anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMEOUT = 300
_MAX_FILES = 2000
_MAX_FILE_SIZE = 4 << 20
_SCHEMA = re.compile(
    r"(?:images|protobuf)/(?:[^/]+/)*[^/]+\.proto|plugins/[^/]+/[^/]+\.proto"
    r"|criu/include/magic\.h|include/(?:magic|image)\.h|magic\.h|[^/]+\.proto"
)
_REGULAR = ("100644", "100755")

PATHS = (
    "images",
    "protobuf",
    "plugins",
    "criu/include/magic.h",
    "include/magic.h",
    "include/image.h",
    ":(glob)*.proto",
    "magic.h",
)
"""Where releases of any age have their schema (see dyncrit.schema.prototree)."""


class GitError(SchemaError):
    """A repository that git can't read, or a revision that isn't there."""


class Commit(NamedTuple):
    """A commit: its id, its parents' ids, the first line of its message, and the tags on it."""

    id: str
    parents: tuple[str, ...]
    subject: str
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        tags = f" ({', '.join(self.tags)})" if self.tags else ""
        return f"{self.id[:12]}{tags} {self.subject}"


class Blob(NamedTuple):
    """A file of a tree: its path, and the id of its content."""

    path: str
    id: str


@contextmanager
def schema_tree(repository: Path, revision: str) -> Iterator[Path]:
    """A folder with the files of CRIU's schema at a revision; it is gone when the block ends.

    Raises SchemaError where git, the repository, the revision or a schema in it is missing.
    """
    found = Repository(repository)
    blobs = found.schema_blobs(found.resolve(revision))
    if not blobs:
        raise SchemaError("no images/*.proto or protobuf/*.proto in it", f"{repository}: {revision}")
    with found.folder_of(blobs) as folder:
        yield folder


class Repository:
    """A git repository, bare or not, whose objects are read."""

    def __init__(self, folder: Path) -> None:
        """Raises GitError if there is no repository at ``folder``, or no git to read it."""
        self.folder = folder
        if not folder.is_dir():
            raise GitError("no such folder; expected a git repository", str(folder))
        self._git("rev-parse", "--git-dir")

    def resolve(self, revision: str) -> str:
        """The id of the commit that a revision names (``v4.2``, ``HEAD~3``), or GitError."""
        if not revision or revision.startswith("-"):
            raise GitError(f"no revision {revision!r}", str(self.folder))
        try:
            found = self._git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except GitError:
            raise GitError(f"no revision {revision!r} in the repository", str(self.folder)) from None
        return found.decode().split()[-1]

    def split_range(self, text: str) -> tuple[str, str]:
        """The commits at both ends of ``A..B``; B is HEAD if it isn't given. Raises GitError."""
        start, dots, end = text.partition("..")
        if not dots or not start or end.startswith("."):
            raise GitError(f"expected a range A..B, found {text!r}", str(self.folder))
        return self.resolve(start), self.resolve(end or "HEAD")

    def release_tags(self) -> list[str]:
        """The tags of CRIU's releases (``v4.2``), without candidates, the oldest version first."""
        tags = self._git("tag", "--list", "v*").decode("utf-8", "replace").split()
        found = [tag for tag in tags if re.fullmatch(r"v\d+(\.\d+){1,2}", tag)]
        return sorted(found, key=lambda tag: tuple(map(int, tag[1:].split("."))))

    def commit(self, identity: str) -> Commit:
        """A commit by its id."""
        return next(self._commits("-1", identity))

    def commits(self, start: str, end: str) -> list[Commit]:
        """The commits after ``start`` up to ``end`` that touch a schema, parents before children."""
        options = ("--topo-order", "--reverse", "--full-history")
        return list(self._commits(*options, f"{start}..{end}", "--", *PATHS))

    def schema_blobs(self, commit: str) -> tuple[Blob, ...]:
        """The files of a commit's tree that make up a schema."""
        listing = self._git("ls-tree", "-r", "-z", "--full-tree", commit)
        found = []
        for row in listing.split(b"\0"):
            facts, _, name = row.partition(b"\t")
            path = os.fsdecode(name)
            if not path or not _SCHEMA.fullmatch(path) or ".." in PurePosixPath(path).parts:
                continue
            mode, _, identity = facts.decode().split()
            if mode in _REGULAR:
                found.append(Blob(path, identity))
        if len(found) > _MAX_FILES:
            raise GitError(f"more files than a schema has ({_MAX_FILES})", str(self.folder), commit[:12])
        return tuple(found)

    @contextmanager
    def folder_of(self, blobs: Sequence[Blob]) -> Iterator[Path]:
        """A temporary folder with these files, which is gone when the block ends."""
        with tempfile.TemporaryDirectory(prefix="dyncrit-git-") as work:
            for blob, content in zip(blobs, self._contents(blobs), strict=True):
                path = Path(work, blob.path)
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                except OSError as error:
                    problem = f"can't be written as a file: {error.strerror}"
                    raise GitError(problem, str(self.folder), blob.path[:200]) from error
            yield Path(work)

    def _commits(self, *arguments: str) -> Iterator[Commit]:
        log = self._git("log", "--no-show-signature", "--no-color", "-z", "--format=%H%n%P%n%s", *arguments)
        tags = self._tags()
        for record in log.decode("utf-8", "replace").split("\0"):
            if record:
                identity, parents, subject = record.split("\n", 2)
                yield Commit(identity, tuple(parents.split()), subject.strip(), tags.get(identity, ()))

    def _tags(self) -> dict[str, tuple[str, ...]]:
        """The tags on each commit."""
        listing = self._git(
            "for-each-ref", "--format=%(objectname) %(*objectname) %(refname:strip=2)", "refs/tags"
        )
        found: dict[str, tuple[str, ...]] = {}
        for line in listing.decode("utf-8", "replace").splitlines():
            tag, commit, name = line.split(" ", 2)
            identity = commit or tag
            found[identity] = (*found.get(identity, ()), name)
        return found

    def _contents(self, blobs: Sequence[Blob]) -> Iterator[bytes]:
        sizes = "".join(f"{blob.id}\n" for blob in blobs).encode()
        for line, blob in zip(
            self._git("cat-file", "--batch-check=%(objectsize)", stdin=sizes).split(b"\n"),
            blobs,
            strict=False,
        ):
            if not line.isdigit() or int(line) > _MAX_FILE_SIZE:
                raise GitError(
                    f"{blob.path}: not there, or over {_MAX_FILE_SIZE >> 20} MiB", str(self.folder)
                )
        data, position = self._git("cat-file", "--batch", stdin=sizes), 0
        for _ in blobs:
            end = data.index(b"\n", position)
            size = int(data[position:end].split()[2])
            yield data[end + 1 : end + 1 + size]
            position = end + 2 + size

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        command = ["git", "--no-pager", "-C", str(self.folder.absolute()), *arguments]
        try:
            result = subprocess.run(  # noqa: S603 (no shell, and no argument that git takes for an option)
                command, input=stdin, capture_output=True, env=environment, timeout=_TIMEOUT, check=False
            )
        except FileNotFoundError as error:
            raise GitError(
                "git is not installed; it reads the repository's objects", str(self.folder)
            ) from error
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]} took over {_TIMEOUT} s", str(self.folder)) from error
        if result.returncode:
            problem = " ".join(result.stderr.decode("utf-8", "replace").split()).removeprefix("fatal: ")
            raise GitError(problem[:300] or f"git {arguments[0]} failed", str(self.folder))
        return result.stdout
