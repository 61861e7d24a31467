from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, ImageError, dumps
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.mutate.catalogue import all_mutations
from dyncrit.fuzz.mutate.mutation import LAYERS, Donors, Subject
from dyncrit.fuzz.mutate.mutator import MUTATIONS, Mutator, mutate_raw, record_of
from dyncrit.fuzz.seeds import seed_images

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.schema import Schema

MOST = 64 << 10


def below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= MOST)


@pytest.fixture(scope="module")
def samples(data: Path, schema: Schema) -> list[tuple[str, bytes]]:
    """A file of each content under tests/data, damaged ones among them."""
    found = {path.read_bytes(): path.name for path in below(data) if "archives" not in path.parts}
    return [(name, content) for content, name in found.items()]


def test_no_mutation_raises_on_any_image_nor_on_what_became_of_it(samples, core, schema) -> None:
    mutator = Mutator(schema, others=[Anatomy.of(core, schema)])
    for index, (name, content) in enumerate(samples):
        chance = Chance(index)
        data = content
        for _ in range(4):
            mutant = mutator.mutate_bytes(data, chance, name)
            assert mutant.steps
            data = mutant.data


def test_what_says_that_it_did_something_did(schema) -> None:
    empty = Image.new("SECCOMP")
    empty.add()
    for name, data in [*seed_images(schema), ("seccomp.img", dumps(empty))]:
        before = Anatomy.of(data, schema, name)
        for mutation in MUTATIONS:
            for seed in range(5):
                subject = Subject(before.copy(), schema, name, Donors([before]))
                if (step := mutation.apply(subject, Chance(seed))) is not None:
                    assert subject.anatomy.assemble() != data, (name, step)


def test_no_mutation_raises_on_images_of_the_corpus(corpus, schema) -> None:
    mutator = Mutator(schema)
    for index, path in enumerate(below(corpus / "criu-2.12") + below(corpus / "criu-1.1")):
        chance = Chance(index)
        content = mutator.mutate_bytes(path.read_bytes(), chance, path.name).data
        assert mutator.mutate_bytes(content, chance, path.name).steps


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.name)
def test_each_mutation_finds_something_to_break_in_some_image(mutation, samples, schema) -> None:
    anatomies = []
    for name, content in samples:
        try:
            anatomies.append((name, Anatomy.of(content, schema, name)))
        except ImageError:
            continue
    only = {item.name: 0 for item in MUTATIONS} | {mutation.name: 1}
    mutator = Mutator(schema, others=[anatomy for _, anatomy in anatomies], weights=only)
    mutants = (mutator.mutate(anatomy, Chance(0), name) for name, anatomy in anatomies)
    found = next(mutant for mutant in mutants if mutant.steps)
    assert {step.mutation for step in found.steps} == {mutation.name}


def test_an_image_stays_as_it_is_when_it_is_mutated(pipes, schema) -> None:
    anatomy = Anatomy.of(pipes, schema)
    mutator = Mutator(schema, others=[anatomy])
    for seed in range(300):
        mutator.mutate(anatomy, Chance(seed))
        assert anatomy.assemble() == pipes


def test_the_same_seeds_give_the_same_bytes_on_every_machine(pstree, core, pipes, schema) -> None:
    """Fixed for good: another hash means that corpora which people have made by seed are others now."""
    images = [Anatomy.of(image, schema) for image in (pstree, core, pipes)]
    mutator = Mutator(schema, others=images)
    digest = hashlib.sha256()
    for seed in range(600):
        mutant = mutator.mutate(images[seed % 3], Chance(0).child(seed))
        digest.update(mutant.data + repr([tuple(step) for step in mutant.steps]).encode())
    assert digest.hexdigest() == "2e3e3a6ae229266a054c3dc0a3f40bf517f716445db65f607995a049e8106301"


def test_layers_restrict_the_mutations(core, schema) -> None:
    anatomy = Anatomy.of(core, schema)
    for layer in LAYERS[:-1]:
        names = {item.name for item in MUTATIONS if item.layer == layer}
        for seed in range(30):
            mutant = Mutator(schema, others=[anatomy], layers=[layer]).mutate(anatomy, Chance(seed))
            assert {step.mutation for step in mutant.steps} <= names


def test_weights_prefer_mutations_and_leave_them_out(core, schema) -> None:
    anatomy = Anatomy.of(core, schema)
    mutator = Mutator(schema, weights={"boundary": 100_000, "noise": 0})
    steps = [step.mutation for seed in range(100) for step in mutator.mutate(anatomy, Chance(seed)).steps]
    assert steps.count("boundary") > len(steps) * 0.9
    assert "noise" not in steps


def test_without_mutations_the_image_comes_back_without_steps(core, schema) -> None:
    mutator = Mutator(schema, layers=[])
    assert mutator.is_idle
    assert mutator.mutate(Anatomy.of(core, schema), Chance(1)) == (core, ())


@pytest.mark.parametrize("content", [b"", b"\0", b"text that is no image"])
@pytest.mark.parametrize("seed", range(8))
def test_bytes_that_are_no_image_are_changed_too(content, seed) -> None:
    mutant = mutate_raw(content, Chance(seed))
    assert mutant.data != content
    assert len(mutant.steps) == 1


def test_the_record_of_a_mutant_has_both_hashes(core, schema) -> None:
    chance = Chance(5)
    mutant = Mutator(schema).mutate_bytes(core, chance)
    record = record_of("core-1.img", core, mutant, chance)
    assert record.source_hash == hashlib.sha256(core).hexdigest()
    assert record.result_hash == hashlib.sha256(mutant.data).hexdigest()
    assert (record.seed, record.steps) == (5, mutant.steps)


def test_names_of_mutations_are_unique_and_each_is_described_in_a_line() -> None:
    names = [mutation.name for mutation in all_mutations()]
    assert len(set(names)) == len(names)
    for mutation in all_mutations():
        assert mutation.layer in LAYERS
        assert mutation.weight > 0
        assert 10 < len(mutation.description) < 80
    assert {mutation.layer for mutation in all_mutations()} == set(LAYERS)
