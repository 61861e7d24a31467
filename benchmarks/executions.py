"""Executions of targets a second in ``dyncrit fuzz run``, beside a plain loop that runs the same program.

    python benchmarks/executions.py [--runs 5] [--seconds 10] [--jobs 1] [--crit CRIT]

Targets are a reader in C (made with cc), the same in Python, and CRIT and dyncrit, which decode. Both make
their inputs of tests/data/demo and look at the exit code. The loop, all that a shell script has, makes a
mutant by changing one byte, writes it to a file and runs the program under ``timeout``; it has no other
limits, no knowledge of the format, and keeps no output. Rates are medians of runs in turn, by the clock.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]
_CORPUS = _REPOSITORY / "tests/data/demo"
_READER_C = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	FILE *file = fopen(argv[argc - 1], "rb");
	uint32_t head[2], size;
	unsigned long records = 0, bytes = 0;
	if (!file || fread(head, 4, 2, file) != 2)
		return fputs("no head\n", stderr), 1;
	while (fread(&size, 4, 1, file) == 1 && !fseek(file, size, SEEK_CUR))
		records++, bytes += size;
	printf("%lu records, %lu bytes\n", records, bytes);
	return 0;
}
"""
_READER_PYTHON = """
import sys
with open(sys.argv[1], "rb") as file:
    if len(file.read(8)) < 8:
        sys.exit("no head")
    records = size = 0
    while len(head := file.read(4)) == 4:
        records, size = records + 1, size + int.from_bytes(head, "little")
        file.seek(int.from_bytes(head, "little"), 1)
print(f"{records} records, {size} bytes")
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--crit", default=shutil.which("crit"), help="CRIT, if it is to be run, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dyncrit-bench-") as scratch:
        for name, command in targets(Path(scratch), arguments.crit):
            measured = [
                (
                    fuzz_rate(Path(scratch), command, arguments.seconds, arguments.jobs),
                    loop_rate(Path(scratch), command, arguments.seconds),
                )
                for _ in range(arguments.runs)
            ]
            ours, loop = (statistics.median(column) for column in zip(*measured, strict=True))
            ratio = statistics.median(one / other for one, other in measured)
            print(f"{name}: {ours:,.0f} a second; a plain loop {loop:,.0f}; {ratio:.2f} times as many")


def targets(folder: Path, crit: str | None) -> list[tuple[str, list[str]]]:
    (folder / "reader.c").write_text(_READER_C)
    (folder / "reader.py").write_text(_READER_PYTHON)
    subprocess.run(["cc", "-O2", "-o", folder / "reader", folder / "reader.c"], check=True)
    listed = [
        ("a reader in C", [str(folder / "reader")]),
        ("a reader in Python", [sys.executable, "-ISE", str(folder / "reader.py")]),
        ("dyncrit decode", [sys.executable, "-m", "dyncrit", "decode"]),
    ]
    return listed + ([("crit decode", [crit, "decode", "-i"])] if crit else [])


def fuzz_rate(folder: Path, command: list[str], seconds: float, jobs: int) -> float:
    """Executions a second of the whole command, its own start and the end of the last target included."""
    shutil.rmtree(folder / "findings", ignore_errors=True)
    fuzz = [sys.executable, "-m", "dyncrit", "fuzz", "run", "--target", " ".join([*command, "{image}"])]
    options = ["--corpus", _CORPUS, "-o", folder / "findings", "--time", seconds, "--jobs", jobs, "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        [*fuzz, *map(str, options), "--minimise-count", "0"], stdout=-1, stderr=-1, check=False
    )
    passed = time.perf_counter() - started
    if done.returncode not in {0, 1}:
        raise SystemExit(done.stderr.decode())
    return json.loads(done.stdout)["executions"] / passed


def loop_rate(folder: Path, command: list[str], seconds: float) -> float:
    images = [path.read_bytes() for path in _CORPUS.rglob("*.img") if 0 < path.stat().st_size < 1 << 20]
    chance, mutant, count = random.Random(1), folder / "mutant.img", 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        data = bytearray(chance.choice(images))
        data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        mutant.write_bytes(data)
        subprocess.run(["timeout", "5", *command, mutant], stdout=-3, stderr=-3, check=False)
        count += 1
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
