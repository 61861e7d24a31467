"""A coverage-guided fuzzer of this package, on Atheris.

    python -m dyncrit.fuzz.harness [OPTION...] [CORPUS...]

Bytes are taken for an image, decoded in each way, and encoded again. What must not be ends the run, and its
bytes are written to a file: crash-… (exit code 77), timeout-… (70) or oom-… (71). New inputs come of the
mutations of `dyncrit fuzz mutate`, and now and then of libFuzzer's own.

Options are libFuzzer's (-help=1 lists them), with one dash; -timeout is 5 s and -rss_limit_mb 512 unless they
say otherwise. What was found to reach new code goes into the first CORPUS, which has to exist; the others are
read only. A file in place of a folder is run once, to see a crash again.

Example:
    dyncrit fuzz seeds -o seeds/ --dictionary criu.dict && mkdir corpus
    python -m dyncrit.fuzz.harness -dict=criu.dict -max_total_time=60 corpus/ seeds/
"""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dyncrit.fuzz.mutate.mutator import Mutator
    from dyncrit.schema import Schema

_LIMITS = {"-timeout": "5", "-rss_limit_mb": "512"}
_HELP = ("--help", "-h", "-help")
_OWN = 8
"""One input in so many is left to libFuzzer's own mutations, which no layer of the format bounds."""
_INSTRUMENTED = ("dyncrit.image", "dyncrit.convert", "dyncrit.jsonio.reader")
"""What inputs run through, with all that these modules import; the fuzzer itself is of no interest."""
_MISSING = "dyncrit: the harness needs Atheris, which isn't installed: pip install 'dyncrit[fuzz]'"


def main(arguments: Sequence[str]) -> int:
    """Run the fuzzer with the arguments of a command line, the program's name first.

    Gives an exit code for a call for help, 0, and a wrong one, 2; all else ends the process itself.
    """
    if not set(_HELP).isdisjoint(arguments[1:]):
        sys.stdout.write(__doc__)
        return 0
    if wrong := next((option for option in arguments[1:] if option.startswith("--")), None):
        sys.stderr.write(f"dyncrit: libFuzzer takes options with one dash: {wrong[1:]}, not {wrong}\n")
        return 2
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.stderr.write(f"{_MISSING}\n")
        return 2
    with atheris.instrument_imports(include=["dyncrit"]):
        for name in _INSTRUMENTED:
            import_module(name)
    from dyncrit.fuzz.exercise import exercise_image
    from dyncrit.fuzz.mutate.mutator import Mutator
    from dyncrit.schema import Schema

    schema = Schema.default()
    name_of = naming(schema)
    mutator = Mutator(schema)

    def test(data: bytes) -> None:
        exercise_image(data, schema, name_of(data))

    def own(data: bytes, max_size: int) -> bytes:
        mutated: bytes = atheris.Mutate(data, max_size)  # looked up when it is called: Fuzz() puts it there
        return mutated

    atheris.Setup(
        [_command(), *with_limits(arguments)[1:]],
        test,
        custom_mutator=custom_mutator(mutator, own),
        custom_crossover=custom_crossover(mutator),
    )
    atheris.Fuzz()
    return 0


def with_limits(arguments: Sequence[str]) -> list[str]:
    """The arguments with the limits that they say nothing of.

    >>> with_limits(["harness", "-timeout=60", "corpus"])
    ['harness', '-rss_limit_mb=512', '-timeout=60', 'corpus']
    """
    given = {argument.partition("=")[0] for argument in arguments}
    added = [f"{name}={value}" for name, value in _LIMITS.items() if name not in given]
    return [*arguments[:1], *added, *arguments[1:]]


def naming(schema: Schema) -> Callable[[bytes], str]:
    """The function that gives bytes a file name: "", unless only the name can tell which image they are.

    Where several types could be meant, each has some of the lengths that an image may have.
    """
    from dyncrit.errors import ImageError
    from dyncrit.fuzz.anatomy import Anatomy
    from dyncrit.fuzz.generate.images import known_types, usual_name

    names = [usual_name(row) for row in known_types(schema) if row.magic is None]

    def name_of(data: bytes) -> str:
        if names:
            name = names[len(data) % len(names)]
            try:
                anatomy = Anatomy.of(data, schema, name)
            except ImageError:
                return ""
            if anatomy.frame.image_type.magic is None:
                return name
        return ""

    return name_of


def custom_mutator(
    mutator: Mutator, mutate: Callable[[bytes, int], bytes]
) -> Callable[[bytes, int, int], bytes]:
    """The function that libFuzzer asks for a mutant, given bytes, the most bytes it may have, and a seed.

    ``mutate`` is libFuzzer's own. Where no mutant of a few is small enough, it makes one.
    """
    from dyncrit.fuzz.chance import Chance

    name_of = naming(mutator.schema)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        chance = Chance(seed)
        if chance.once_in(_OWN):
            return mutate(data, max_size)
        name = name_of(data)
        for _ in range(_OWN):
            made = mutator.mutate_bytes(data, chance, name).data
            if len(made) <= max_size:
                return made
        return mutate(data, max_size)

    return mutated


def custom_crossover(mutator: Mutator) -> Callable[[bytes, bytes, int, int], bytes]:
    """The function that libFuzzer asks for something of two inputs: entries of the one put into the other.

    Where one of them is no whole image, it is the start of the one with the end of the other.
    """
    from dyncrit.errors import ImageError
    from dyncrit.fuzz.anatomy import Anatomy
    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.entries import SPLICED
    from dyncrit.fuzz.mutate.mutation import Donors, Subject

    name_of = naming(mutator.schema)

    def crossed(first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        chance = Chance(seed)
        try:
            images = [Anatomy.of(data, mutator.schema, name_of(data)) for data in (first, second)]
        except ImageError:
            start = first[: chance.below(len(first) + 1)]
            return (start + second[chance.below(len(second) + 1) :])[:max_size]
        SPLICED.apply(Subject(images[0], mutator.schema, donors=Donors(images[1:])), chance)
        made = images[0].assemble()
        return made if len(made) <= max_size else first

    return crossed


def _command() -> str:
    """The command that started this process: libFuzzer's -fork, -jobs and -merge run it again by a shell."""
    return shlex.join(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
