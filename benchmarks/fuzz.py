"""How fast the fuzzer makes and breaks images; and our own code under it, for as long as one likes.

python benchmarks/fuzz.py rates
python benchmarks/fuzz.py images --count 1000000 --seed 1 --corpus ../shared/corpus -o faults/
python benchmarks/fuzz.py checkpoints --count 20000 --seed 1 -o faults/
python benchmarks/fuzz.py checkpoints --count 50000 --broken 20 --seed 1 -o faults/
"""

from __future__ import annotations

import argparse
import gc
import runpy
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.errors import DyncritError, ImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.exercise import exercise_checkpoint, exercise_image
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator
from dyncrit.fuzz.generate.images import ImageGenerator, known_types, usual_name
from dyncrit.fuzz.mutate.across import mutate_checkpoint
from dyncrit.fuzz.mutate.mutator import Mutator
from dyncrit.fuzz.selftest import Watch
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.fuzz.mutate.mutation import Step

_ROOT = Path(__file__).resolve().parents[1]
_SMALL, _LARGE = 4 << 10, 1 << 20
_RARE = {"blow-up": 1, "doubled": 1}
"""Weights of mutations whose mutants take ten times as long as others."""
_GENERATED = 4
"""One case in so many starts from something that was generated for it."""
_AGAIN = 4
"""One mutant in so many is mutated again, as a file that nobody understands any more."""
_REPORT = 60
_IN_MEMORY = Path("/dev/shm")
"""Where checkpoints are written: to a disk, it would take a fifth of the time."""


class Seed(NamedTuple):
    name: str
    data: bytes
    anatomy: Anatomy | None


@dataclass(slots=True)
class Mutated:
    """How many images of checkpoints were mutated; one with several mutations counts once."""

    count: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rates", "images", "checkpoints"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--broken", type=int, default=1, metavar="N", help="images to break in each checkpoint, at least"
    )
    parser.add_argument(
        "--corpus", type=Path, action="append", default=[], help="more images than tests/data"
    )
    parser.add_argument("-o", "--out", type=Path, help="where faults are kept, with what brought them on")
    given = parser.parse_args()
    folders = [_ROOT / "tests" / "data", *given.corpus]
    gc.set_threshold(100_000, 50, 50)  # as the command line has it
    if given.what == "rates":
        rates(folders, given.count, given.seed)
        return 0
    watch = Watch(keep=given.out)
    started = time.monotonic()
    try:
        if given.what == "images":
            hunt_images(watch, folders, given.count, given.seed)
        else:
            hunt_checkpoints(watch, folders, given.count, given.seed, given.broken)
    except KeyboardInterrupt:
        print("interrupted")
    print(f"{time.monotonic() - started:.0f} s; {summary(watch)}")
    print(f"the slowest: {watch.slowest[1]:.500}")
    for fault in watch.faults:
        print(f"{fault.kind}: {fault.cause}: {fault.label}\n{fault.text}\n")
    return 1 if watch.faults else 0


def rates(folders: list[Path], count: int, seed: int) -> None:
    """Images generated and mutated a second, in processor time of one process."""
    schema = Schema.default()
    root = Chance(seed)
    types = known_types(schema)
    generator = ImageGenerator(schema, root)
    made = measure("generated", count, lambda index: generated(generator, root.child(index), types))
    sources = [Seed(*item, Anatomy.of(item[1], schema, item[0])) for item in made]
    for what, seeds in (
        (
            "mutated, made of tests/data up to 4 KiB",
            [seed for seed in read_seeds(folders, schema, 4 << 10) if seed.anatomy],
        ),
        ("mutated, made of generated images", sources),
    ):
        mutator = Mutator(schema, others=[seed.anatomy for seed in seeds if seed.anatomy])

        def mutated(index: int, seeds: list[Seed] = seeds, mutator: Mutator = mutator) -> tuple[str, bytes]:
            name, _, anatomy = seeds[index % len(seeds)]
            return name, mutator.mutate(anatomy, root.child(index), name).data

        measure(what, count, mutated)


def measure(what: str, count: int, make: Callable[[int], tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    make(0)
    started = time.process_time()
    made = [make(index) for index in range(count)]
    seconds = time.process_time() - started
    size = sum(len(data) for _, data in made) / count
    print(f"{what}: {count / seconds:,.0f} images a second, of {size:,.0f} bytes on average")
    return made


def hunt_images(watch: Watch, folders: list[Path], count: int, seed: int) -> None:
    schema = Schema.default()
    seeds = list(read_seeds(folders, schema, _SMALL))
    mutator = Mutator(schema, others=[seed.anatomy for seed in seeds if seed.anatomy], weights=_RARE)
    generator = ImageGenerator(schema, Chance(seed))
    types = known_types(schema)
    root, accepted = Chance(seed), 0
    for index in progress(watch, count):
        chance = root.child(index)
        name, data, anatomy = chance.one_of(seeds)
        if chance.once_in(_GENERATED):
            name, data = generated(generator, chance, types)
            anatomy = None
        steps: tuple[Step, ...] = ()
        if anatomy is not None:
            data, steps = mutator.mutate(anatomy, chance, name)
        if anatomy is None or chance.once_in(_AGAIN):
            data, more = mutator.mutate_bytes(data, chance, name)
            steps += more

        def case(data: bytes = data, name: str = name) -> None:
            nonlocal accepted
            accepted += exercise_image(data, schema, name)

        watch.run(f"image {index} of seed {seed}, {name}: {steps}", {name: data}, case)
    print(f"{accepted} accepted")


def hunt_checkpoints(watch: Watch, folders: list[Path], count: int, seed: int, least: int) -> None:
    schema = Schema.default()
    views = runpy.run_path(str(_ROOT / "tests" / "fuzz" / "every_view.py"))["EVERY_VIEW"]
    sources = list(read_checkpoints(folders))
    donors = [
        Seed(name, data, taken_apart(data, schema, name))
        for files in sources[::10]
        for name, data in files.items()
    ]
    mutator = Mutator(schema, others=[donor.anatomy for donor in donors if donor.anatomy])
    root = Chance(seed)
    generator = CheckpointGenerator(schema, root)
    images = Mutated()
    work = Path(tempfile.mkdtemp(prefix="dyncrit-fuzz-", dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None))
    try:
        for index in progress(watch, count, images):
            chance = root.child(index)
            whole = chance.one_of(sources)
            if chance.once_in(_GENERATED):
                with suppress(DyncritError):
                    whole = generator.seeded(chance).generate()
            files, steps = broken(whole, mutator, chance, least)
            images.count += sum(whole.get(name) != data for name, data in files.items())
            folder = work / str(index)
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            watch.run(
                f"checkpoint {index} of seed {seed}: {steps}",
                files,
                lambda folder=folder: exercise_checkpoint(folder, schema, views),
            )
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        print(f"{images.count} mutated images")


def broken(
    whole: dict[str, bytes], mutator: Mutator, chance: Chance, least: int
) -> tuple[dict[str, bytes], tuple[Step, ...]]:
    """A checkpoint with at least so many mutated images, or all; some more things are done to it."""
    files, steps = mutate_checkpoint(whole, mutator, chance)
    while chance.once_in(3):
        files, more = mutate_checkpoint(files, mutator, chance)
        steps += more
    names = chance.shuffled(sorted(files)) if least > 1 else []
    left = least - sum(whole.get(name) != data for name, data in files.items())
    for name in [name for name in names if files[name] == whole.get(name)][: max(left, 0)]:
        mutant = mutator.mutate_bytes(files[name], chance, name)
        files[name] = mutant.data
        steps += tuple(step._replace(place=f"{name} {step.place}") for step in mutant.steps)
    return files, steps


def progress(watch: Watch, count: int, images: Mutated | None = None) -> Iterator[int]:
    started = last = time.monotonic()
    for index in range(count):
        yield index
        now = time.monotonic()
        if now - last > _REPORT:
            last = now
            mutated = f"{images.count} mutated images; " if images is not None else ""
            print(f"{index / (now - started):.0f} a second; {mutated}{summary(watch)}", flush=True)


def summary(watch: Watch) -> str:
    return (
        f"{watch.cases} cases, the slowest took {watch.slowest[0]:.2f} s, {watch.peak >> 20} MiB at most; "
        f"faults: {watch.counts or 'none'}"
    )


def generated(generator: ImageGenerator, chance: Chance, types: list) -> tuple[str, bytes]:
    row = chance.one_of(types)
    return usual_name(row), generator.seeded(chance).generate(row)


def read_seeds(folders: list[Path], schema: Schema, most: int) -> Iterator[Seed]:
    """The images and raw files of checkpoints below folders, each content once."""
    seen = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= most:
                data = path.read_bytes()
                if data not in seen:
                    seen.add(data)
                    yield Seed(path.name, data, taken_apart(data, schema, path.name))


def read_checkpoints(folders: list[Path]) -> Iterator[dict[str, bytes]]:
    for folder in folders:
        for path in sorted(folder.rglob("pstree.img")):
            files = [
                file for file in sorted(path.parent.iterdir()) if file.is_file() and not file.is_symlink()
            ]
            if sum(file.stat().st_size for file in files) <= _LARGE:
                yield {file.name: file.read_bytes() for file in files}


def taken_apart(data: bytes, schema: Schema, name: str) -> Anatomy | None:
    try:
        return Anatomy.of(data, schema, name)
    except ImageError:
        return None


if __name__ == "__main__":
    sys.exit(main())
