from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.errors import DocumentError
from dyncrit.jsonio import scanner
from dyncrit.jsonio.base64text import LongString, base64_string
from dyncrit.jsonio.reader import DocumentReader


@pytest.fixture(params=[32, 64, 1000])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Strings of over 100 bytes count as long, and are read in small pieces."""
    monkeypatch.setattr(scanner, "_CHUNK_SIZE", request.param)
    monkeypatch.setattr(scanner, "_LONG_STRING", 100)
    size: int = request.param
    return size


def entries_of(text: bytes) -> list[Any]:
    reader = DocumentReader(io.BytesIO(text))
    return [entry for batch in reader.entries() for entry in batch]


def bytes_of(value: Any) -> bytes:
    """What base64 stands for, whether it was short enough to be held or not."""
    return base64.b64decode(value) if isinstance(value, str) else b"".join(value.pieces())


DATA = bytes(n * 7 % 256 for n in range(5000))
BASE64 = base64.b64encode(DATA).decode()


@given(st.lists(st.binary(max_size=400)))
def test_pieces_of_any_size_are_one_string(pieces: list[bytes]) -> None:
    expected = base64.encodebytes(b"".join(pieces)).decode()
    assert json.loads(b"".join(base64_string(pieces))) == expected


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_a_long_string_takes_text_in_any_pieces(data: bytes, size: int) -> None:
    text = base64.encodebytes(data)
    long_string = LongString(0)
    for start in range(0, len(text), size):
        long_string.feed(text[start : start + size].replace(b"\n", b"\\n"))
    assert long_string.size == len(data)
    assert b"".join(long_string.pieces()) == data


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("text", [BASE64, base64.encodebytes(DATA).decode(), BASE64.replace("A", "A\r\n")])
def test_a_long_string_under_extra_is_a_blob(text: str) -> None:
    (entry,) = entries_of(json.dumps({"magic": "X", "entries": [{"a": 1, "extra": text}]}).encode())
    assert entry["a"] == 1
    assert entry["extra"].size == len(DATA)
    assert b"".join(entry["extra"].pieces()) == DATA


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(("plain", "escape"), [("+", "\\u002b"), ("/", "\\/"), ("=", "\\u003D")])
def test_a_long_string_may_have_escapes_in_it(plain: str, escape: str) -> None:
    text = json.dumps({"magic": "X", "entries": [{"extra": BASE64}]}).replace(plain, escape)
    (entry,) = entries_of(text.encode())
    assert bytes_of(entry["extra"]) == DATA


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("indent", [None, 2])
def test_long_strings_may_stand_below_extra_and_between_short_ones(indent: int | None) -> None:
    entries = [
        {"extra": {"inq": BASE64, "outq": "YQ=="}},
        {"extra": [{"mtype": 1}, BASE64, {"mtype": 2}, "YQ==", {"mtype": 3}, BASE64]},
        {"extra": "YQ=="},
        {"extra": BASE64, "b": {"c": [1, 2]}},
    ]
    read = entries_of(json.dumps({"magic": "X", "entries": entries}, indent=indent).encode())
    assert [bytes_of(read[0]["extra"][name]) for name in ("inq", "outq")] == [DATA, b"a"]
    assert [bytes_of(read[1]["extra"][at]) for at in (1, 3, 5)] == [DATA, b"a", DATA]
    assert [read[1]["extra"][at] for at in (0, 2, 4)] == [{"mtype": 1}, {"mtype": 2}, {"mtype": 3}]
    assert [bytes_of(read[index]["extra"]) for index in (2, 3)] == [b"a", DATA]
    assert read[3]["b"] == {"c": [1, 2]}


@pytest.mark.usefixtures("chunk")
def test_long_strings_elsewhere_are_strings() -> None:
    entries = [{"pages": BASE64, "list": [BASE64], "object": {"key": BASE64}}]
    (entry,) = entries_of(json.dumps({"magic": "X", "entries": entries}).encode())
    for value in (entry["pages"], entry["list"][0], entry["object"]["key"]):
        assert isinstance(value, str)
        assert base64.b64decode(value) == DATA


@pytest.mark.usefixtures("chunk")
def test_long_strings_before_the_magic_are_read(chunk: int) -> None:
    (entry,) = entries_of(json.dumps({"entries": [{"extra": BASE64}], "magic": "X"}).encode())
    assert bytes_of(entry["extra"]) == DATA


@pytest.mark.usefixtures("chunk")
def test_long_strings_in_ndjson_are_blobs() -> None:
    lines = [{"magic": "X", "@format": "ndjson"}, {"extra": BASE64}, {"extra": "YQ=="}, {"extra": BASE64}]
    read = entries_of("\n".join(map(json.dumps, lines)).encode())
    assert [bytes_of(entry["extra"]) for entry in read] == [DATA, b"a", DATA]


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(
    "text",
    [
        BASE64 + "!",
        BASE64[:2000] + "*" + BASE64[2000:],
        BASE64[:2001],
        BASE64[:2000] + "=" + BASE64[2000:],
        BASE64[:2000] + "==" + BASE64[2002:],
        BASE64 + "é",
        BASE64 + "====",
        BASE64[:2000] + "\x00" + BASE64[2000:],
    ],
    ids=range(8),
)
def test_a_long_string_that_is_not_base64_is_an_error_with_its_byte(text: str) -> None:
    document = json.dumps({"magic": "X", "entries": [{"extra": text}]}).encode()
    (entry,) = entries_of(document)
    with pytest.raises(DocumentError, match="not base64") as caught:
        bytes_of(entry["extra"])
    assert caught.value.place[-1] == f"byte {document.index(BASE64[:50].encode()) - 1}"


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("keep", [150, 2000, len(BASE64) + 30])
def test_a_long_string_that_does_not_end_is_refused(keep: int) -> None:
    document = json.dumps({"magic": "X", "entries": [{"extra": BASE64}]}).encode()
    with pytest.raises(DocumentError):
        entries_of(document[:keep])


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(
    "text", ["a" * 3000, "/srv/é" * 900, 'quote " and \\\\ backslash\\' * 200, "x" * 2000 + "\udcff\n"]
)
def test_long_strings_elsewhere_are_text_whatever_they_hold(text: str) -> None:
    document = {"magic": "X", "entries": [{"name": text, "nested": {"list": [text]}}]}
    assert entries_of(json.dumps(document).encode()) == document["entries"]
