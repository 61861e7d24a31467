from __future__ import annotations

import copy
from typing import Any

import pytest

from dyncrit import Schema
from dyncrit.codec import extra
from dyncrit.codec.message import Codecs
from dyncrit.codec.payload import Payload, Submessage
from dyncrit.codec.plan import Style
from dyncrit.errors import DocumentError
from dyncrit.schema.layout import Array, Counted, FieldNumber, Parts, PayloadLayout, Rest, Submessages

CODECS = Codecs(Schema.default(), Style())
COUNTED = Counted((FieldNumber("bytes", 1),), align=4)
REST = Rest()
PARTS = Parts((("inq", FieldNumber("inq_len", 1)), ("outq", FieldNumber("outq_len", 2))))
ARRAY = Array(FieldNumber("nsems", 1), width=2, align=8)
MESSAGES = Submessages(FieldNumber("qnum", 1), "ipc_msg", FieldNumber("msize", 2), align=8)
MESSAGE = bytes.fromhex("08071002")


@pytest.mark.parametrize(
    ("layout", "payload", "shown"),
    [
        (COUNTED, Payload(b"ab"), {"extra": "YWI=\n"}),
        (COUNTED, Payload(b""), {"extra": ""}),
        (COUNTED, None, {"extra": ""}),
        (COUNTED, Payload(b"ab", b"\1\2"), {"extra": "YWI=\n", "@padding": "AQI=\n"}),
        (REST, Payload(b"ab"), {"extra": "YWI=\n"}),
        (REST, None, {}),
        (PARTS, Payload({"inq": b"ab", "outq": b""}), {"extra": {"inq": "YWI=\n", "outq": ""}}),
        (ARRAY, Payload([1, 2]), {"extra": [1, 2]}),
        (ARRAY, Payload([]), {"extra": []}),
        (ARRAY, Payload([1], b"\0\0\0\0\0\1"), {"extra": [1], "@padding": "AAAAAAAB\n"}),
        (MESSAGES, Payload([]), {"extra": []}),
        (
            MESSAGES,
            Payload([Submessage(MESSAGE, b"ab"), Submessage(b"", b"")]),
            {"extra": [{"mtype": 7, "msize": 2}, "YWI=\n", {}, ""]},
        ),
        (
            MESSAGES,
            Payload([Submessage(MESSAGE, b"ab", b"\0\0\0\0\0\1"), Submessage(b"", b"")]),
            {"extra": [{"mtype": 7, "msize": 2}, "YWI=\n", {}, ""], "@padding": ["AAAAAAAB\n", ""]},
        ),
    ],
)
def test_payloads_are_shown_as_crit_shows_them_and_come_back(
    layout: PayloadLayout, payload: Payload | None, shown: dict[str, Any]
) -> None:
    assert extra.show_payload(layout, payload, CODECS) == shown
    document = {"id": 1, **copy.deepcopy(shown)}
    taken = extra.take_payload(layout, document, CODECS)
    assert document == {"id": 1}
    assert _plain(taken) == _plain(payload if payload or layout is REST else Payload(b""))


def _plain(payload: Payload | None) -> object:
    if payload is None:
        return None
    value: Any = payload.value
    if isinstance(value, list):
        value = [
            (item.record, item.data, item.padding) if isinstance(item, Submessage) else item for item in value
        ]
    return value, payload.padding


class Pieces:
    size = 3

    def pieces(self) -> Any:
        yield b"abc"


def test_large_content_stays_a_blob_to_be_streamed() -> None:
    blob: Any = Pieces()
    assert extra.show_payload(COUNTED, Payload(blob), CODECS)["extra"] is blob
    taken = extra.take_payload(COUNTED, {"extra": blob}, CODECS)
    assert taken is not None
    assert taken.value is blob


class Sized:
    def __init__(self, size: int) -> None:
        self.size = size

    def pieces(self) -> Any:
        raise AssertionError("a placeholder needs no bytes")


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "... <0B>"),
        (1, "... <1B>"),
        (1023, "... <1023B>"),
        (1024, "... <1KB>"),
        (1536, "... <1.5KB>"),
        (1 << 20, "... <1MB>"),
        (3 << 30, "... <3GB>"),
        (1 << 40, "... <1TB>"),
        (1 << 50, "... <1024TB>"),
    ],
)
def test_a_placeholder_tells_the_size_and_is_no_payload(size: int, shown: str) -> None:
    document = extra.show_placeholder(COUNTED, Payload(Sized(size)))
    assert document == {"extra": shown}
    for layout in (COUNTED, REST, PARTS, ARRAY, MESSAGES):
        with pytest.raises(DocumentError, match="extra: the document was made without payloads"):
            extra.take_payload(layout, dict(document), CODECS)


@pytest.mark.parametrize(
    ("layout", "payload", "shown"),
    [
        (PARTS, Payload({"inq": b"ab", "outq": b"c"}), "... <3B>"),
        (ARRAY, Payload([1, 2, 3]), "... <6B>"),
        (MESSAGES, Payload([Submessage(MESSAGE, b"ab")]), "... <6B>"),
    ],
)
def test_a_placeholder_counts_content_of_any_kind(
    layout: PayloadLayout, payload: Payload, shown: str
) -> None:
    assert extra.show_placeholder(layout, payload) == {"extra": shown}


def test_placeholders_of_what_is_not_there() -> None:
    assert extra.show_placeholder(REST, None) == {}
    assert extra.show_placeholder(COUNTED, None) == {"extra": "... <0B>"}


@pytest.mark.parametrize("layout", [COUNTED, REST, PARTS, ARRAY, MESSAGES])
def test_a_document_without_extra_has_no_payload(layout: PayloadLayout) -> None:
    assert extra.take_payload(layout, {}, CODECS) is None


@pytest.mark.parametrize(
    ("layout", "document", "problem"),
    [
        (COUNTED, {"extra": 5}, "extra: expected a string in base64, found the integer 5"),
        (COUNTED, {"extra": None}, "extra: expected a string in base64, found null"),
        (COUNTED, {"extra": [1]}, "extra: expected a string in base64, found a list of 1"),
        (COUNTED, {"extra": "a"}, "extra: bad base64"),
        (COUNTED, {"extra": "YQ==", "@padding": "a"}, "@padding: bad base64"),
        (
            COUNTED,
            {"extra": "YQ==", "@padding": 5},
            "@padding: expected a string in base64, found the integer 5",
        ),
        (PARTS, {"extra": [1]}, "extra: expected an object, found a list of 1"),
        (PARTS, {"extra": {"inq": "a"}}, "extra.inq: bad base64"),
        (PARTS, {"extra": {"inq": None}}, "extra.inq: expected a string in base64, found null"),
        (ARRAY, {"extra": "YQ=="}, "extra: expected a list, found the string 'YQ=='"),
        (ARRAY, {"extra": {}}, "extra: expected a list, found an empty object"),
        (MESSAGES, {"extra": "YQ=="}, "extra: expected a list, found the string 'YQ=='"),
        (MESSAGES, {"extra": [{}]}, "extra: expected messages and their data in turn, found 1 items"),
        (MESSAGES, {"extra": ["", {}]}, "extra[0]: expected an object, found the string ''"),
        (
            MESSAGES,
            {"extra": [{"mtyp": 1}, ""]},
            "extra[0]: ipc_msg has no field 'mtyp'; did you mean mtype?",
        ),
        (MESSAGES, {"extra": [{}, "", {"mtype": None}, ""]}, "extra[2]: mtype: expected an integer"),
        (MESSAGES, {"extra": [{}, 5]}, "extra[1]: expected a string in base64, found the integer 5"),
        (MESSAGES, {"extra": [{}, "a"]}, "extra[1]: bad base64"),
        (
            MESSAGES,
            {"extra": [{}, ""], "@padding": []},
            "@padding: expected one for each of 1 messages, found 0",
        ),
        (
            MESSAGES,
            {"extra": [{}, ""], "@padding": "AA=="},
            "@padding: expected a list, found the string 'AA=='",
        ),
        (MESSAGES, {"extra": [{}, ""], "@padding": ["a"]}, "@padding[0]: bad base64"),
    ],
)
def test_other_shapes_are_errors_that_say_where(
    layout: PayloadLayout, document: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DocumentError) as error:
        extra.take_payload(layout, document, CODECS)
    assert str(error.value).startswith(problem)
