"""Whole checkpoints: dyncrit beside CRIT and checkpointctl in one run, and how its times grow with the input.

    python benchmarks/checkpoints.py [--runs 3] [--quick] [--only library|rss|startup|archives|checkpointctl]
        [--crit CRIT] [--checkpointctl CHECKPOINTCTL] [--archive FILE] [--folder DIR]

CRIT is by default Debian sid's, which ../shared/tools/get-criu fetches: older ones can't read today's
pagemaps. checkpointctl is trixie's, from get_checkpointctl.sh; it reads a container of CRIU up to 4.1 only,
by default one of ../shared/corpus. Times are whole processes in turn, wall clock, the median of the runs;
memory is the largest of a process's runs, pages of mapped files included, and never less than the 20 MiB
of this one. Ratios over 1 are in dyncrit's favour. ``--quick`` takes an eighth of each size and one run.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from compare import Measured
from inputs import BASE, PAGE, PAGEMAP_ENTRIES, SPLIT, VMAS, compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parent
_SHARED = _REPOSITORY.parent / "shared"
_CONTAINER = _SHARED / "corpus/archives/podman-4.3-app-criu-4.1.1.tar.gz"
_SMALL = _REPOSITORY / "tests/data/demo/sockets"
_PID = 9860
_READS = 10_000
_PLANTED = "password=correct-horse"
_MEBIBYTE = 1 << 20

_Command = list[str | Path]


class Settings(NamedTuple):
    """What the user chose. Sizes are divided by ``divisor``."""

    folder: Path
    runs: int
    divisor: int
    crit: str | None
    checkpointctl: str | None
    archive: Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="an eighth of each size, one run")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="may be given again")
    parser.add_argument("--crit", help="CRIT to compare with")
    parser.add_argument("--checkpointctl", help="checkpointctl to compare with")
    parser.add_argument("--archive", type=Path, default=_CONTAINER, help="a container of CRIU up to 4.1")
    parser.add_argument("--folder", type=Path, help="where the inputs are made and kept (4 GB)")
    arguments = parser.parse_args()
    runs, divisor = (1, 8) if arguments.quick else (arguments.runs, 1)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, both sides compile themselves at every start
    with tempfile.TemporaryDirectory(prefix="dyncrit-bench-") as scratch:
        os.environ["PYTHONPYCACHEPREFIX"] = scratch
        folder = (arguments.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(folder, runs, divisor, arguments.crit, arguments.checkpointctl, arguments.archive)
        for name in arguments.only or BENCHMARKS:
            started = time.perf_counter()
            BENCHMARKS[name](settings)
            print(f"({name}: {time.perf_counter() - started:.0f} s, inputs included)\n", flush=True)


def _library(settings: Settings) -> None:
    """Open a process and read in it, at sizes ten times apart."""
    print(
        f"{'a process of':>20} {'open':>9} {'read 8 B':>10} {'p99':>10} {'read cold':>10}   {'peak MiB':>8}"
    )
    sizes = [PAGEMAP_ENTRIES // settings.divisor // factor for factor in (100, 10, 1)]
    folders = {entries: _process(settings, entries) for entries in sizes}
    found: dict[int, list[dict[str, float]]] = {entries: [] for entries in sizes}
    for _ in range(settings.runs):
        for entries, folder in folders.items():
            call = f"measure_reads(Path({str(folder)!r}), {entries})"
            found[entries].append(
                json.loads(_in_child(f"from checkpoints import measure_reads; print({call})"))
            )
    for entries, results in found.items():
        middle = {key: statistics.median(result[key] for result in results) for key in results[0]}
        print(
            f"{entries:12,} entries {middle['open']:7.3f} s {middle['median'] * 1e6:7.2f} us "
            f"{middle['p99'] * 1e6:7.2f} us {middle['cold'] * 1e6:7.2f} us   {middle['peak']:8.1f}"
        )
    whole = folders[sizes[-1]]
    read = Measured()
    for _ in range(settings.runs):
        read.run(_dyncrit("memory", "read", whole, f"{BASE + 2 * PAGE:x}", 8))
    print(f"dyncrit memory read of 8 bytes there: {read.median:.3f} s, {read.peak_kib / 1024:.1f} MiB")


def measure_reads(folder: Path, entries: int) -> str:
    """Seconds to open a process's memory and to read 8 bytes of it, before and after it was touched."""
    from dyncrit import open_checkpoint

    started = time.perf_counter()
    checkpoint = open_checkpoint(folder)
    memory = checkpoint.processes[_PID].memory
    opened = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before pages are mapped
    rng = random.Random(1)
    addresses = [BASE + rng.randrange(entries) * 2 * PAGE + rng.randrange(PAGE - 8) for _ in range(_READS)]
    cold, warm = (_time_reads(memory, addresses) for _ in range(2))
    return json.dumps(
        {
            "open": opened,
            "cold": statistics.median(cold),
            "median": statistics.median(warm),
            "p99": statistics.quantiles(warm, n=100)[98],
            "peak": peak,
        }
    )


def _time_reads(memory: Any, addresses: Iterable[int]) -> list[float]:
    times = []
    for address in addresses:
        started = time.perf_counter()
        memory.read(address, 8)
        times.append(time.perf_counter() - started)
    return times


def _rss(settings: Settings) -> None:
    """The longest of CRIT's views, at a size and at half of it."""
    crit = _crit(settings)
    table = _Table("CRIT", settings.runs)
    medians = []
    for divisor in (100, 2, 1):
        entries = PAGEMAP_ENTRIES // settings.divisor // divisor
        folder = _process(settings, entries)
        commands = _dyncrit("x", folder, "rss"), [crit, "x", folder, "rss"]
        if divisor == 100:
            if not _same_output(settings.folder, *commands):
                raise SystemExit("x rss: not the text of CRIT")
            continue
        medians.append(table.row(f"x rss, {entries:,} entries", *commands))
    ours, theirs = (whole / half for half, whole in zip(*medians, strict=True))
    print(f"twice the entries take {ours:.2f} times as long (CRIT: {theirs:.2f})")


def _startup(settings: Settings) -> None:
    """Views of one small process: little but the start of the interpreter."""
    crit = _crit(settings)
    table = _Table("CRIT", max(settings.runs, 5), warm=True)
    for view in ("ps", "fds", "mems", "rss"):
        table.row(f"x {view}, small", _dyncrit("x", _SMALL, view), [crit, "x", _SMALL, view])


def _archives(settings: Settings) -> None:
    """A plain tar file in place, and the same compressed, which is unpacked once; peers only unpack."""
    size = 1024 * _MEBIBYTE // settings.divisor
    plain = _archive(settings, size)
    peers: Mapping[str, _Command] = {
        "": ["tar", "-xOf"],
        ".zst": ["zstd", "-q", "-dc"],
        ".gz": ["gzip", "-dc"],
    }
    table = _Table("unpacked", settings.runs, "tar, zstd, gzip: all of it to nowhere")
    for suffix, peer in peers.items():
        path = compress(plain, suffix) if suffix else plain
        table.row(
            f"read 8 B, {size // _MEBIBYTE} MiB .tar{suffix}",
            _dyncrit("memory", "read", path, f"{BASE:x}", 8),
            [*peer, path],
        )
        call = f"print(open_checkpoint({str(path)!r}).location.root.unpacked)"
        unpacked = int(_in_child(f"from dyncrit import open_checkpoint; {call}"))
        print(f"{'':34} {unpacked / _MEBIBYTE:.0f} MiB of temporary space", flush=True)


def _checkpointctl(settings: Settings) -> None:
    """checkpointctl unpacks all that it needs of an archive for every command."""
    peer = settings.checkpointctl or _run([_HERE / "get_checkpointctl.sh", settings.folder / "checkpointctl"])
    table = _Table("checkpointctl", settings.runs, warm=True)
    small = _require(settings.archive)
    table.row("inspect (show), small", _dyncrit("inspect", small), [peer, "show", small])
    table.row("inspect (inspect), small", _dyncrit("inspect", small), [peer, "inspect", "--all", small])
    table.row("memory maps (memparse), small", _dyncrit("memory", "maps", small), [peer, "memparse", small])
    middle = compress(_archive(settings, 16 * _MEBIBYTE), ".gz")
    run = SPLIT * PAGE
    table.row(
        f"hexdump of {run // _MEBIBYTE} MiB of 16",
        _dyncrit("memory", "read", middle, f"{BASE:x}", run),
        [peer, "memparse", "-p", "1", middle],
        "peer: all of it, it has no ranges",
    )
    size = 256 * _MEBIBYTE // settings.divisor
    plain = _archive(settings, size)
    label = f"{size // _MEBIBYTE} MiB"
    for path, form in ((compress(plain, ".gz"), ".tar.gz"), (plain, ".tar")):
        table.row(f"inspect, {label} {form}", _dyncrit("inspect", path), [peer, "inspect", "--all", path])
        table.row(
            f"search text, {label} {form}",
            _dyncrit("memory", "search", path, _PLANTED),
            [peer, "memparse", "-p", "1", "-s", _PLANTED, path],
        )
    table.row(
        f"search regex, {label} .tar",
        _dyncrit("memory", "search", plain, r"password=\w+", "--regex"),
        [peer, "memparse", "-p", "1", "-r", r"password=\w+", plain],
    )


BENCHMARKS = {
    "library": _library,
    "rss": _rss,
    "startup": _startup,
    "archives": _archives,
    "checkpointctl": _checkpointctl,
}


class _Table:
    """A line a task: dyncrit's time beside its peer's."""

    def __init__(self, peer: str, runs: int, note: str = "", *, warm: bool = False) -> None:
        """``warm`` runs each command once before it is measured."""
        self._runs = runs
        self._warm = warm
        print(f"{'task':34} {'dyncrit':>9} {peer:>13} {'ratio':>8}   {'peak MiB':>8} {'peer':>7}   {note}")

    def row(
        self, task: str, ours: Sequence[str | Path], theirs: Sequence[str | Path], note: str = ""
    ) -> tuple[float, float]:
        us, them = Measured(), Measured()
        if self._warm:
            Measured().run([str(part) for part in theirs])
            Measured().run([str(part) for part in ours])
        for _ in range(self._runs):
            them.run([str(part) for part in theirs])
            us.run([str(part) for part in ours])
        ratio = statistics.median(b / a for a, b in zip(us.seconds, them.seconds, strict=True))
        print(
            f"{task:34} {us.median:7.3f} s {them.median:11.3f} s {ratio:7.2f}x   "
            f"{us.peak_kib / 1024:8.1f} {them.peak_kib / 1024:7.1f}   {note}",
            flush=True,
        )
        return us.median, them.median


def _process(settings: Settings, entries: int) -> Path:
    folder = settings.folder / f"process-{entries}"
    vmas = entries * VMAS // PAGEMAP_ENTRIES
    _in_child(f"from inputs import make_process; make_process(Path({str(folder)!r}), {entries}, {vmas})")
    return folder


def _archive(settings: Settings, size: int) -> Path:
    path = settings.folder / f"container-{size // _MEBIBYTE}.tar"
    source = str(_require(settings.archive).resolve())
    _in_child(f"from inputs import make_archive; make_archive(Path({str(path)!r}), Path({source!r}), {size})")
    return path


def _in_child(code: str) -> str:
    """What a process of its own prints: a child's peak memory begins with its parent's."""
    return _run([sys.executable, "-c", f"from pathlib import Path; {code}"])


def _run(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, check=True, cwd=_HERE, stdout=subprocess.PIPE, text=True).stdout.strip()


def _same_output(folder: Path, *commands: Sequence[str | Path]) -> bool:
    outputs = [folder / f"output-{index}" for index in range(len(commands))]
    try:
        for path, command in zip(outputs, commands, strict=True):
            with path.open("wb") as file:
                subprocess.run([os.fspath(part) for part in command], stdout=file, check=True)
        return filecmp.cmp(*outputs, shallow=False)
    finally:
        for path in outputs:
            path.unlink(missing_ok=True)


def _dyncrit(*arguments: str | int | Path) -> list[str]:
    return [sys.executable, "-m", "dyncrit", *map(str, arguments)]


def _crit(settings: Settings) -> str:
    if settings.crit:
        return settings.crit
    tool = _require(_SHARED / "tools/get-criu")
    _run([tool, "sid", settings.folder / "criu"])
    return str(settings.folder / "criu/bin/crit")


def _require(path: Path) -> Path:
    if not path.exists():
        raise SystemExit(f"{path}: not there; see --help for options that name another")
    return path


if __name__ == "__main__":
    main()
