from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from dyncrit.codec.framing import read_frame
from dyncrit.codec.source import Source
from dyncrit.fuzz.anatomy import Anatomy

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.codec.framing import Frame
    from dyncrit.schema import Schema


@pytest.fixture(scope="module")
def frame(schema: Schema) -> Callable[[Anatomy], Frame]:
    """What the head of an image tells a reader."""
    return lambda anatomy: read_frame(Source(io.BytesIO(anatomy.assemble()), ""), schema.table)


def test_other_type_is_the_magic_of_the_type_that_it_names(mutants, pstree, schema) -> None:
    for _, after, step in mutants("other-type", pstree):
        name = step.what.removeprefix("the magic of ")
        row = schema.table.by_name(name)
        assert row is not None
        assert name != "PSTREE"
        assert after.head[:4] == pstree[:4]
        assert int.from_bytes(after.head[4:], "little") == row.magic


def test_flipped_magic_is_another_in_one_bit(mutants, pstree) -> None:
    for before, after, step in mutants("flipped-magic", pstree):
        both = (int.from_bytes(item.head, "little") for item in (before, after))
        bit = int(step.what.split()[1])
        assert next(both) ^ next(both) == 1 << bit


def test_byte_order_of_all_is_read_as_the_other_one_with_the_same_records(mutants, pstree, schema) -> None:
    kinds = set()
    for before, after, step in mutants("byte-order", pstree):
        kinds.add("lengths in" in step.what)
        if "and lengths" in step.what:
            image = Anatomy.of(after.assemble(), schema)
            assert image.frame.byte_order == "big"
            assert [entry.record for entry in image.entries] == [entry.record for entry in before.entries]
        else:
            assert after.assemble()[8:] == pstree[8:]
    assert len(kinds) == 2


def test_other_framing_keeps_the_magic_of_the_type(mutants, pstree, frame) -> None:
    framings = {frame(after).framing for _, after, _ in mutants("other-framing", pstree)}
    assert framings == {"v1.0", "service"}
    for _, after, _ in mutants("other-framing", pstree):
        assert frame(after).image_type.name == "PSTREE"


def test_cut_head_leaves_less_of_it(mutants, pstree) -> None:
    for before, after, step in mutants("cut-head", pstree):
        left = int(next(word for word in step.what.split() if word.isdigit()))
        assert after.head == before.head[:left]
        assert left < 8
        if step.what.startswith("the file ends"):
            assert len(after.assemble()) == left


def test_a_type_without_a_magic_has_no_head_to_break(schema) -> None:
    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.heads import MUTATIONS
    from dyncrit.fuzz.mutate.mutation import Subject

    named = next(row for row in schema.table.types if row.magic is None)
    name = named.files[0].replace("%d", "1")
    anatomy = Anatomy.of((2).to_bytes(8, "little") + b"\x08\x01", schema, name)
    for mutation in MUTATIONS:
        assert mutation.apply(Subject(anatomy.copy(), schema, name), Chance(1)) is None
