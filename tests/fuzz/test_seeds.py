"""The seed corpus."""

from __future__ import annotations

import io

import pytest

from dyncrit import dumps, load
from dyncrit.fuzz.generate.images import find_type, known_types
from dyncrit.fuzz.seeds import seed_images
from dyncrit.schema import ImageTable, ImageType, Schema


@pytest.mark.parametrize("release", ["1.1", "4.2"])
def test_there_is_a_small_valid_image_of_each_type(release: str) -> None:
    schema = Schema.release(release)
    found = set()
    for name, data in seed_images(schema):
        file = io.BytesIO(data)
        file.name = name
        image = load(file, schema=schema)
        assert dumps(image) == data
        assert image.entries
        assert len(data) < 1024
        found.add(image.type.name)
    assert found == {row.name for row in known_types(schema)}


def test_every_kind_of_head_and_byte_order_is_there_once() -> None:
    heads = []
    for name, data in seed_images(Schema.default()):
        parts = name.split(".")
        if len(parts) == 4 or "v1.0" in name:
            image = load(io.BytesIO(data), schema=Schema.default())
            heads.append((image.frame.framing, image.frame.byte_order))
    assert sorted(heads) == [
        ("common", "big"),
        ("service", "big"),
        ("service", "little"),
        ("v1.0", "big"),
        ("v1.0", "little"),
    ]


def test_names_are_unique_and_the_images_always_the_same() -> None:
    first, second = (list(seed_images(Schema.release("4.2"))) for _ in range(2))
    assert first == second
    assert len({name for name, _ in first}) == len(first)


def test_most_fields_are_there() -> None:
    schema = Schema.default()
    images = dict(seed_images(schema))
    (entry,) = load(io.BytesIO(images["core-1.img"]), schema=schema).entries
    assert entry.message.tc.HasField("timers")
    assert entry.message.thread_core.HasField("creds")


def only(row: ImageType) -> Schema:
    """A schema that knows this type of images alone."""
    return Schema.release("4.2").with_table(ImageTable([row]))


def test_heads_are_there_when_all_types_have_payloads() -> None:
    names = [name for name, _ in seed_images(only(find_type(Schema.default(), "PIPES_DATA")))]
    assert len(names) == 6
    assert "pipes-data.service.big.img" in names


def test_images_without_a_magic_have_one_head() -> None:
    row = find_type(Schema.default(), "PSTREE")._replace(magic=None)
    assert [name for name, _ in seed_images(only(row))] == ["pstree.img"]
