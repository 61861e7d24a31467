"""A coverage-guided fuzzer of this package, on Atheris.

``python -m dyncrit.fuzz.harness [OPTION...] [CORPUS...]``: the arguments are libFuzzer's; ``-timeout`` is
5 s and ``-rss_limit_mb`` 512 unless they say otherwise. Bytes are taken for an image, decoded in each way,
and encoded again; what must not be ends the run, and libFuzzer writes the bytes to a file ``crash-…``. New
inputs come of the mutations of :mod:`dyncrit.fuzz.mutate`, and now and then of libFuzzer's own.

It needs Atheris, which the extra ``fuzz`` installs; without it, it says so.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dyncrit.fuzz.mutate.mutator import Mutator

_LIMITS = {"-timeout": "5", "-rss_limit_mb": "512"}
_OWN = 8
"""One input in so many is left to libFuzzer's own mutations, which no layer of the format bounds."""
_INSTRUMENTED = ("dyncrit.image", "dyncrit.convert", "dyncrit.jsonio.reader")
"""What inputs run through, with all that these modules import; the fuzzer itself is of no interest."""
_MISSING = "dyncrit: the harness needs Atheris, which isn't installed: pip install 'dyncrit[fuzz]'"


def main(arguments: Sequence[str]) -> int:
    """Run the fuzzer with the arguments of a command line; it ends the process itself, but for errors."""
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
    mutator = Mutator(schema)

    def test(data: bytes) -> None:
        exercise_image(data, schema)

    def own(data: bytes, max_size: int) -> bytes:
        mutated: bytes = atheris.Mutate(data, max_size)  # looked up when it is called: Fuzz() puts it there
        return mutated

    atheris.Setup(
        with_limits(arguments),
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


def custom_mutator(
    mutator: Mutator, mutate: Callable[[bytes, int], bytes]
) -> Callable[[bytes, int, int], bytes]:
    """The function that libFuzzer asks for a mutant, given bytes, the most bytes it may have, and a seed.

    ``mutate`` is libFuzzer's own. A mutant that is too large is made again, and at last cut.
    """
    from dyncrit.fuzz.chance import Chance

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        chance = Chance(seed)
        if chance.once_in(_OWN):
            return mutate(data, max_size)
        for _ in range(_OWN):
            made = mutator.mutate_bytes(data, chance).data
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

    def crossed(first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        chance = Chance(seed)
        try:
            images = [Anatomy.of(data, mutator.schema) for data in (first, second)]
        except ImageError:
            start = first[: chance.below(len(first) + 1)]
            return (start + second[chance.below(len(second) + 1) :])[:max_size]
        SPLICED.apply(Subject(images[0], mutator.schema, donors=Donors(images[1:])), chance)
        made = images[0].assemble()
        return made if len(made) <= max_size else first

    return crossed


if __name__ == "__main__":
    sys.exit(main(sys.argv))
