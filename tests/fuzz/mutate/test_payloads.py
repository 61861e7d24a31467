from __future__ import annotations

import pytest

from dyncrit import DyncritError, loads
from dyncrit.codec import wire
from dyncrit.fuzz.mutate.payloads import deciding_fields


def test_payload_size_is_told_by_the_field_that_decides_of_it(mutants, pipes) -> None:
    for mutated in mutants("payload-size", pipes):
        now, _, new = mutated.step.what.partition(",")[0].partition(" -> ")
        before, after = mutated.records
        assert wire.numbers_at(before, frozenset({2})) == {2: int(now)}
        assert wire.numbers_at(after, frozenset({2})) == {2: int(new)}
        entry = mutated.after.entries[mutated.index]
        assert entry.payload == mutated.before.entries[mutated.index].payload
        assert mutated.step.place.endswith(".bytes")


@pytest.mark.parametrize("name", ["cut-payload", "grown-payload"])
def test_payloads_of_another_size_than_their_message_says(mutants, pipes, name) -> None:
    for mutated in mutants(name, pipes):
        before, after = mutated.records
        assert before == after
        payload, old = (item.entries[mutated.index].payload for item in (mutated.after, mutated.before))
        assert len(payload) != len(old)
        assert payload.startswith(old) or old.startswith(payload)


def test_payload_noise_leaves_its_size(mutants, pipes) -> None:
    for mutated in mutants("payload-noise", pipes):
        payload, old = (item.entries[mutated.index].payload for item in (mutated.after, mutated.before))
        assert len(payload) == len(old)
        assert payload != old
        assert len(loads(mutated.after.assemble()).entries) == 2


def test_message_length_is_that_of_a_message_in_a_payload(mutants, data) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/ipcns-msg-11.img").read_bytes()
    found = mutants("message-length", image)
    for mutated in found:
        payload = mutated.after.entries[mutated.index].payload
        told = int(mutated.step.what.rpartition(" -> ")[2])
        assert int.from_bytes(payload[:4], "little") == told
    with pytest.raises(DyncritError, match="message of 4294967295 bytes"):
        loads(next(item for item in found if "4294967295" in item.step.what).after.assemble())


def test_every_kind_of_payload_but_the_rest_of_a_file_has_fields_that_decide(schema) -> None:
    for row in schema.table.types:
        for record in row.records:
            fields = deciding_fields(record.payload)
            if record.payload is None:
                assert fields == ()
            elif type(record.payload).__name__ != "Rest":
                assert fields
            descriptor = schema.message(record.message)
            assert all(descriptor.fields_by_number[field.number].name == field.name for field in fields)
