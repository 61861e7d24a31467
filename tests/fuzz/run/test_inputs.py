from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.corpus import read_corpus
from dyncrit.fuzz.run.inputs import Inputs
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema.default()


@pytest.mark.parametrize("checkpoints", [False, True])
def test_a_number_and_a_seed_give_the_same_input(data: Path, checkpoints: bool) -> None:
    corpus = read_corpus(data, SCHEMA, checkpoints=checkpoints)
    one, again, other = (Inputs(corpus, SCHEMA, seed) for seed in (7, 7, 8))
    numbers = range(20 if checkpoints else 200)
    made = [one.make(number) for number in numbers]
    assert made == [again.make(number) for number in reversed(numbers)][::-1]
    assert made != [other.make(number) for number in numbers]


@pytest.mark.parametrize("checkpoints", [False, True])
def test_the_record_tells_what_was_done(data: Path, checkpoints: bool) -> None:
    corpus = read_corpus(data, SCHEMA, checkpoints=checkpoints)
    sources = {seed.source: seed.case for seed in corpus.seeds}
    inputs = Inputs(corpus, SCHEMA, 3)
    for number in range(20):
        made = inputs.make(number)
        assert made.record.source_hash == sources[made.record.source].digest
        assert made.record.result_hash == made.case.digest
        assert made.record.steps
