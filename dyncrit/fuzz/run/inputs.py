"""The inputs of a run by their numbers: the same for a corpus and a seed, whoever asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.mutate.across import mutate_checkpoint
from dyncrit.fuzz.mutate.mutator import Mutator, mutate_raw
from dyncrit.fuzz.mutate.record import MutationRecord
from dyncrit.fuzz.run.case import Case

if TYPE_CHECKING:
    from dyncrit.fuzz.run.corpus import Corpus, Seed
    from dyncrit.schema import Schema

_OTHERS = 500
"""Entries are spliced in from so many images of the corpus, at most."""


class Input(NamedTuple):
    """An input, and how it was made; ``number`` is its place in the run."""

    number: int
    case: Case
    record: MutationRecord


class Inputs:
    """Makes the inputs of a run."""

    def __init__(self, corpus: Corpus, schema: Schema, seed: int) -> None:
        self._seeds = corpus.seeds
        self._chance = Chance(seed)
        whole = [seed.anatomy for seed in corpus.seeds if seed.anatomy is not None]
        step = max(len(whole) // _OTHERS, 1)
        self._mutator = Mutator(schema, others=whole[::step][:_OTHERS])

    def make(self, number: int) -> Input:
        """The input of a number; ``record.seed`` makes it again of the same source."""
        chance = self._chance.child(number)
        seed = chance.one_of(self._seeds)
        return _mutated(number, seed, self._mutator, chance.child("mutate"))


def _mutated(number: int, seed: Seed, mutator: Mutator, chance: Chance) -> Input:
    case = seed.case
    if case.is_checkpoint:
        files, steps = mutate_checkpoint(case.files, mutator, chance)
        made = Case(case.name, files, is_checkpoint=True)
    else:
        data = case.files[case.name]
        mutant = (
            mutator.mutate(seed.anatomy, chance, case.name)
            if seed.anatomy is not None
            else mutate_raw(data, chance)
        )
        made, steps = Case.of_image(case.name, mutant.data), mutant.steps
    record = MutationRecord(seed.source, case.digest, chance.seed, tuple(steps), made.digest)
    return Input(number, made, record)
