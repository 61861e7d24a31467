from __future__ import annotations

import csv
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.schema.catalogue import history
from dyncrit.schema.images import IMAGE_TYPES, IMG_COMMON, IMG_SERVICE, RAW_FORMATS
from dyncrit.schema.layout import Array, Counted, FieldNumber, ImageType, Parts, RawFormat, Rest, Submessages
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEVELOPMENT_MESSAGES = {"criu_dmabuf_node"}  # newer than the newest release
_PLUGIN_ROWS = {"AMDGPU_KFD", "AMDGPU_RENDER", "AMDGPU_DMABUF"}
_ROWS = pytest.mark.parametrize("row", IMAGE_TYPES, ids=lambda row: row.name)
_RAW_ROWS = pytest.mark.parametrize("row", RAW_FORMATS, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def magics(facts: Path) -> list[dict[str, str]]:
    """The rows of the facts on magics whose images hold messages."""
    with (facts / "magics.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row for row in rows if re.match(r"\w+_entry|\w+_head", row["message"]) and row["value"] != "-"]


def test_facts_are_read(magics: list[dict[str, str]]) -> None:
    assert len(magics) > 60


def test_every_magic_has_a_row_by_its_name_and_by_its_value(magics: list[dict[str, str]]) -> None:
    table = ImageTable()
    for fact in magics:
        row = table.by_name(fact["magic"])
        assert row is not None, fact["magic"]
        assert row.magic == int(fact["value"], 16), fact["magic"]
        assert table.by_magic(int(fact["value"], 16)) is row, fact["magic"]


def test_head_messages_and_file_name_are_those_of_criu(magics: list[dict[str, str]]) -> None:
    table = ImageTable()
    for fact in magics:
        row = table.by_name(fact["magic"])
        assert row is not None, fact["magic"]
        assert row.head == fact["head_magic(>=v1.6)"], fact["magic"]
        assert list(row.messages) == re.findall(r"\w+", fact["message"]), fact["magic"]
        assert fact["file_v4.2"] in row.files, fact["magic"]


def test_rows_with_a_payload_are_those_of_criu(magics: list[dict[str, str]]) -> None:
    table = ImageTable()
    for fact in magics:
        row = table.by_name(fact["magic"])
        assert row is not None, fact["magic"]
        assert row.has_payload == (fact["extra"] not in ("none", "pagemap")), fact["magic"]


def test_no_row_is_made_up(magics: list[dict[str, str]]) -> None:
    known = {fact["magic"] for fact in magics if not fact["alias_of"]}
    assert {row.name for row in IMAGE_TYPES} - _PLUGIN_ROWS == known


def test_images_of_plugins_have_a_long_length_and_no_magic() -> None:
    rows = [row for row in IMAGE_TYPES if row.name in _PLUGIN_ROWS]
    assert len(rows) == 3
    assert {(row.magic, row.head, row.length_size) for row in rows} == {(None, "none", 8)}


def test_no_two_rows_share_a_magic() -> None:
    magics = Counter(row.magic for row in IMAGE_TYPES if row.magic is not None)
    assert [magic for magic, count in magics.items() if count > 1] == []


def test_no_row_has_the_magic_of_a_head() -> None:
    assert {IMG_COMMON, IMG_SERVICE}.isdisjoint(row.magic for row in IMAGE_TYPES)


def test_no_name_or_alias_stands_for_two_rows() -> None:
    names = Counter(name for row in IMAGE_TYPES for name in (row.name, *row.aliases))
    assert [name for name, count in names.items() if count > 1] == []


@_ROWS
def test_messages_are_in_the_newest_schema(row: ImageType) -> None:
    known = set(Schema.default().message_names) | _DEVELOPMENT_MESSAGES
    assert set(row.messages) <= known


@_ROWS
def test_payload_fields_have_the_numbers_and_names_they_have_in_every_release(row: ImageType) -> None:
    for record in row.records:
        for message, field in _payload_fields(record.message, record.payload):
            rows = [known for known in history().messages[message].fields if known.number == field.number]
            assert {known.name for known in rows} == {field.name}


@_ROWS
def test_file_names_lead_back_to_the_row(row: ImageType) -> None:
    assert row.files
    for name in map(_example, row.files):
        assert ImageTable().by_file_name(name) is row
        assert ImageTable().raw_by_file_name(name) is None


@_RAW_ROWS
def test_raw_file_names_lead_back_to_the_raw_row(row: RawFormat) -> None:
    for name in map(_example, row.files):
        assert ImageTable().raw_by_file_name(name) is row
        assert ImageTable().by_file_name(name) is None


@_RAW_ROWS
def test_raw_contents_lead_back_to_the_raw_row(row: RawFormat) -> None:
    for start in row.starts:
        assert ImageTable().raw_by_content(start + b" and more") is row


@_RAW_ROWS
def test_a_raw_format_can_be_told_by_something(row: RawFormat) -> None:
    assert row.describes
    assert row.files or row.starts or row.magic


def test_raw_contents_are_no_magics() -> None:
    starts = {start[:4] for row in RAW_FORMATS for start in row.starts}
    magics = [row.magic for row in IMAGE_TYPES if row.magic is not None] + [IMG_COMMON, IMG_SERVICE]
    assert starts.isdisjoint(magic.to_bytes(4, order) for magic in magics for order in ("little", "big"))


def test_real_images_have_the_magic_and_head_of_the_row_for_their_name(images: list[Path]) -> None:
    table, seen = ImageTable(), set()
    for path in (path for path in images if path.name != "parent"):
        row = table.by_file_name(path.name)
        if row is None:
            assert table.raw_by_file_name(path.name), path
            continue
        words = [int.from_bytes(path.read_bytes()[at : at + 4], "little") for at in (0, 4)]
        heads = {"none": [], "common": [IMG_COMMON], "service": [IMG_SERVICE]}
        assert words[0] == row.magic or words == [*heads[row.head], row.magic], path
        seen.add(row.name)
    assert len(seen) > 20


def _payload_fields(message: str, payload: object) -> Iterator[tuple[str, FieldNumber]]:
    match payload:
        case Counted(lengths, _, unless):
            yield from ((message, field) for field in (*lengths, unless) if field)
        case Parts(parts):
            yield from ((message, field) for _, field in parts)
        case Rest(unless) if unless:
            yield message, unless
        case Array(count):
            yield message, count
        case Submessages(count, inner, length):
            yield message, count
            yield inner, length


def _example(c_format: str) -> str:
    for conversion, text in (("%lu", "17"), ("%u", "17"), ("%d", "17"), ("%x", "1f"), ("%s", "dump")):
        c_format = c_format.replace(conversion, text)
    return c_format
