from __future__ import annotations

import re

import pytest

from dyncrit import Image, dumps, loads
from dyncrit.codec import wire
from dyncrit.fuzz.interesting import NOT_UTF8, TEXTS


def test_boundary_puts_the_number_there_that_it_names(mutants, pstree) -> None:
    for mutated in mutants("boundary", pstree):
        old, _, new = mutated.step.what.partition(" -> ")
        before, after = ([field.value for field in wire.fields(record)] for record in mutated.records)
        assert len(before) == len(after)
        changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert changed == [(int(old), int(new))]


def test_boundary_reaches_numbers_that_the_type_cannot_hold(mutants, pstree) -> None:
    numbers = [int(item.step.what.partition(" -> ")[2]) for item in mutants("boundary", pstree)]
    assert max(numbers) > 0xFFFFFFFF
    assert 0 in numbers


def test_wrong_enum_is_no_value_of_the_enum(mutants, core) -> None:
    for mutated in mutants("wrong-enum", core):
        assert mutated.step.place == "entries[0].mtype"
        message = loads(mutated.after.assemble()).entries[0].message
        assert not message.HasField("mtype")  # a closed enum takes it for unknown
        values = {field.number: field.value for field in wire.fields(mutated.records[1])}
        known = message.DESCRIPTOR.fields_by_name["mtype"].enum_type.values_by_number
        assert values[1] not in known


def test_a_required_field_is_missing_after_missing(mutants, pstree, core) -> None:
    for image in (pstree, core):
        required = [item for item in mutants("missing", image) if "required" in item.step.what]
        assert required
        for mutated in required:
            name = re.sub(r"\[\d+\]", "", mutated.step.place.partition("].")[2])
            message = loads(mutated.after.assemble()).entries[mutated.index].message
            assert name in message.FindInitializationErrors()


def test_missing_takes_optional_fields_too(mutants, pstree) -> None:
    gone = [item for item in mutants("missing", pstree) if item.step.what == "gone"]
    assert gone
    for mutated in gone:
        assert re.fullmatch(r"entries\[\d\]\.threads\[[01]\]", mutated.step.place)
        message = loads(mutated.after.assemble()).entries[mutated.index].message
        assert len(message.threads) == 1


def test_blow_up_repeats_a_field_as_often_as_it_says(mutants, pstree, numbers) -> None:
    for mutated in mutants("blow-up", pstree):
        before, after = map(numbers, mutated.records)
        count = int(mutated.step.what.split()[0])
        assert len(after) - len(before) == count - 1
        assert count >= 2
        assert len(mutated.records[1]) < 1 << 17


def test_text_is_one_that_is_listed(mutants, core) -> None:
    for mutated in mutants("text", core):
        assert mutated.step.place == "entries[0].tc.comm"
        message = loads(mutated.after.assemble()).entries[0].message
        assert message.tc.comm.encode() in TEXTS


def test_bad_text_is_no_utf8(mutants, core) -> None:
    for mutated in mutants("bad-text", core):
        record = mutated.records[1]
        assert any(bad in record for bad in NOT_UTF8)
        tc = next(field.value for field in wire.fields(record) if field.number == 3)
        comm = next(field.value for field in wire.fields(tc) if field.number == 6)
        with pytest.raises(UnicodeDecodeError):
            comm.decode("utf-8")


def test_unknown_field_is_one_that_the_message_has_not(mutants, pstree, schema, numbers) -> None:
    known = set(schema.message("pstree_entry").fields_by_number)
    kinds = set()
    for mutated in mutants("unknown-field", pstree):
        before, after = map(numbers, mutated.records)
        added = [number for number in after if number not in known]
        assert len(added) == 1
        assert sorted(before) == sorted(number for number in after if number in known)
        assert mutated.step.what.startswith(f"a field {added[0]} ")
        kinds.add(mutated.step.what[-1])
    assert kinds == {"0", "1", "2", "3", "5"}


def test_an_unknown_field_is_shown_and_survives(mutants, pstree) -> None:
    for mutated in mutants("unknown-field", pstree):
        data = mutated.after.assemble()
        document = loads(data).to_dict()
        assert "@unknown" in document["entries"][mutated.index]
        assert dumps(Image.from_dict(document)) == data


def test_appeared_is_a_field_that_was_not_there(mutants, core, schema) -> None:
    for mutated in mutants("appeared", core):
        assert loads(mutated.after.assemble()).to_dict()
        name = mutated.step.what.removesuffix(" is there")
        path = mutated.step.place.partition("].")[2]
        messages = [loads(item.assemble()).entries[0].message for item in (mutated.before, mutated.after)]
        for part in filter(None, path.split(".")):
            messages = [getattr(message, part) for message in messages]
        field = messages[0].DESCRIPTOR.fields_by_name[name]
        assert field not in [item for item, _ in messages[0].ListFields()]


def test_places_have_the_index_of_repeated_fields(mutants) -> None:
    image = Image.new("MM")
    vma = {"pgoff": 0, "shmid": 0, "prot": 3, "flags": 0x22, "fd": -1, "status": 1}
    image.add(
        **dict.fromkeys(
            (field.name for field in image.schema.message("mm_entry").fields if field.name.startswith("mm_")),
            0,
        )
        | {"mm_saved_auxv": []},
        exe_file_id=0,
        vmas=[{**vma, "start": at << 12, "end": (at + 1) << 12} for at in range(1, 4)],
    )
    starts = [item for item in mutants("boundary", dumps(image)) if item.step.place.endswith(".start")]
    assert starts
    for mutated in starts:
        index = int(re.search(r"vmas\[(\d)\]", mutated.step.place)[1])
        assert mutated.step.what.startswith(f"{(index + 1) << 12} -> ")
