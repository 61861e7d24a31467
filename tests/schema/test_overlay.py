from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema.layout import (
    Array,
    Counted,
    FieldNumber,
    ImageType,
    Parts,
    PayloadLayout,
    RecordLayout,
    Rest,
    Submessages,
)
from dyncrit.schema.overlay import read_overlay
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


_FULL = """
- name: NEW_QUEUE
  magic: 0x12345678
  files: [new-queue-%u.img, queue.img]
  head: service
  aliases: [QUEUE]
  length_size: 8
  records:
    - {message: queue_head, counted: false}
    - message: queue_entry
      payload: {kind: counted, lengths: [{name: bytes, number: 2}], align: 8, unless: {name: gone, number: 3}}
"""


def test_row_says_all_that_the_table_holds(overlay: Path) -> None:
    overlay.write_text(_FULL)
    payload = Counted((FieldNumber("bytes", 2),), 8, FieldNumber("gone", 3))
    records = (RecordLayout("queue_head", None, counted=False), RecordLayout("queue_entry", payload))
    files = ("new-queue-%u.img", "queue.img")
    assert read_overlay(overlay) == (
        ImageType("NEW_QUEUE", 0x12345678, records, files, "service", ("QUEUE",), 8),
    )


def test_what_a_row_leaves_out_is_as_in_most_images(overlay: Path) -> None:
    overlay.write_text("- {name: A, magic: 1, records: [{message: a_entry}]}")
    assert read_overlay(overlay) == (ImageType("A", 1, (RecordLayout("a_entry"),)),)


def test_row_without_a_magic_is_for_files_that_have_none(overlay: Path) -> None:
    overlay.write_text("- {name: A, head: none, files: [a-%u.img], records: [{message: a_entry}]}")
    (row,) = read_overlay(overlay)
    assert row.magic is None
    assert ImageTable().overlaid([row]).by_file_name("a-1.img") is row


_COUNT = FieldNumber("n", 1)


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("{kind: counted, lengths: [{name: n, number: 1}]}", Counted((_COUNT,))),
        (
            "{kind: parts, parts: [{part: in, name: n, number: 1}, {part: out, name: m, number: 2}]}",
            Parts((("in", _COUNT), ("out", FieldNumber("m", 2)))),
        ),
        ("{kind: rest}", Rest()),
        ("{kind: rest, unless: {name: n, number: 1}}", Rest(_COUNT)),
        ("{kind: array, count: {name: n, number: 1}, width: 2, align: 8}", Array(_COUNT, 2, 8)),
        (
            "{kind: submessages, count: {name: n, number: 1}, message: m_entry, length: {name: size, number: 2}}",
            Submessages(_COUNT, "m_entry", FieldNumber("size", 2)),
        ),
    ],
)
def test_every_kind_of_payload(overlay: Path, text: str, payload: PayloadLayout) -> None:
    overlay.write_text(f"- {{name: A, magic: 1, records: [{{message: a_entry, payload: {text}}}]}}")
    (row,) = read_overlay(overlay)
    assert row.records == (RecordLayout("a_entry", payload),)


def test_rows_replace_and_add(overlay: Path) -> None:
    overlay.write_text(
        "- {name: CORE, magic: 0x55053847, records: [{message: my_core_entry}]}\n"
        "- {name: MINE, magic: 0x12121212, records: [{message: mine_entry}]}\n"
    )
    table = ImageTable().overlaid(read_overlay(overlay))
    core, mine = table.by_magic(0x55053847), table.by_magic(0x12121212)
    assert core is not None
    assert core.messages == ("my_core_entry",)
    assert mine is not None
    assert mine.name == "MINE"
    assert len(table.types) == len(ImageTable().types) + 1


def test_empty_list_changes_nothing(overlay: Path) -> None:
    overlay.write_text("[]")
    assert read_overlay(overlay) == ()


_NOT_ROWS = ["", "name: A", "just text", "42", "2025-01-01"]


@pytest.mark.parametrize("text", _NOT_ROWS)
def test_file_that_is_no_list_is_named(overlay: Path, text: str) -> None:
    overlay.write_text(text)
    with pytest.raises(SchemaError, match="expected a list of rows") as caught:
        read_overlay(overlay)
    assert caught.value.place == (str(overlay),)


@pytest.mark.parametrize(
    "text",
    [
        b"\t- a",
        b"- [",
        b"- a: b: c",
        b"- \xff\xfe",
        b"- \x00",
        b"- *nowhere",
        b"- !!python/object:os.system {}",
        b"- {[]: 1}",
        b"- {name: A, magic: 0x_}",
        b"- {name: A, magic: 2025-13-01}",
        b"- {name: !!bool perhaps}",
        b"- {name: A, magic: " + b"1" * 5000 + b"}",
        b"[" * 10_000,
    ],
)
def test_file_that_is_no_yaml_is_named(overlay: Path, text: bytes) -> None:
    overlay.write_bytes(text)
    with pytest.raises(SchemaError, match="not a YAML file") as caught:
        read_overlay(overlay)
    assert caught.value.place[0] == str(overlay)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.yaml", ""])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read_overlay(tmp_path / name)
    assert caught.value.place == (str(tmp_path / name),)


_RECORDS = "records: [{message: m}]"


def _with_payload(text: str) -> str:
    return f"{{name: A, magic: 1, records: [{{message: m, payload: {text}}}]}}"


_BAD_ROWS = [
    ("42", (), "keys and values"),
    ("[name, A]", (), "keys and values"),
    ("null", (), "keys and values"),
    (f"{{magic: 1, {_RECORDS}}}", (), "name"),
    (f"{{name: 7, magic: 1, {_RECORDS}}}", (), "name"),
    (f"{{name: '', magic: 1, {_RECORDS}}}", (), "name"),
    (f"{{name: A, nmae: B, {_RECORDS}}}", (), "nmae"),
    (f"{{name: A, 7: B, {_RECORDS}}}", (), "7"),
    (f"{{name: A, magic: '0x1', {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: -1, {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: 0x100000000, {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: true, {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: 1.5, {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: null, {_RECORDS}}}", (), "magic"),
    (f"{{name: A, magic: 1, head: some, {_RECORDS}}}", (), "head"),
    (f"{{name: A, magic: 1, head: null, {_RECORDS}}}", (), "head"),
    (f"{{name: A, magic: 1, files: a.img, {_RECORDS}}}", (), "files"),
    (f"{{name: A, magic: 1, files: [7], {_RECORDS}}}", (), "files"),
    (f"{{name: A, magic: 1, aliases: {{}}, {_RECORDS}}}", (), "aliases"),
    (f"{{name: A, magic: 1, length_size: 2, {_RECORDS}}}", (), "length_size"),
    ("{name: A, magic: 1}", (), "records"),
    ("{name: A, magic: 1, records: []}", (), "records"),
    ("{name: A, magic: 1, records: {message: m}}", (), "records"),
    ("{name: A, magic: 1, records: [m]}", ("records[0]",), "keys and values"),
    ("{name: A, magic: 1, records: [{message: m}, {}]}", ("records[1]",), "message"),
    ("{name: A, magic: 1, records: [{message: m, counted: 1}]}", ("records[0]",), "counted"),
    ("{name: A, magic: 1, records: [{message: m, size: 1}]}", ("records[0]",), "size"),
    (_with_payload("counted"), ("records[0]", "payload"), "keys and values"),
    (_with_payload("{}"), ("records[0]", "payload"), "kind"),
    (_with_payload("{kind: magic}"), ("records[0]", "payload"), "kind"),
    (_with_payload("{kind: counted}"), ("records[0]", "payload"), "lengths"),
    (_with_payload("{kind: counted, lengths: []}"), ("records[0]", "payload"), "lengths"),
    (_with_payload("{kind: counted, length: []}"), ("records[0]", "payload"), "length"),
    (
        _with_payload("{kind: counted, lengths: [{name: n}]}"),
        ("records[0]", "payload", "lengths[0]"),
        "number",
    ),
    (
        _with_payload("{kind: counted, lengths: [{name: n, number: two}]}"),
        ("records[0]", "payload", "lengths[0]"),
        "number",
    ),
    (
        # No message has a field 0: the payload would silently be empty.
        _with_payload("{kind: counted, lengths: [{name: n, number: 0}]}"),
        ("records[0]", "payload", "lengths[0]"),
        "number",
    ),
    (
        _with_payload("{kind: counted, lengths: [{name: n, number: 1}], align: 0}"),
        ("records[0]", "payload"),
        "align",
    ),
    (
        _with_payload("{kind: counted, lengths: [{name: n, number: 1}], unless: gone}"),
        ("records[0]", "payload", "unless"),
        "keys and values",
    ),
    (
        _with_payload("{kind: parts, parts: [{name: n, number: 1}]}"),
        ("records[0]", "payload", "parts[0]"),
        "part",
    ),
    (_with_payload("{kind: rest, align: 8}"), ("records[0]", "payload"), "align"),
    (_with_payload("{kind: array, width: 2}"), ("records[0]", "payload"), "count"),
    (
        _with_payload("{kind: array, count: {name: n, number: 1}, width: 3}"),
        ("records[0]", "payload"),
        "width",
    ),
    (
        _with_payload("{kind: submessages, count: {name: n, number: 1}, message: m}"),
        ("records[0]", "payload"),
        "length",
    ),
    (
        _with_payload("{kind: submessages, count: {name: n, number: 1}, length: {name: n, number: 2}}"),
        ("records[0]", "payload"),
        "message",
    ),
]


@pytest.mark.parametrize(("row", "place", "key"), _BAD_ROWS)
def test_error_names_file_row_and_key(overlay: Path, row: str, place: tuple[str, ...], key: str) -> None:
    overlay.write_text(f"- {{name: GOOD, magic: 9, {_RECORDS}}}\n- {row}\n")
    with pytest.raises(SchemaError) as caught:
        read_overlay(overlay)
    file, where, *rest = caught.value.place
    assert (file, tuple(rest)) == (str(overlay), place)
    assert where.startswith("row 1")
    assert key in caught.value.problem


@pytest.mark.parametrize(
    "second", ["name: A, magic: 2", "name: B, magic: 1"], ids=["same name", "same magic"]
)
def test_rows_that_exclude_each_other_are_an_error(overlay: Path, second: str) -> None:
    # One of them would be read by its magic and written with the other's.
    overlay.write_text(f"- {{name: A, magic: 1, {_RECORDS}}}\n- {{{second}, {_RECORDS}}}\n")
    with pytest.raises(SchemaError) as caught:
        read_overlay(overlay)
    assert caught.value.place[0] == str(overlay)
