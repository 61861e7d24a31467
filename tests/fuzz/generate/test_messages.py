"""Messages made of a descriptor and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from dyncrit.codec import wire
from dyncrit.codec.names import FLAGS
from dyncrit.errors import DyncritError, SchemaError
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.knobs import Knobs
from dyncrit.fuzz.generate.messages import MessageGenerator
from dyncrit.schema import Schema
from dyncrit.schema.engine import message_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RELEASES = ("1.1", "2.12", "4.2")
SMALL = Knobs(repeated=2, depth=3)


def names_of_records(schema: Schema) -> list[str]:
    return [name for row in schema.table.types for name in row.messages if schema.message(name)]


@pytest.mark.parametrize("release", RELEASES)
def test_every_message_of_images_is_whole_and_as_protobuf_writes_it(release: str) -> None:
    schema = Schema.release(release)
    generator = MessageGenerator(schema, Chance(0), SMALL)
    for name in names_of_records(schema):
        made = schema.message_class(name)
        for seed in range(10):
            record = generator.seeded(Chance(seed)).generate(name)
            message = made.FromString(record)
            assert message.IsInitialized(), name
            assert made.SerializePartialToString(message) == record, name


def test_nothing_optional_and_no_lists_when_the_knobs_say_so() -> None:
    schema = Schema.default()
    record = MessageGenerator(schema, Chance(3), Knobs(optional=0, repeated=0)).generate("reg_file_entry")
    assert [field.number for field in wire.fields(record)] == [1, 2, 3, 5, 6]


def test_all_that_is_optional_is_there_when_the_knobs_say_so() -> None:
    schema = Schema.default()
    record = MessageGenerator(schema, Chance(3), Knobs(optional=100, repeated=0)).generate("mnt_entry")
    wanted = [field.number for field in schema.required_message("mnt_entry").fields]
    assert [field.number for field in wire.fields(record)] == sorted(wanted)


def test_lists_and_texts_are_no_larger_than_the_knobs_say() -> None:
    schema = Schema.default()
    generator = MessageGenerator(schema, Chance(0), Knobs(repeated=3, text=7, interesting=50))
    lengths, sizes = set(), set()
    for seed in range(60):
        message: Any = schema.message_class("creds_entry").FromString(
            generator.seeded(Chance(seed)).generate("creds_entry")
        )
        lengths.add(len(message.groups))
        sizes.add(len(message.lsm_profile.encode()))
    assert lengths == {0, 1, 2, 3}
    assert max(sizes) == 7


def test_interesting_numbers_come_as_often_as_the_knob_says() -> None:
    schema = Schema.default()
    ends = {(1 << 64) - 1, 1 << 63, (1 << 63) - 1, (1 << 63) + 1}

    def share(interesting: int) -> int:
        generator = MessageGenerator(schema, Chance(1), Knobs(interesting=interesting))
        made = schema.message_class("eventfd_file_entry")
        found: list[Any] = [made.FromString(generator.generate("eventfd_file_entry")) for _ in range(300)]
        return sum(entry.counter in ends for entry in found)

    assert share(0) == 0
    assert share(100) > share(30) > 0


def test_flags_have_bits_of_their_map_only() -> None:
    schema = Schema.default()
    generator = MessageGenerator(schema, Chance(0), Knobs(interesting=0))
    known = sum(FLAGS["rfile.flags"].values())
    seen = 0
    for _ in range(50):
        entry: Any = schema.message_class("reg_file_entry").FromString(generator.generate("reg_file_entry"))
        assert entry.flags & ~known == 0
        seen |= entry.flags
    assert seen.bit_count() > 5


def test_addresses_are_those_of_pages() -> None:
    schema = Schema.default()
    generator = MessageGenerator(schema, Chance(0), Knobs(interesting=0))
    for _ in range(20):
        entry: Any = schema.message_class("vma_entry").FromString(generator.generate("vma_entry"))
        assert entry.start % 4096 == entry.end % 4096 == 0
        assert entry.start


def test_the_part_of_a_file_is_the_one_that_its_type_tells() -> None:
    schema = Schema.default()
    generator = MessageGenerator(schema, Chance(0), SMALL)
    types = set()
    for seed in range(60):
        entry: Any = schema.message_class("file_entry").FromString(
            generator.seeded(Chance(seed)).generate("file_entry")
        )
        parts = [value for field, value in entry.ListFields() if field.message_type is not None]
        assert len(parts) == 1
        assert parts[0].id == entry.id
        types.add(entry.type)
    assert len(types) > 8


def test_registers_are_those_of_the_architecture() -> None:
    schema = Schema.default()
    given = MessageGenerator(schema, Chance(0)).generate("core_entry", {"mtype": "AARCH64"})
    core: Any = schema.message_class("core_entry").FromString(given)
    assert [core.HasField(name) for name in ("ti_aarch64", "thread_info", "ti_arm")] == [True, False, False]


def test_given_fields_are_as_they_are_given() -> None:
    schema = Schema.default()
    fields = {"pid": 7, "threads": [7, 8], "ppid": 1, "no_such_field": 1, "sid": 0xFFFFFFFF}
    entry: Any = schema.message_class("pstree_entry").FromString(
        MessageGenerator(schema, Chance(0)).generate("pstree_entry", fields)
    )
    assert (entry.pid, list(entry.threads), entry.ppid, entry.sid) == (7, [7, 8], 1, 0xFFFFFFFF)


def test_a_message_is_given_by_fields_or_as_bytes() -> None:
    schema = Schema.default()
    generator = MessageGenerator(schema, Chance(0), Knobs(optional=0))
    limit = generator.generate("rlimit_entry", {"cur": 1, "max": 2})
    record = generator.generate("core_entry", {"tc": {"rlimits": {"rlimits": [limit, {"cur": 3, "max": 4}]}}})
    core: Any = schema.message_class("core_entry").FromString(record)
    assert [(item.cur, item.max) for item in core.tc.rlimits.rlimits] == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("message", "fields", "told"),
    [
        ("pstree_entry", {"pid": 1 << 32}, "pid: no value of type uint32: the integer 4294967296"),
        ("pstree_entry", {"pid": "one"}, "pid: no value of type uint32: the string 'one'"),
        ("pstree_entry", {"threads": 1}, "threads: expected a list"),
        ("reg_file_entry", {"name": 1}, "name: no value of type string: the integer 1"),
        ("reg_file_entry", {"fown": 1}, "fown: expected a message's fields"),
        ("fdinfo_entry", {"type": "NO_TYPE"}, "type: no value of type enum: the string 'NO_TYPE'"),
    ],
)
def test_what_a_field_cannot_have_is_refused(message: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(DyncritError, match=told):
        MessageGenerator(Schema.default(), Chance(0)).generate(message, fields)


def test_an_unknown_message_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SchemaError, match="did you mean core_entry"):
        MessageGenerator(Schema.default(), Chance(0)).generate("cor_entry")


SCALARS = (
    "double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32 sfixed32 sfixed64 sint32 sint64"
)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], Schema]:
    """Makes a schema of a .proto file's text."""

    def compile_text(text: str) -> Schema:
        (tmp_path / "t.proto").write_text(text)
        return Schema.from_protos(tmp_path, use_cache=False)

    return compile_text


def assert_round_trips(schema: Schema, name: str, knobs: Knobs, seeds: int = 40) -> None:
    made = schema.message_class(name)
    for seed in range(seeds):
        record = MessageGenerator(schema, Chance(seed), knobs).generate(name)
        message = made.FromString(record)
        assert message.IsInitialized()
        assert made.SerializePartialToString(message) == record
        assert message.SerializeToString(deterministic=True) == record


def test_every_type_of_field_is_made_as_protobuf_writes_it(compiled: Callable[[str], Schema]) -> None:
    lines = [
        f"required {kind} a{number} = {3 * number + 1}; optional {kind} b{number} = {3 * number + 2}; "
        f"repeated {kind} c{number} = {3 * number + 3};"
        for number, kind in enumerate(SCALARS.split())
    ]
    packed = [
        f"repeated {kind} p{number} = {number + 100} [packed = true];"
        for number, kind in enumerate(SCALARS.split())
        if kind not in ("string", "bytes")
    ]
    group = "repeated group G = 200 { required int32 x = 1; } oneof one { int32 y = 201; string z = 202; }"
    enum = "enum E { A = 0; B = -1; C = 2147483647; } required E e = 203; repeated E f = 204 [packed = true];"
    text = f'syntax = "proto2"; message every_entry {{ {" ".join((*lines, *packed))} {group} {enum} }}'
    assert_round_trips(compiled(text), "every_entry", Knobs(interesting=30))


def test_fields_without_presence_are_left_out_when_zero(compiled: Callable[[str], Schema]) -> None:
    fields = " ".join(f"{kind} a{number} = {number + 1};" for number, kind in enumerate(SCALARS.split()))
    text = f'syntax = "proto3"; message plain_entry {{ {fields} map<string, int32> m = 50; }}'
    assert_round_trips(compiled(text), "plain_entry", Knobs(interesting=30, optional=90))


def test_only_one_field_of_a_oneof_is_there(compiled: Callable[[str], Schema]) -> None:
    schema = compiled(
        'syntax = "proto2"; message x_entry { oneof w { int32 a = 1; int32 b = 2; int32 c = 3; } }'
    )
    seen = set()
    for seed in range(50):
        record = MessageGenerator(schema, Chance(seed), Knobs(optional=100)).generate("x_entry")
        (field,) = wire.fields(record)
        seen.add(field.number)
    assert seen == {1, 2, 3}
    (given,) = wire.fields(MessageGenerator(schema, Chance(0)).generate("x_entry", {"b": 9}))
    assert (given.number, given.value) == (2, 9)


def test_messages_in_themselves_end(compiled: Callable[[str], Schema]) -> None:
    schema = compiled(
        'syntax = "proto2"; message deep_entry { optional deep_entry one = 1; repeated deep_entry all = 2; }'
    )
    knobs = Knobs(optional=100, repeated=2, depth=5)
    records = [MessageGenerator(schema, Chance(seed), knobs).generate("deep_entry") for seed in range(20)]

    def depth(record: bytes) -> int:
        return max((1 + depth(field.value) for field in wire.fields(record)), default=0)  # type: ignore[arg-type]

    assert max(map(depth, records)) == 5


def test_messages_that_require_themselves_end_too(compiled: Callable[[str], Schema]) -> None:
    schema = compiled('syntax = "proto2"; message loop_entry { required loop_entry again = 1; }')
    record = MessageGenerator(schema, Chance(0)).generate("loop_entry")
    assert 50 <= len(record) < 1000


def test_lists_of_lists_end(compiled: Callable[[str], Schema]) -> None:
    schema = compiled("message tree { repeated tree children = 1; required uint32 value = 2; }")
    record = MessageGenerator(schema, Chance(0), Knobs(repeated=40, depth=12)).generate("tree")
    assert 1 << 16 < len(record) < 16 << 20


def test_a_descriptor_serves_as_well_as_a_name() -> None:
    schema = Schema.default()
    descriptor = schema.required_message("fown_entry")
    assert MessageGenerator(schema, Chance(5)).generate(descriptor) == MessageGenerator(
        schema, Chance(5)
    ).generate("fown_entry")
    assert message_class(descriptor).FromString(MessageGenerator(schema, Chance(5)).generate(descriptor))


def test_a_schema_whose_fields_are_declared_in_another_order_gives_the_same_bytes(tmp_path: Path) -> None:
    def schema(order: tuple[int, ...]) -> Schema:
        file = FileDescriptorProto(name="o.proto", syntax="proto2")
        message = file.message_type.add(name="o_entry")
        for number in order:
            message.field.add(name=f"f{number}", number=number, type=13, label=2)
        target = tmp_path / f"{order[0]}.set"
        target.write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
        return Schema.from_descriptor_set(target)

    first, second = (
        MessageGenerator(schema(order), Chance(9)).generate("o_entry") for order in ((1, 2, 3), (3, 1, 2))
    )
    assert first == second
