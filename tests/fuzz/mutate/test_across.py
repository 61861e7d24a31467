from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from dyncrit import loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator
from dyncrit.fuzz.mutate.across import CHECKPOINT_MUTATIONS, mutate_checkpoint
from dyncrit.fuzz.mutate.mutator import Mutator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def images(data: Path) -> dict[str, bytes]:
    folder = data / "criu-4.2/host/env00"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()} | {
        "pages-1.img": bytes(range(256)) * 64,
        "core-67.img": (folder / "core-66.img").read_bytes().replace(b"env00", b"env01"),
    }


@pytest.fixture(scope="module")
def mutants(images, schema):
    """Applies a mutation across images with many seeds; gives what became of them, with the step."""

    def apply(name: str) -> list[tuple[dict[str, bytes], object]]:
        mutation = next(item for item in CHECKPOINT_MUTATIONS if item.name == name)
        found = []
        for seed in range(60):
            changed = dict(images)
            step = mutation.apply(changed, schema, Chance(seed))
            assert (step is None) == (changed == images)
            if step is not None:
                found.append((changed, step))
        assert found
        return found

    return apply


def difference(images: dict[str, bytes], changed: dict[str, bytes]) -> set[str]:
    return {name for name in images.keys() | changed if images.get(name) != changed.get(name)}


@pytest.mark.parametrize("name", ["dangling-id", "overlap"])
def test_a_number_in_one_image_is_another(mutants, images, name) -> None:
    for changed, step in mutants(name):
        image = step.place.partition(" ")[0]
        assert difference(images, changed) == {image}
        old, _, new = step.what.partition(" -> ")
        assert old != new
        before, after = (loads(item[image], file_name=image) for item in (images, changed))
        assert len(before.entries) == len(after.entries)


def test_dangling_ids_are_those_that_images_refer_to_each_other_with(mutants) -> None:
    fields = {step.place.rpartition(".")[2].partition("[")[0] for _, step in mutants("dangling-id")}
    assert {"id", "fd"} <= fields


def test_overlaps_are_made_of_addresses(mutants) -> None:
    fields = {step.place.rpartition(".")[2].partition("[")[0] for _, step in mutants("overlap")}
    assert "vaddr" in fields
    assert all(re.search("vaddr|start|end|brk|off|nr_pages", field) for field in fields)


def test_overlaps_put_pages_and_mappings_on_top_of_one_another(schema, tmp_path) -> None:
    [overlap] = [item for item in CHECKPOINT_MUTATIONS if item.name == "overlap"]
    made = [CheckpointGenerator(schema, Chance(seed)).generate() for seed in range(4)]
    rules: Counter[str] = Counter()
    for seed in range(150):
        images = dict(made[seed % len(made)])
        if overlap.apply(images, schema, Chance(seed)) is None:
            continue
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, content in images.items():
            (folder / name).write_bytes(content)
        with open_checkpoint(folder, schema=schema) as checkpoint:
            rules.update({finding.rule.id for finding in check(checkpoint).findings})
    assert rules["pagemap-order"] >= 10
    assert rules["mapping-order"] >= 1


def test_a_lost_image_is_gone(mutants, images) -> None:
    for changed, step in mutants("lost-image"):
        assert difference(images, changed) == {step.place}
        assert step.place not in changed


def test_a_doubled_image_is_there_under_another_number(mutants, images) -> None:
    for changed, step in mutants("doubled-image"):
        other = step.what.removeprefix("it is there as ").partition(", ")[0]
        assert ("in place of" in step.what) == (other in images)
        assert changed[other] == images[step.place]
        assert difference(images, changed) <= {other}


def test_exchanged_images_have_each_others_names(mutants, images) -> None:
    for changed, step in mutants("exchanged-images"):
        other = step.what.removeprefix("exchanged with ")
        assert (changed[step.place], changed[other]) == (images[other], images[step.place])
        assert {step.place, other} == {"core-66.img", "core-67.img"}


def test_cut_pages_are_raw_files_alone(mutants, images, schema) -> None:
    for changed, step in mutants("cut-pages"):
        (name,) = difference(images, changed)
        assert schema.table.raw_by_file_name(name) is not None
        assert step.place.startswith(name)
        assert step.mutation == "cut-pages"


def test_a_checkpoint_is_broken_across_its_images_and_within_them(images, schema) -> None:
    names = set()
    for seed in range(200):
        changed, steps = mutate_checkpoint(images, Mutator(schema), Chance(seed))
        assert steps
        assert changed != images or len(steps) > 1
        names |= {step.mutation for step in steps}
    assert {"dangling-id", "lost-image", "boundary", "record-length", "dropped"} <= names


def test_layers_restrict_what_is_done_to_a_checkpoint(images, schema) -> None:
    across = {item.name for item in CHECKPOINT_MUTATIONS}
    for seed in range(50):
        only = Mutator(schema, layers=["checkpoint"])
        assert {step.mutation for step in mutate_checkpoint(images, only, Chance(seed))[1]} <= across
        without = Mutator(schema, layers=["field"])
        steps = mutate_checkpoint(images, without, Chance(seed))[1]
        assert {step.mutation for step in steps}.isdisjoint(item.name for item in CHECKPOINT_MUTATIONS)


def test_a_weight_of_0_leaves_a_mutation_out(images, schema) -> None:
    weights = {item.name: 0 for item in CHECKPOINT_MUTATIONS if item.name != "lost-image"}
    mutator = Mutator(schema, layers=["checkpoint"], weights=weights)
    for seed in range(20):
        _, (step,) = mutate_checkpoint(images, mutator, Chance(seed))
        assert step.mutation == "lost-image"


def test_nothing_is_done_to_nothing(images, schema) -> None:
    assert mutate_checkpoint({}, Mutator(schema), Chance(1)) == ({}, ())
    nothing = Mutator(schema, layers=[])
    assert mutate_checkpoint(images, nothing, Chance(1)) == (images, ())


def test_a_checkpoint_without_images_is_still_broken(schema) -> None:
    changed, steps = mutate_checkpoint({"notes.txt": b"text"}, Mutator(schema), Chance(3))
    assert steps
    assert changed != {"notes.txt": b"text"}
