from __future__ import annotations

from dyncrit import Schema
from dyncrit.codec.names import DICTS, FLAGS
from dyncrit.schema.options import criu_options


def test_every_map_that_the_newest_schema_refers_to_is_there() -> None:
    schema = Schema.default()
    fields = [field for name in schema.message_names for field in schema.required_message(name).fields]
    wanted = {criu_options(field).flags for field in fields} - {""}
    assert wanted == set(FLAGS)
    dicts = {(criu_options(field).dict, field.name) for field in fields if criu_options(field).dict}
    assert dicts == {(name, field) for name, by_field in DICTS.items() for field in by_field}


def test_flags_have_a_bit_each() -> None:
    for flags in FLAGS.values():
        bits = [bit for bit in flags.values() if bit]
        assert all(bit.bit_count() == 1 for bit in bits)
        assert len(set(bits)) == len(bits)


def test_names_are_unique_and_no_numbers() -> None:
    for by_field in DICTS.values():
        for names in by_field.values():
            assert len(set(names.values())) == len(names)
            assert not any(name[0].isdigit() for name in names.values())
