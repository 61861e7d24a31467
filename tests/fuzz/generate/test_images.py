"""Images made of the image table and chance."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import Image, dumps, load
from dyncrit.errors import DyncritError, SchemaError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.images import (
    ImageGenerator,
    file_name,
    find_type,
    find_types,
    known_types,
    usual_name,
)
from dyncrit.fuzz.generate.knobs import Knobs
from dyncrit.schema import Schema
from dyncrit.schema.layout import (
    Array,
    Counted,
    FieldNumber,
    ImageType,
    Parts,
    RecordLayout,
    Rest,
    Submessages,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.schema.layout import PayloadLayout
    from dyncrit.types import ByteOrder

SEEDS = 50

FIXED = {
    ("CORE", 7): "69265f320f1b5f0f",
    ("PAGEMAP", 7): "7037ad81b337e89b",
    ("FILES", 1): "c4d7f59a21c6a327",
    ("IPCNS_MSG", 3): "a91c4daba017b5f9",
    ("all", 0): "b4af1a8f2c68df27",
}


def read(data: bytes, name: str, schema: Schema) -> Image:
    file = io.BytesIO(data)
    file.name = name
    return load(file, schema=schema)


def assert_valid(data: bytes, row: ImageType, schema: Schema) -> None:
    image = read(data, usual_name(row), schema)
    assert image.type.name == row.name
    assert dumps(image) == data
    document: Any = image.to_dict(pretty=True)
    assert not [key for entry in document["entries"] for key in entry if key.startswith("@")]
    assert dumps(Image.from_dict(document, schema=schema)) == data


@pytest.mark.parametrize("release", ["1.1", "2.12", "4.2"])
def test_every_type_is_read_and_written_again_to_the_same_bytes(release: str) -> None:
    schema = Schema.release(release)
    template = ImageGenerator(schema, Chance(0))
    for row in known_types(schema):
        for seed in range(SEEDS):
            assert_valid(template.seeded(Chance(seed).child(row.name)).generate(row), row, schema)


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("framing", ["v1.0", "common", "service"])
def test_every_head_and_byte_order_is_read(framing: Any, byte_order: ByteOrder) -> None:
    schema = Schema.default()
    template = ImageGenerator(schema, Chance(0))
    for row in known_types(schema):
        data = template.seeded(Chance(5)).generate(row, framing=framing, byte_order=byte_order)
        image = read(data, usual_name(row), schema)
        assert dumps(image) == data
        assert (image.frame.framing, image.frame.byte_order) == (
            (framing, byte_order) if row.magic is not None else ("v1.0", byte_order)
        )


def test_entries_are_as_many_as_the_knobs_say() -> None:
    schema = Schema.default()
    template = ImageGenerator(schema, Chance(0), Knobs(entries=3))
    counts = {len(template.seeded(Chance(seed)).anatomy("PSTREE").entries) for seed in range(SEEDS)}
    assert counts == {0, 1, 2, 3}
    assert len(template.anatomy("PSTREE", count=9).entries) == 9


def test_a_pagemap_has_a_head_that_is_not_counted() -> None:
    anatomy = ImageGenerator(Schema.default(), Chance(0)).anatomy("PAGEMAP", count=2)
    assert [anatomy.message_name(index) for index in range(3)] == [
        "pagemap_head",
        "pagemap_entry",
        "pagemap_entry",
    ]
    assert len(anatomy.entries) == 3


def test_a_deleted_file_has_all_its_bytes_in_one_run_or_in_chunks() -> None:
    schema = Schema.default()
    template = ImageGenerator(schema, Chance(0))
    kinds = set()
    for seed in range(SEEDS):
        image: Any = template.seeded(Chance(seed)).generate("GHOST_FILE", count=3)
        entries = read(image, "ghost-file-1.img", schema).entries
        is_chunked = entries[0].message.chunks
        assert len(entries) == (3 if is_chunked else 1)
        kinds.add(is_chunked)
    assert kinds == {True, False}


LAYOUTS: tuple[PayloadLayout, ...] = (
    Counted((FieldNumber("a", 1),)),
    Counted((FieldNumber("a", 1), FieldNumber("b", 2)), align=16, unless=FieldNumber("off", 3)),
    Parts((("first", FieldNumber("a", 1)), ("second", FieldNumber("b", 2)))),
    Rest(),
    Rest(unless=FieldNumber("off", 3)),
    Array(FieldNumber("a", 1), width=4, align=8),
    Submessages(FieldNumber("a", 1), "part", FieldNumber("size", 1), align=8),
    Counted((FieldNumber("gone", 77),)),
    Submessages(FieldNumber("a", 1), "no_such_message", FieldNumber("size", 1)),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_payloads_of_every_kind_are_as_large_as_their_fields_say(
    layout: PayloadLayout, byte_order: ByteOrder, tmp_path: Path
) -> None:
    (tmp_path / "p.proto").write_text(
        'syntax = "proto2"; message p_entry { required uint32 a = 1; optional uint32 b = 2; '
        "optional bool off = 3; } message part { required uint32 size = 1; }"
    )
    schema = Schema.from_protos(tmp_path, use_cache=False)
    row = ImageType("P", 0x12345678, (RecordLayout("p_entry", layout),), ("p.img",))
    schema = schema.with_table(schema.table.overlaid([row]))
    sizes = set()
    for seed in range(30):
        data = ImageGenerator(schema, Chance(seed)).generate("P", byte_order=byte_order)
        assert dumps(read(data, "p.img", schema)) == data
        sizes.update(len(entry.payload) for entry in Anatomy.of(data, schema).entries)
    has_none = "gone" in repr(layout) or "no_such" in repr(layout)
    assert (sizes == {0}) == has_none


def test_a_file_without_a_magic_is_told_by_its_name() -> None:
    schema = Schema.default()
    row = find_type(schema, "AMDGPU_KFD")
    assert file_name(row, "0012") == "amdgpu-kfd-0012.img"
    assert schema.table.by_file_name(file_name(row, "0012")) is row
    assert len(ImageGenerator(schema, Chance(0)).anatomy(row, count=5).entries) == 1


def test_the_usual_name_tells_the_type() -> None:
    schema = Schema.default()
    for row in schema.table.types:
        assert schema.table.by_file_name(usual_name(row)) is row


def test_all_stands_for_the_types_that_the_schema_knows() -> None:
    old = Schema.release("1.1")
    names = [row.name for row in find_types(old, ["CORE", "all", "CORE"])]
    assert len(names) == len(set(names)) == 50
    assert "FILES" not in names


def test_names_are_found_in_any_case_and_by_alias() -> None:
    schema = Schema.default()
    assert find_type(schema, "core").name == "CORE"
    assert find_type(schema, "SHMEM_PAGEMAP").name == "PAGEMAP"


def test_a_type_that_there_is_not_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(DyncritError, match="no image type 'CORES'; did you mean CORE"):
        find_type(Schema.default(), "CORES")
    with pytest.raises(SchemaError, match=r"CRIU 1\.1: no message 'file_entry', of which FILES images are"):
        find_type(Schema.release("1.1"), "FILES")
    with pytest.raises(SchemaError, match="no message"):
        find_type(Schema.default(), "0x12345678")


@pytest.mark.parametrize(("name", "seed"), FIXED)
def test_the_same_seed_gives_the_same_bytes_everywhere(name: str, seed: int) -> None:
    schema = Schema.release("4.2")
    rows = find_types(schema, [name])
    template = ImageGenerator(schema, Chance(seed))
    digest = hashlib.sha256()
    for index in range(200):
        digest.update(template.seeded(Chance(seed).child(index)).generate(rows[index % len(rows)]))
    assert digest.hexdigest()[:16] == FIXED[name, seed]
