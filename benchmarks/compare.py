"""dyncrit beside CRIT, in one run: each task with both, in turn, and the ratio of their times.

    python benchmarks/compare.py [--runs 5] [--crit CRIT] [--folder DIR]

CRIT is by default Debian trixie's, which ../shared/tools/get-criu fetches. Times are whole processes, wall
clock, the median of the runs; memory is the largest of a process's runs.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]
_CORE = _REPOSITORY / "tests/data/demo/tree/core-9834.img"
_GHOST_SIZE = 4 << 30
INPUTS = ("pagemap", "mm", "files")


@dataclass
class Measured:
    """The runs of one command."""

    seconds: list[float] = field(default_factory=list)
    peak_kib: int = 0

    def run(self, command: list[str]) -> None:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - started)
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--crit", help="CRIT to compare with")
    parser.add_argument("--folder", type=Path, help="where the inputs are made and kept (1 GB)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dyncrit-bench-") as scratch:
        folder = arguments.folder or Path(scratch)
        crit = arguments.crit or _fetch_crit(folder)
        _beside_crit(folder, crit, arguments.runs)
        _alone(folder, arguments.runs)


def _beside_crit(folder: Path, crit: str, runs: int) -> None:
    inputs = {**_make_inputs(folder), "core": _CORE}
    print(f"{'task':24} {'dyncrit':>9} {'CRIT':>9} {'ratio':>7}   {'peak MiB':>8} {'CRIT':>6}")
    for name, image in inputs.items():
        document, back, crit_document, crit_back = (
            folder / f"{name}.{suffix}" for suffix in ("json", "out", "crit.json", "crit.out")
        )
        decode = _dyncrit("decode", image, document), _crit(crit, "decode", image, crit_document)
        encode = _dyncrit("encode", document, back), _crit(crit, "encode", crit_document, crit_back)
        _compare(f"decode {name}", runs, *decode)
        _compare(f"encode {name}", runs, *encode)
        if not filecmp.cmp(back, image, shallow=False):
            raise SystemExit(f"{name}: what was encoded is not what was decoded")


def _alone(folder: Path, runs: int) -> None:
    ghost, document, back = folder / "ghost.img", folder / "ghost.json", folder / "ghost.out"
    _in_child(f"make_ghost(Path({str(ghost)!r}), {_GHOST_SIZE})")
    print("\nwithout CRIT, which holds images in memory as a whole:")
    for verb, source, target in (("decode", ghost, document), ("encode", document, back)):
        measured = Measured()
        measured.run(_dyncrit(verb, source, target))
        print(f"{verb} a 4 GiB ghost file   {measured.median:8.2f} s {measured.peak_kib / 1024:8.1f} MiB")
    for path in (ghost, document, back):
        path.unlink()
    one, thirty = folder / "one", folder / "thirty"
    for directory, count in ((one, 1), (thirty, 30)):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for index in range(count):
            shutil.copy(_CORE, directory / f"core-{index + 1}.img")
    times = {count: Measured() for count in (1, 30)}
    for _ in range(runs):
        for count, directory in ((1, one), (30, thirty)):
            times[count].run(
                [sys.executable, "-m", "dyncrit", "decode", str(directory), "-o", str(folder / "json")]
            )
    print(
        f"a directory of 30 images takes {times[30].median / times[1].median:.2f} times as long as one of 1"
    )


def _compare(task: str, runs: int, ours: list[str], theirs: list[str]) -> None:
    us, them = Measured(), Measured()
    for _ in range(runs):
        them.run(theirs)
        us.run(ours)
    ratio = statistics.median(b / a for a, b in zip(us.seconds, them.seconds, strict=True))
    print(
        f"{task:24} {us.median:7.3f} s {them.median:7.3f} s {ratio:6.1f}x   "
        f"{us.peak_kib / 1024:8.1f} {them.peak_kib / 1024:6.1f}",
        flush=True,
    )


def _make_inputs(folder: Path) -> dict[str, Path]:
    _in_child(f"make_inputs(Path({str(folder)!r}))")
    return {name: folder / f"{name}.img" for name in INPUTS}


def _in_child(call: str) -> None:
    """Make inputs in a process of their own: a child's peak memory begins with its parent's."""
    code = f"from pathlib import Path; from inputs import make_ghost, make_inputs; {call}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def _dyncrit(verb: str, source: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "dyncrit", verb, "-i", str(source), "-o", str(target)]


def _crit(crit: str, verb: str, source: Path, target: Path) -> list[str]:
    return [crit, verb, "-i", str(source), "-o", str(target)]


def _fetch_crit(folder: Path) -> str:
    tool = _REPOSITORY.parent / "shared/tools/get-criu"
    if not tool.exists():
        raise SystemExit("no CRIT to compare with: name one with --crit")
    subprocess.run(
        [tool, "trixie", folder / "criu"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return str(folder / "criu/bin/crit")


if __name__ == "__main__":
    main()
