from __future__ import annotations

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema.catalogue import build_release, history
from dyncrit.schema.history import message_since, releases, since, trace


def test_all_releases_are_listed_with_what_they_have() -> None:
    rows = releases()
    assert tuple(row.name for row in rows) == history().releases
    for row in (rows[0], rows[30], rows[-1]):
        files = [file for file in build_release(row.name).file if file.name != "opts.proto"]
        assert row.messages == sum(len(file.message_type) for file in files)
        assert row.fields == sum(len(message.field) for file in files for message in file.message_type)
    assert sum(row.new_messages for row in rows) == rows[-1].messages
    assert sum(row.new_fields for row in rows) == rows[-1].fields
    assert (rows[-1].new_messages, rows[-1].new_fields) == (0, 2)


def test_a_message_is_traced_release_by_release() -> None:
    found = trace("pagemap_entry")
    assert (found.kind, found.file, found.span.first, found.span.last) == (
        "message",
        "pagemap.proto",
        "0.5",
        None,
    )
    assert [(release, str(change)) for release, change in found.changes][-4:] == [
        ("1.5", "field pagemap_entry.vaddr options changed: none -> hex"),
        ("3.5", "field pagemap_entry.flags added: 4 optional uint32 [flags = pmap.flags]"),
        ("4.2", "field pagemap_entry.compat_nr_pages renamed: nr_pages -> compat_nr_pages"),
        ("4.2", "field pagemap_entry.nr_pages added: 5 optional uint64"),
    ]


def test_a_name_that_moved_to_another_field_is_told_with_both() -> None:
    found = trace("pagemap_entry.nr_pages")
    assert [(row.name, row.number, row.span.first, row.span.last) for row in found.names] == [
        ("nr_pages", 2, "0.5", "4.1.1"),
        ("compat_nr_pages", 2, "4.2", None),
        ("nr_pages", 5, "4.2", None),
    ]


@pytest.mark.parametrize("name", ["device_entry", "kfd_device_entry"])
def test_a_renamed_message_is_found_by_both_names(name: str) -> None:
    found = trace(name)
    assert [(row.name, row.span.first, row.span.last) for row in found.names] == [
        ("device_entry", "3.17", "3.19"),
        ("kfd_device_entry", "4.0", None),
    ]
    renamed = "message kfd_device_entry renamed: device_entry -> kfd_device_entry"
    assert ("4.0", renamed) in [(release, str(change)) for release, change in found.changes]


def test_enums_are_traced_too() -> None:
    found = trace("core_entry.march")
    assert found.kind == "enum"
    assert ("4.1", "value core_entry.march.RISCV64 added: 8") in [
        (release, str(change)) for release, change in found.changes
    ]


@pytest.mark.parametrize(
    "name", [*list(history().messages)[::9], *history().enums, "vma_entry.prot", "bo_entry"]
)
def test_the_changes_are_in_the_order_of_releases_and_begin_with_the_first(name: str) -> None:
    found = trace(name)
    order = [history().releases.index(release) for release, _ in found.changes]
    assert order == sorted(order)
    assert found.changes[0][0] == found.span.first == found.to_dict()["changes"][0]["release"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pagemap_entyr", "did you mean pagemap_entry"),
        ("pagemap_entry.nrpages", "did you mean nr_pages"),
        ("pagemap_entyr.vaddr", "did you mean pagemap_entry"),
        ("", "no message or enum"),
        (".", "no message or enum"),
        ("pagemap_entry.", "no field ''"),
    ],
)
def test_an_unknown_name_brings_the_nearest_to_mind(name: str, says: str) -> None:
    with pytest.raises(SchemaError) as caught:
        trace(name)
    assert says in str(caught.value)


def test_since_tells_the_number_and_its_names() -> None:
    assert since("pagemap_entry", 2) == ("0.5", ("nr_pages", "compat_nr_pages"))
    assert since("device_entry", 1) == ("3.17", ("node_id",))
    assert since("pagemap_entry", 99) is None
    assert since("nothing", 1) is None
    assert (message_since("bo_entry"), message_since("nothing")) == ("3.17", None)
