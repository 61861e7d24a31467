from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest

from dyncrit.codec import wire
from dyncrit.codec.payload import Payload, Submessage, read_payload, write_payload
from dyncrit.codec.source import PIECE_SIZE, Extent, Source
from dyncrit.errors import DocumentError, ImageError
from dyncrit.schema.layout import Array, Counted, FieldNumber, Parts, PayloadLayout, Rest, Submessages

COUNTED = Counted((FieldNumber("bytes", 1),))
SUM = Counted((FieldNumber("keys", 1), FieldNumber("values", 2)))
PADDED = Counted((FieldNumber("size", 1),), align=4, unless=FieldNumber("in_pagemaps", 3))
REST = Rest(unless=FieldNumber("chunks", 3))
PARTS = Parts((("inq", FieldNumber("inq_len", 1)), ("outq", FieldNumber("outq_len", 2))))
ARRAY = Array(FieldNumber("nsems", 1), width=2, align=8)
MESSAGES = Submessages(FieldNumber("qnum", 1), "ipc_msg", FieldNumber("msize", 2), align=8)
ALL = [COUNTED, SUM, PADDED, REST, PARTS, ARRAY, MESSAGES]


def record(**numbers: int) -> bytes:
    return b"".join(wire.encode_field(int(key[1:]), wire.VARINT, value) for key, value in numbers.items())


def read(layout: PayloadLayout, head: bytes, data: bytes, byte_order: Any = "little") -> Payload | None:
    return read_payload(layout, head, Source(io.BytesIO(b"head" + data), "image"), 4, byte_order)


def write(layout: PayloadLayout, head: bytes, payload: Payload | None, byte_order: Any = "little") -> bytes:
    return b"".join(write_payload(layout, head, payload, byte_order))


def read_and_written(layout: PayloadLayout, head: bytes, data: bytes, byte_order: Any = "little") -> Payload:
    """The payload, after a check that it is written as it was read."""
    payload = read(layout, head, data, byte_order)
    assert payload is not None
    assert write(layout, head, payload, byte_order) == data[: payload.size]
    return payload


@pytest.mark.parametrize(
    ("layout", "head", "data", "value", "size"),
    [
        (COUNTED, record(f1=3), b"abcdef", b"abc", 3),
        (COUNTED, record(f1=0), b"abc", b"", 0),
        (COUNTED, b"", b"abc", b"", 0),
        (COUNTED, record(f1=9, f9=1) + record(f1=2), b"abc", b"ab", 2),  # the last one counts
        (SUM, record(f1=2, f2=3), b"abcdef", b"abcde", 5),
        (PADDED, record(f1=5), b"abcde\0\0\0rest", b"abcde", 8),
        (PADDED, record(f1=4), b"abcdrest", b"abcd", 4),
        (REST, b"", b"abc", b"abc", 3),
        (REST, record(f3=0), b"abc", b"abc", 3),
        (REST, b"", b"", b"", 0),
        (PARTS, record(f1=2, f2=1), b"abcd", {"inq": b"ab", "outq": b"c"}, 3),
        (PARTS, b"", b"abcd", {"inq": b"", "outq": b""}, 0),
        (ARRAY, record(f1=2), b"\1\0\0\1\0\0\0\0rest", [1, 256], 8),
        (ARRAY, record(f1=4), b"\1\0\2\0\3\0\4\0", [1, 2, 3, 4], 8),
        (ARRAY, record(f1=0), b"", [], 0),
    ],
)
def test_payloads_are_read_and_written(
    layout: PayloadLayout, head: bytes, data: bytes, value: object, size: int
) -> None:
    payload = read_and_written(layout, head, data)
    assert (payload.value, payload.size, payload.padding) == (value, size, b"")


def test_numbers_are_in_the_hosts_byte_order() -> None:
    assert read_and_written(ARRAY, record(f1=2), b"\0\1\1\0\0\0\0\0", "big").value == [1, 256]


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_several_messages_with_their_data(byte_order: Any) -> None:
    items = [(record(f1=7, f2=3), b"abc\0\0\0\0\0"), (record(f1=8), b""), (record(f2=8), b"12345678")]
    data = b"".join(len(head).to_bytes(4, byte_order) + head + body for head, body in items)
    payload = read_and_written(MESSAGES, record(f1=3), data + b"rest", byte_order)
    assert payload.size == len(data)
    messages: Any = payload.value
    assert [item.record for item in messages] == [head for head, _ in items]
    assert [item.data for item in messages] == [b"abc", b"", b"12345678"]


@pytest.mark.parametrize(("layout", "head"), [(PADDED, record(f1=5, f3=1)), (REST, record(f3=1))])
def test_a_payload_may_be_elsewhere(layout: PayloadLayout, head: bytes) -> None:
    assert read(layout, head, b"next record") is None
    assert write(layout, head, None) == b""
    assert write(layout, head, Payload(b"")) == b""
    with pytest.raises(
        DocumentError, match=r"there is a payload, and (in_pagemaps|chunks) says there is none"
    ):
        write(layout, head, Payload(b"abcde"))


@pytest.mark.parametrize(
    ("layout", "head", "data", "padding"),
    [
        (PADDED, record(f1=5), b"abcde\1\2\3", b"\1\2\3"),
        (ARRAY, record(f1=1), b"\1\0\0\0\0\0\0\xff", b"\0\0\0\0\0\xff"),
    ],
)
def test_padding_that_is_not_zero_is_kept(
    layout: PayloadLayout, head: bytes, data: bytes, padding: bytes
) -> None:
    assert read_and_written(layout, head, data).padding == padding


def test_padding_of_messages_is_kept() -> None:
    head = record(f1=1, f2=3)
    data = len(head).to_bytes(4, "little") + head + b"abc\1\2\3\4\5"
    messages: Any = read_and_written(MESSAGES, record(f1=1), data).value
    assert messages[0].padding == b"\1\2\3\4\5"


@pytest.mark.parametrize(
    ("layout", "head", "data", "problem"),
    [
        (COUNTED, record(f1=4), b"abc", "payload of 4 bytes, 3 left in the file"),
        (SUM, record(f1=2, f2=2), b"abc", "payload of 4 bytes, 3 left"),
        (SUM, record(f1=2**64 - 1, f2=2**64 - 1), b"abc", "payload of 36893488147419103230 bytes"),
        (PADDED, record(f1=5), b"abcd", "payload of 5 bytes, 4 left"),
        (PADDED, record(f1=5), b"abcde\0\0", "padding of 3 bytes, 2 left"),
        (PADDED, record(f1=5), b"abcde", "padding of 3 bytes, 0 left"),
        (PARTS, record(f1=2, f2=2), b"abc", "payload of 2 bytes, 1 left"),
        (PARTS, record(f1=4), b"abc", "payload of 4 bytes, 3 left"),
        (ARRAY, record(f1=2), b"\1\0\2", "payload of 4 bytes, 3 left"),
        (ARRAY, record(f1=2), b"\1\0\2\0\0\0", "padding of 4 bytes, 2 left"),
        (MESSAGES, record(f1=2), b"\0\0\0\0", "payload of 2 messages, or at least of 8 bytes, 4 left"),
        (MESSAGES, record(f1=1), b"\0\0\0\1", "message of 16777216 bytes, 0 left"),
        (MESSAGES, record(f1=1), b"\2\0\0\0\x10\x03ab", "payload of 3 bytes, 2 left"),
        (MESSAGES, record(f1=1), b"\2\0\0\0\x10\x03abc", "padding of 5 bytes, 0 left"),
        (MESSAGES, record(f1=1), b"\1\0\0\0\x10", "a varint that does not end"),
        (MESSAGES, record(f1=2), b"\0\0\0\0\0\0\0", "payload of 2 messages"),
    ],
)
def test_payloads_that_are_not_there_as_a_whole_are_errors(
    layout: PayloadLayout, head: bytes, data: bytes, problem: str
) -> None:
    with pytest.raises(ImageError) as error:
        read(layout, head, data)
    assert problem in str(error.value)


def test_every_message_of_a_payload_is_looked_for() -> None:
    with pytest.raises(ImageError, match="a message's length of 4 bytes, 0 left"):
        read(MESSAGES, record(f1=2), b"\4\0\0\0\x08\x01\x08\x01")


@pytest.mark.parametrize("layout", [COUNTED, SUM, PADDED, PARTS, ARRAY, MESSAGES])
@pytest.mark.parametrize("count", [2**31, 2**32 - 1, 2**63, 2**64 - 1])
def test_absurd_counts_take_no_memory(layout: PayloadLayout, count: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="left in the file"):
            read(layout, record(f1=count), b"abcdefgh")
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_an_absurd_length_in_a_message_takes_no_memory() -> None:
    head = record(f2=2**40)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="payload of 1099511627776 bytes"):
            read(MESSAGES, record(f1=1), len(head).to_bytes(4, "little") + head)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_a_damaged_head_is_an_error() -> None:
    for layout in ALL:
        with pytest.raises(ImageError, match="does not end"):
            read(layout, b"\x08", b"abc")


def test_large_content_stays_in_the_file() -> None:
    data = bytes(range(256)) * (PIECE_SIZE // 256) + b"x"
    payload = read(COUNTED, record(f1=len(data)), data + b"rest")
    assert payload is not None
    assert isinstance(payload.value, Extent)
    assert bytes(payload.value) == data
    assert list(write_payload(COUNTED, record(f1=len(data)), payload, "little")) == [
        data[:PIECE_SIZE],
        b"x",
        b"",
    ]
    small = read(COUNTED, record(f1=PIECE_SIZE), data)
    assert small is not None
    assert small.value == data[:PIECE_SIZE]


@pytest.mark.parametrize(
    ("layout", "head", "payload", "problem"),
    [
        (COUNTED, record(f1=4), Payload(b"abc"), "bytes says 4, the payload has 3 bytes"),
        (COUNTED, record(f1=4), None, "bytes says 4, the payload has 0 bytes"),
        (COUNTED, record(f1=4), Payload([1]), "expected bytes, found a list of 1"),
        (COUNTED, record(f1=4), Payload({"inq": b""}), "expected bytes, found an object of 1"),
        (SUM, record(f1=1, f2=1), Payload(b"abc"), "keys + values says 2, the payload has 3 bytes"),
        (PADDED, record(f1=5), Payload(b"abcde", b"\1\2"), "expected 3 bytes of padding, found 2"),
        (PADDED, record(f1=4), Payload(b"abcd", b"\1"), "expected 0 bytes of padding, found 1"),
        (REST, b"", None, 'there is no "extra"'),
        (REST, b"", Payload([1]), "expected bytes"),
        (PARTS, record(f1=1), Payload({"inq": b"ab"}), "inq_len says 1, the payload has 2 bytes of inq"),
        (PARTS, record(f2=1), Payload({"inq": b""}), "outq_len says 1, the payload has 0 bytes of outq"),
        (PARTS, b"", Payload({"in": b""}), "expected inq and outq, found an object of 1"),
        (PARTS, b"", Payload([1]), "expected inq and outq, found a list of 1"),
        (PARTS, b"", Payload(b"a"), "expected inq and outq, found the bytes b'a'"),
        (ARRAY, record(f1=2), Payload([1]), "nsems says 2, the payload has 1 items"),
        (
            ARRAY,
            record(f1=1),
            Payload([65536]),
            "[0]: expected an integer from 0 to 65535, found the integer 65536",
        ),
        (
            ARRAY,
            record(f1=2),
            Payload([1, -1]),
            "[1]: expected an integer from 0 to 65535, found the integer -1",
        ),
        (ARRAY, record(f1=1), Payload([True]), "[0]: expected an integer"),  # type: ignore[list-item]
        (ARRAY, record(f1=1), Payload(b"ab"), "expected a list of numbers, found the bytes b'ab'"),
        (ARRAY, record(f1=1), Payload([1], b"\1"), "expected 6 bytes of padding, found 1"),
        (MESSAGES, record(f1=2), Payload([]), "qnum says 2, the payload has 0 messages"),
        (MESSAGES, record(f1=1), Payload([5]), "expected a message, found the integer 5"),
        (MESSAGES, record(f1=1), Payload(b"ab"), "expected a list of messages, found the bytes b'ab'"),
        (
            MESSAGES,
            record(f1=1),
            Payload([Submessage(record(f2=3), b"ab")]),
            "msize says 3, the payload has 2 bytes",
        ),
        (
            MESSAGES,
            record(f1=1),
            Payload([Submessage(record(f2=3), b"abc", b"\1")]),
            "expected 5 bytes of padding, found 1",
        ),
    ],
)
def test_a_payload_that_contradicts_its_message_is_not_written(
    layout: PayloadLayout, head: bytes, payload: Payload | None, problem: str
) -> None:
    with pytest.raises(DocumentError) as error:
        write(layout, head, payload)
    assert problem in str(error.value)


def test_a_head_that_is_no_message_is_not_written() -> None:
    for layout in ALL:
        with pytest.raises((DocumentError, ImageError), match="does not end"):
            write(layout, b"\x08", Payload(b""))
