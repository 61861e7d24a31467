from __future__ import annotations

import pytest

from dyncrit.schema.layout import Counted, FieldNumber, ImageType, RecordLayout, Rest

_HEAD = RecordLayout("demo_head", counted=False)
_BODY = RecordLayout("demo_entry")


@pytest.mark.parametrize("index", [1, 2, 1000])
def test_last_layout_serves_all_records_behind_it(index: int) -> None:
    assert ImageType("DEMO", 1, (_HEAD, _BODY)).record(index) is _BODY


def test_first_record_has_the_first_layout() -> None:
    assert ImageType("DEMO", 1, (_HEAD, _BODY)).record(0) is _HEAD


def test_only_layout_serves_every_record() -> None:
    row = ImageType("DEMO", 1, (_BODY,))
    assert [row.record(index) for index in range(3)] == [_BODY] * 3


def test_messages_stand_in_record_order() -> None:
    assert ImageType("DEMO", 1, (_HEAD, _BODY)).messages == ("demo_head", "demo_entry")


@pytest.mark.parametrize("payload", [Counted((FieldNumber("length", 2),)), Rest()])
def test_payload_of_any_record_counts(payload: Counted | Rest) -> None:
    assert ImageType("DEMO", 1, (_HEAD, RecordLayout("demo_entry", payload))).has_payload


def test_no_payload_unless_a_record_has_one() -> None:
    assert not ImageType("DEMO", 1, (_HEAD, _BODY)).has_payload


def test_most_images_have_a_common_head_and_lengths_of_four_bytes() -> None:
    row = ImageType("DEMO", 1, (_BODY,))
    assert (row.head, row.length_size, row.files, row.aliases) == ("common", 4, (), ())
