from __future__ import annotations

import pytest

from dyncrit.codec import wire
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.mutate.spot import pick, pick_message


@pytest.fixture
def record(core, schema) -> bytes:
    return Anatomy.of(core, schema).entries[0].record


@pytest.mark.parametrize("seed", range(40))
def test_a_field_put_in_its_own_place_changes_nothing(record, schema, seed) -> None:
    spot = pick(record, schema.message("core_entry"), Chance(seed))
    assert spot.replaced(spot.content) == record


@pytest.mark.parametrize("seed", range(40))
def test_lengths_around_a_replaced_field_are_made_to_fit(record, schema, seed) -> None:
    spot = pick(record, schema.message("core_entry"), Chance(seed))
    new = wire.encode_field(99, wire.LENGTH, bytes(300))
    changed = spot.replaced(new)
    message = schema.message_class("core_entry")()
    assert message.MergeFromString(changed) == len(changed)
    assert new in changed


def test_every_field_of_a_record_is_picked_by_some_seed(record, schema) -> None:
    paths = {pick(record, schema.message("core_entry"), Chance(seed)).path for seed in range(400)}
    assert {"mtype", "tc", "tc.task_state", "tc.comm", "thread_core", "thread_core.futex_rla"} <= paths


@pytest.mark.parametrize("seed", range(40))
def test_a_message_put_in_its_own_place_changes_nothing(record, schema, seed) -> None:
    place = pick_message(record, schema.message("core_entry"), Chance(seed))
    assert place.replaced(place.content) == record


def test_messages_are_picked_at_any_depth(record, schema) -> None:
    paths = {pick_message(record, schema.message("core_entry"), Chance(seed)).path for seed in range(200)}
    assert paths == {"", "tc", "thread_core"}


@pytest.mark.parametrize("content", [b"", b"\xff", b"\x00\x01", b"\x0a\x7f", b"\x08", b"\x0b", b"\xff" * 30])
def test_bytes_that_are_no_message_have_no_field(content, schema) -> None:
    for seed in range(10):
        assert pick(content, schema.message("core_entry"), Chance(seed)) is None


def test_fields_before_damage_are_picked(record, schema) -> None:
    paths = {
        pick(record + b"\x0a\x7f", schema.message("core_entry"), Chance(seed)).path for seed in range(200)
    }
    assert {"mtype", "tc.comm"} <= paths


def test_unknown_fields_go_by_their_number(schema) -> None:
    record = wire.encode_field(77, wire.VARINT, 1)
    spot = pick(record, schema.message("core_entry"), Chance(0))
    assert (spot.path, spot.descriptor) == ("77", None)
