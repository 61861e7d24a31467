"""Search over memory beside its peers, in one run: throughput of each task and the ratio of their times.

    python benchmarks/memory.py [--runs 3] [--size 1024] [--folder DIR]

A pages file of ``--size`` MiB, half of it random, half text, pointers and zeros, is searched in one piece,
cached, in this process. Peers are ``grep -c -a``, a process of its own that counts lines, and a loop in
Python that reads page after page. Times are wall clock, the best of the runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.memory.pages import PagesFile
from dyncrit.checkpoint.search.patterns import Pattern, hex_pattern, regex_pattern, text_pattern
from dyncrit.checkpoint.search.searching import search
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.explore.strings import strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAGE = 4096
PLANTED = b"password=correct-horse"
LITERALS = ("th", "zxq", "pass", "password", "correct-horse-battery-staple", "\0\0\0\0\0\0\0Z")
EXPRESSIONS = (
    r"password=\w+",
    r"(?i)password",
    r"(GET|POST|PUT) /",
    r"[a-z]+@[a-z]+\.com",
    r"[0-9]{1,3}(\.[0-9]{1,3}){3}",
    r"[a-f0-9]{32}",
)


class Flat(Layer):
    """A pages file as memory from 0 on, in pieces of one size, ``gap`` bytes apart."""

    def __init__(self, pages: PagesFile, piece: int, gap: int = 0) -> None:
        self.pages, self.piece, self.step = pages, piece, piece + gap
        self.range = (0, pages.size // piece * self.step)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        for index in range(start // self.step, end // self.step):
            at = index * self.step
            yield Piece(at, at + self.piece, State.DATA, self.pages, index * self.piece)
            if self.step > self.piece:
                yield Piece(at + self.piece, at + self.step, State.HOLE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024, help="of the pages file, in MiB")
    parser.add_argument("--folder", type=Path, help="where the pages file is made and kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dyncrit-bench-") as scratch:
        folder = arguments.folder or Path(scratch)
        path = folder / "pages-1.img"
        make_pages(path, arguments.size << 20)
        _search(path, arguments.runs)


def _search(path: Path, runs: int) -> None:
    tree = DirectoryTree(path.parent)
    pages = PagesFile(tree, path.name)
    whole = Flat(pages, pages.size)
    table = _Table(pages.size, runs)
    for text in LITERALS:
        ours = table.time(_hits(whole, text_pattern(text)))
        grep = None if "\0" in text else table.time(_grep("-F", text, path))
        table.row(f"text {text!r}", ours, grep, table.time(lambda text=text: _loop(path, text.encode())))
    table.row("hex de ?? be ef", table.time(_hits(whole, hex_pattern("de ?? be ef"))))
    for expression in EXPRESSIONS:
        grep = table.time(_grep("-P", expression, path))
        for engine in ("re", "re2"):
            if engine == "re" or importlib.util.find_spec("re2"):
                ours = table.time(_hits(whole, regex_pattern(expression, engine=engine)))
                table.row(f"{engine} {expression}", ours, grep)
    for name, layer in (
        ("4 KiB pieces, adjoining", Flat(pages, PAGE)),
        ("4 KiB, apart", Flat(pages, PAGE, PAGE)),
    ):
        table.row(f"'password', {name}", table.time(_hits(layer, text_pattern("password"))))
    peer = table.time(lambda: _count(["strings", "-a", str(path)])) if shutil.which("strings") else None
    table.row("strings (peer strings -a)", table.time(lambda: _exhaust(strings(whole, [whole.range]))), peer)
    tree.close()


class _Table:
    """A line a task, with its times beside those of its peers."""

    def __init__(self, size: int, runs: int) -> None:
        self._size, self._runs = size, runs
        print(
            f"{'task':42} {'seconds':>8} {'GB/s':>7} {'hits':>9} {'grep':>8} {'pages':>8}   (ratios to ours)"
        )

    def time(self, task: Callable[[], int]) -> tuple[float, int]:
        """The best time of a task, and what it counts."""
        times = []
        count = 0
        for _ in range(self._runs):
            started = time.perf_counter()
            count = task()
            times.append(time.perf_counter() - started)
        return min(times), count

    def row(self, task: str, ours: tuple[float, int], *peers: tuple[float, int] | None) -> None:
        seconds, hits = ours
        ratios = "".join(f" {'':>8}" if peer is None else f" {peer[0] / seconds:7.2f}x" for peer in peers)
        print(f"{task:42} {seconds:8.3f} {self._size / seconds / 1e9:7.2f} {hits:9}{ratios}", flush=True)


def _hits(layer: Flat, pattern: Pattern) -> Callable[[], int]:
    return lambda: _exhaust(search(layer, [layer.range], pattern))


def _exhaust(found: Iterable[object]) -> int:
    return sum(1 for _ in found)


def _grep(kind: str, pattern: str, path: Path) -> Callable[[], int]:
    """Lines, not matches: grep has no count of those that is as quick."""
    command = ["env", "LC_ALL=C", "grep", "-c", "-a", kind, "-e", pattern, str(path)]
    return lambda: int(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)


def _count(command: list[str]) -> int:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return 0


def _loop(path: Path, needle: bytes) -> int:
    """What is written first: page by page, without those that lie across two."""
    hits = 0
    with path.open("rb") as file:
        while page := file.read(PAGE):
            at = page.find(needle)
            while at >= 0:
                hits += 1
                at = page.find(needle, at + len(needle))
    return hits


def make_pages(path: Path, size: int) -> None:
    """Write ``size`` bytes as memory has them, the same each time, unless they are there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size == size:
        return
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(2, 9))) for _ in range(2000)]
    makers = [rng.randbytes] * 5 + [lambda count: _text(rng, words, count)] * 2
    makers += [lambda count: _pointers(rng, count)] * 2 + [bytes]
    blocks = [b"".join([rng.choice(makers)(PAGE) for _ in range(1024)]) for _ in range(16)]
    with path.open("wb") as file:
        while file.tell() < size:
            block = bytearray(rng.choice(blocks))
            at = rng.randrange(len(block) - len(PLANTED))
            block[at : at + len(PLANTED)] = PLANTED
            file.write(block[: size - file.tell()])


def _text(rng: random.Random, words: list[str], size: int) -> bytes:
    return "\n".join(" ".join(rng.choices(words, k=10)) for _ in range(100)).encode()[:size].ljust(size)


def _pointers(rng: random.Random, size: int) -> bytes:
    return b"".join([(rng.getrandbits(30) | 0x7F << 40).to_bytes(8, "little") for _ in range(size // 8)])


if __name__ == "__main__":
    main()
