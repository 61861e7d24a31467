from __future__ import annotations

import pytest

from dyncrit.schema.images import IMAGE_TYPES
from dyncrit.schema.layout import ImageType, RawFormat, RecordLayout
from dyncrit.schema.table import ImageTable, matches, unnamed_type

_DEMO = ImageType("DEMO", 0x1234, (RecordLayout("demo_entry"),), ("demo-%u.img",), aliases=("OLD_DEMO",))


def test_type_is_found_by_magic_name_alias_and_file_name() -> None:
    table = ImageTable((_DEMO,))
    found = [table.by_magic(0x1234), table.by_name("DEMO"), table.by_name("OLD_DEMO")]
    assert [*found, table.by_file_name("demo-7.img")] == [_DEMO] * 4


def test_unknown_magic_name_and_file_name_give_nothing() -> None:
    table = ImageTable((_DEMO,))
    assert table.by_magic(0x4321) is None
    assert table.by_name("demo") is None
    assert table.by_file_name("demo.img") is None
    assert table.raw_by_file_name("demo-7.img") is None


def test_a_number_names_a_magic_that_has_no_name() -> None:
    row = ImageTable().by_name("0x0000ABCD")
    assert row == unnamed_type(0xABCD)
    assert row.name == "0x0000ABCD"
    assert row.messages == ("",)


def test_a_number_names_a_known_magic_as_well() -> None:
    assert ImageTable((_DEMO,)).by_name("0x00001234") is _DEMO


@pytest.mark.parametrize("name", ["0x123", "0x123456789", "0xGGGGGGGG", "12345678", "0x12345678\n", ""])
def test_other_spellings_of_numbers_are_no_names(name: str) -> None:
    assert ImageTable().by_name(name) is None


def test_a_name_goes_before_an_alias() -> None:
    aliased = ImageType("OTHER", 2, (RecordLayout("m"),), aliases=("DEMO",))
    assert ImageTable((aliased, _DEMO)).by_name("DEMO") is _DEMO


def test_first_of_two_rows_with_a_magic_wins() -> None:
    assert ImageTable((_DEMO, _DEMO._replace(name="LATER"))).by_magic(0x1234) is _DEMO


def test_names_are_sorted() -> None:
    names = ImageTable().names
    assert names == sorted(row.name for row in IMAGE_TYPES)


@pytest.mark.parametrize(
    ("name", "c_format"),
    [
        ("core-1.img", "core-%u.img"),
        ("core-4294967295.img", "core-%u.img"),
        ("pagemap-18446744073709551615.img", "pagemap-%lu.img"),
        ("filelocks--1.img", "filelocks-%d.img"),
        ("ghost-file-deadbeef.img", "ghost-file-%x.img"),
        ("buffers-00ff.img", "buffers-%04x.img"),
        ("stats-dump", "stats-%s"),
        ("a-1-b-2", "a-%u-b-%d"),
    ],
)
def test_file_names_that_a_format_makes(name: str, c_format: str) -> None:
    assert matches(name, (c_format,))


@pytest.mark.parametrize(
    ("name", "c_format"),
    [
        ("core-.img", "core-%u.img"),
        ("core--1.img", "core-%u.img"),
        ("core-1.img.bak", "core-%u.img"),
        ("core-1ximg", "core-%u.img"),
        ("xcore-1.img", "core-%u.img"),
        ("core-a.img", "core-%u.img"),
        ("core-1.img\n", "core-%u.img"),
        ("ghost-file-XYZ.img", "ghost-file-%x.img"),
        ("stats-", "stats-%s"),
    ],
)
def test_file_names_that_a_format_does_not_make(name: str, c_format: str) -> None:
    assert not matches(name, (c_format,))


def test_any_of_several_formats_will_do() -> None:
    assert matches("b-2.img", ("a-%u.img", "b-%u.img"))
    assert not matches("b-2.img", ())


def test_raw_format_is_found_by_content() -> None:
    raw = RawFormat("RAW", "a demo", starts=(b"one", b"two"))
    table = ImageTable((), (RawFormat("NEVER", "cannot be told by content"), raw))
    assert table.raw_by_content(b"two and more") is raw
    assert table.raw_by_content(b"tw") is None
    assert table.raw_by_content(b"") is None


def test_overlaid_rows_are_added() -> None:
    table = ImageTable().overlaid([_DEMO])
    assert table.by_name("DEMO") is _DEMO
    assert set(table.types) == {_DEMO, *IMAGE_TYPES}


def test_overlaid_row_replaces_the_one_of_its_name() -> None:
    core = ImageType("CORE", 0x1234, (RecordLayout("my_core_entry"),))
    table = ImageTable().overlaid([core])
    assert table.by_name("CORE") is core
    assert table.by_magic(0x55053847) is None
    assert table.by_file_name("core-1.img") is None


def test_overlaid_row_replaces_the_one_of_its_magic() -> None:
    mine = ImageType("MY_CORE", 0x55053847, (RecordLayout("core_entry"),))
    table = ImageTable().overlaid([mine])
    assert table.by_magic(0x55053847) is mine
    assert table.by_name("CORE") is None


def test_overlaid_row_without_a_magic_replaces_no_other_such_row() -> None:
    mine = ImageType("MY_PLUGIN", None, (RecordLayout("plugin_entry"),))
    table = ImageTable().overlaid([mine])
    assert table.by_name("AMDGPU_KFD") is not None
    assert table.by_name("MY_PLUGIN") is mine


def test_overlay_keeps_raw_formats_and_the_table_it_starts_from() -> None:
    plain = ImageTable()
    assert plain.overlaid([_DEMO]).raw_formats == plain.raw_formats
    assert plain.by_name("DEMO") is None


def test_new_magic_gets_the_message_that_crius_rule_names() -> None:
    row = ImageTable().with_magics({"NEW_QUEUE": 0x12121212}).by_magic(0x12121212)
    assert row == ImageType("NEW_QUEUE", 0x12121212, (RecordLayout("new_queue_entry"),))


def test_known_magic_under_another_name_adds_nothing() -> None:
    table = ImageTable()
    assert table.with_magics({"SOME_ALIAS": 0x55053847, "CORE": 0x55053847}) is table


def test_first_name_of_a_new_magic_wins() -> None:
    table = ImageTable().with_magics({"FIRST": 0x12121212, "SECOND": 0x12121212})
    row = table.by_magic(0x12121212)
    assert row is not None
    assert row.name == "FIRST"
    assert len(table.types) == len(IMAGE_TYPES) + 1


@pytest.mark.parametrize("name", ["CORE", "TTY", "BRAND_NEW"])
def test_name_in_a_document_leads_back_to_the_magic_it_was_made_from(name: str) -> None:
    # A fork's magic.h may give a known name another value: documents hold the name alone.
    table = ImageTable().with_magics({name: 0x12121212})
    row = table.by_magic(0x12121212)
    assert row is not None
    written = table.by_name(row.name)
    assert written is not None
    assert written.magic == 0x12121212


def test_digits_of_other_scripts_are_no_numbers() -> None:
    assert not matches("demo-\u0667.img", ("demo-%u.img",))
    assert not matches("demo--\u0667.img", ("demo-%d.img",))
    assert matches("demo--7.img", ("demo-%d.img",))
