from __future__ import annotations

import pytest

from dyncrit import ImageError, loads
from dyncrit.codec import wire
from dyncrit.fuzz.mutate.wires import overlong


@pytest.mark.parametrize("value", [0, 1, 127, 128, 1 << 32, (1 << 64) - 1])
@pytest.mark.parametrize("extra", [1, 2, 4])
def test_an_overlong_varint_has_the_same_value(value: int, extra: int) -> None:
    made = overlong(value, extra)
    assert len(made) == len(wire.varint(value)) + extra
    if len(made) <= 10:
        assert wire.read_varint(made, 0) == (value, len(made))
    else:
        with pytest.raises(ImageError, match="more than 10 bytes"):
            wire.read_varint(made, 0)


def test_overlong_means_the_same_or_is_too_long(mutants, pstree) -> None:
    read = 0
    for mutated in mutants("overlong", pstree):
        before, after = mutated.records
        assert len(after) > len(before)
        try:
            fields = [field[:3] for field in wire.fields(after)]
        except ImageError:
            continue
        read += 1
        assert fields == [field[:3] for field in wire.fields(before)]
    assert read


def test_wrong_wire_type_is_another_than_the_fields(mutants, pstree) -> None:
    for mutated in mutants("wrong-wire-type", pstree):
        before, after = mutated.records
        old, _, new = mutated.step.what.removeprefix("wire type ").partition(",")[0].partition(" -> ")
        assert old == "0"
        start = next(at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one != two)
        assert before[start] & 7 == int(old)
        assert after[start] & 7 == int(new)
        assert before[start] >> 3 == after[start] >> 3


def test_cut_nested_has_another_length_than_content(mutants, core) -> None:
    for mutated in mutants("cut-nested", core):
        before, after = mutated.records
        assert before != after
        assert "of its" in mutated.step.what or "its length says" in mutated.step.what


def test_unended_is_refused_or_kept_as_bytes(mutants, pstree) -> None:
    """No parser reads such bytes to their end; some of them a lenient one passes over."""
    refused = 0
    for mutated in mutants("unended", pstree):
        try:
            list(wire.fields(mutated.records[1]))
        except ImageError:
            refused += 1
    assert refused > 70


def test_deep_goes_as_deep_as_it_says(mutants, pstree) -> None:
    for mutated in mutants("deep", pstree):
        kind, _, depth = mutated.step.what.removesuffix(" deep").partition(", ")
        added = mutated.records[1].removeprefix(mutated.records[0])
        if kind == "groups":
            assert added == b"\x0b" * int(depth) + b"\x0c" * int(depth)
            continue
        levels = 0
        while added:
            (field,) = wire.fields(added)
            added = field.value
            levels += 1
        assert levels == int(depth)


def test_packed_is_a_length_where_a_number_was(mutants, pstree) -> None:
    for mutated in mutants("packed", pstree):
        before, after = ([field.wire_type for field in wire.fields(item)] for item in mutated.records)
        assert before.count(wire.LENGTH) == 0
        assert after.count(wire.LENGTH) == 1
        assert len(before) == len(after)


def test_shuffled_has_the_same_fields(mutants, pstree, core) -> None:
    for image in (pstree, core):
        for mutated in mutants("shuffled", image):
            before, after = mutated.records
            assert sorted(before) == sorted(after)
            assert loads(mutated.after.assemble()).to_dict()


def test_conflicting_is_the_same_field_once_more(mutants, pstree, numbers) -> None:
    for mutated in mutants("conflicting", pstree):
        before, after = map(numbers, mutated.records)
        assert len(after) == len(before) + 1
        assert set(after) == set(before)
        value = int(mutated.step.what.split()[0])
        values = [field.value for field in wire.fields(mutated.records[1])]
        assert value in values
