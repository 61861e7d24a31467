"""Rules that read the pages: those of the checkpoint, and those that it wants of its parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.memory.runs import count_pages, pagemaps
from dyncrit.errors import DyncritError
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context
    from dyncrit.check.memory.runs import Pagemaps, Runs
    from dyncrit.checkpoint.memory.layer import Piece
    from dyncrit.checkpoint.storage.tree import FileTree

READABLE = Rule(
    "pages-readable",
    "error",
    "all bytes of the pages images can be read",
    "A restore stops where the file can't be read.",
)
PARENTS = Rule(
    "parent-pages-readable",
    "error",
    "the pages that are in parents can be read there",
    "A restore stops at the first page that its parent can't give.",
)
_PIECE = 1 << 20


def _readable(context: Context) -> Iterator[Finding]:
    for number in context.images.numbers("pages"):
        name = f"pages-{number}.img"
        if problem := _read_through(context.images.tree, name):
            yield Finding.of(READABLE, problem, name)


def _parents(context: Context) -> Iterator[Finding]:
    found = pagemaps(context)
    trees = [checkpoint.images.tree for checkpoint in found.chain]
    read: dict[tuple[int, str], str] = {}
    for runs in found.own():
        count, first = 0, ""
        for level, piece in _pieces(found, runs):
            problem = piece.reason
            if piece.pages is not None:
                name = piece.pages.name.rpartition("/")[2]
                if (level, name) not in read:
                    read[level, name] = _read_through(trees[level], name)
                problem = read[level, name]
            if problem:
                count += piece.size // found.page_size
                first = first or f"{piece.start:#x}: {problem}"
        if count:
            yield Finding.of(PARENTS, f"can't be read: {count_pages(count)}, the first at {first}", runs.name)


def _pieces(found: Pagemaps, runs: Runs) -> Iterator[tuple[int, Piece]]:
    """Where the pages stand that are in parents, each with the level of its parent."""
    for level, start, end in found.wanted(runs) if runs.in_parent else ():
        layer = found.chain[level].spaces.pagemap(runs.name, found.page_size)
        if layer is not None:
            yield from ((level, piece) for piece in layer.pieces(start, end))


def _read_through(tree: FileTree, name: str) -> str:
    """Read a file from its beginning to its end; says what is wrong if that can't be done."""
    try:
        wanted = tree.size(name)
        with tree.open(name) as file:
            read = 0
            while piece := file.read(_PIECE):
                read += len(piece)
    except OSError as error:
        return error.strerror or str(error)
    except DyncritError as error:
        return error.problem
    return "" if read >= wanted else f"{read} of its {wanted} bytes can be read"


CHECKS: tuple[Check, ...] = (
    Check(READABLE, _readable, needs_pages=True, needs_depth=True),
    Check(PARENTS, _parents, needs_pages=True, needs_depth=True),
)
